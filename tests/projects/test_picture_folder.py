"""The parts of the project for pictures of one's own: split, weights, network, report."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import streetlight as sl
from streetlight.datasets import ImageFolder
from streetlight.errors import DataError, FileFormatError
from streetlight.interop import save
from streetlight.projects import picture_folder as project
from streetlight.projects import picture_folder_report as report
from streetlight.projects import pictures as drawings
from streetlight.projects.picture_folder_network import Normalize, PictureNetwork, load_network
from streetlight.projects.run_folder import RunFolder


def network(**changed):
    settings = {
        "classes": ["a", "b"], "side": 28, "channels": 1, "width": 16, "dropout": 0.3,
        "mean": [0.5], "std": [0.25],
    }  # fmt: skip
    return PictureNetwork(**{**settings, **changed})


@pytest.fixture
def pictures(tmp_path):
    """Grey noise in three classes: 40 bright ones, 20 dark ones, 7 in between."""
    random = np.random.default_rng(0)
    for name, count, light in (("bright", 40, 180), ("dark", 20, 20), ("other", 7, 100)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = (light + random.integers(0, 60, (12, 9))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02}.png")
    return ImageFolder(tmp_path)


# ---- split and weights ----


def test_each_class_is_split_alike_and_no_picture_is_in_two_parts(pictures):
    split = project.split_by_class(pictures, seed=3)
    targets = np.asarray(pictures.targets)
    counts = [np.bincount(targets[part]).tolist() for part in (split.train, split.watch)]
    assert counts == [[28, 14, 5], [6, 3, 1]]
    everything = np.concatenate([split.train, split.watch, split.test])
    assert sorted(everything.tolist()) == list(range(67))
    again, other = project.split_by_class(pictures, 3), project.split_by_class(pictures, 4)
    assert again.test.tolist() == split.test.tolist() != other.test.tolist()


def test_a_class_with_too_few_pictures_is_refused(pictures):
    for path in sorted((pictures.root / "other").iterdir())[4:]:
        path.unlink()
    with pytest.raises(DataError, match=r"other has too few pictures(?s:.*)at least 5 in each"):
        project.split_by_class(ImageFolder(pictures.root), 0)


def test_the_digest_changes_with_names_and_pictures(pictures):
    first = project.digest(pictures)
    assert project.digest(ImageFolder(pictures.root)) == first
    (pictures.root / "dark" / "00.png").rename(pictures.root / "dark" / "z.png")
    renamed = project.digest(ImageFolder(pictures.root))
    Image.new("L", (12, 9), 7).save(pictures.root / "dark" / "z.png")
    assert len({first, renamed, project.digest(ImageFolder(pictures.root))}) == 3


def test_classes_count_alike_in_the_loss_if_they_are_unequal(pictures):
    split = project.split_by_class(pictures, 0)
    weights = project.class_weights(pictures, split.train).numpy()
    counts = np.bincount(np.asarray(pictures.targets)[split.train])
    assert np.allclose(weights * counts, len(split.train) / 3)
    assert project.class_weights(pictures, np.array([0, 1, 40, 41, 60, 61])) is None


@pytest.mark.parametrize(
    ("count", "size"), [(6, 8), (199, 8), (200, 32), (2_000, 64), (10**6, 128)]
)
def test_few_pictures_make_small_steps(count, size):
    assert project.batch_size(count) == size


# ---- network ----


@pytest.mark.parametrize(("side", "blocks"), [(8, 2), (12, 2), (28, 3), (48, 4), (64, 4), (96, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_fits_the_size(side, blocks, channels):
    chosen = network(side=side, channels=channels, classes=["a", "b", "c"])
    model = chosen.build()
    assert len(chosen.blocks) == blocks
    assert model(sl.zeros(2, channels, side, side)).shape == (2, 3)
    maps = model[: 4 * blocks - 1](sl.zeros(2, channels, side, side))
    kernels, last = chosen.blocks[-1]
    assert maps.shape == (2, kernels, last, last)


def test_work_counts_the_multiplications():
    assert network(side=12).work == 9 * (16 * 12 * 12 + 16 * 32 * 6 * 6)


def test_a_saved_network_is_built_again(tmp_path):
    chosen = network(classes=["ein Hund", "猫"])
    model = chosen.build().eval()
    save(model.state_dict(), tmp_path / "model.safetensors", chosen.metadata())
    loaded, settings = load_network(tmp_path / "model.safetensors")
    images = sl.rand(3, 1, 28, 28)
    assert settings == chosen
    assert loaded(images).tolist() == model(images).tolist()


def test_weights_that_name_no_network_are_refused(tmp_path):
    save(network().build().state_dict(), tmp_path / "x.safetensors", {"network": "[]"})
    with pytest.raises(FileFormatError, match="does not say which network it holds"):
        load_network(tmp_path / "x.safetensors")


def test_pictures_are_normalised_by_those_that_are_learnt_from(pictures):
    split = project.split_by_class(pictures, 0)
    chosen = project.design(pictures, split.train)
    images = project.batches_of(pictures, split.train, chosen)
    values = np.concatenate([batch.numpy() for batch, _ in images])
    assert values.mean() == pytest.approx(0, abs=1e-3)
    assert values.std() == pytest.approx(1, abs=1e-3)
    assert chosen.classes == ["bright", "dark", "other"]
    two = Normalize([0.0, 1.0], [1.0, 2.0])(np.ones((1, 2, 1, 1), np.float32))
    assert two.ravel().tolist() == [1, 0]


def test_only_coloured_pictures_are_mirrored(pictures):
    kinds = [type(step).__name__ for step in project.changes(pictures, network()).transforms]
    assert kinds == ["Normalize", "RandomAffine"]
    pictures.channels, pictures.pixels = 3, np.repeat(pictures.pixels, 3, axis=1)
    chosen = project.design(pictures, np.arange(67))
    kinds = [type(step).__name__ for step in project.changes(pictures, chosen).transforms]
    assert kinds[-1] == "RandomHorizontalFlip"


# ---- report ----


def judged(shares, true):
    names = ["cat", "dog", "hen"]
    return report.PictureJudgement(np.array(shares, np.float32), np.array(true), names)


def test_a_judgement_is_told_beside_what_guessing_gives():
    outcome = judged([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0.2, 0.8]], [0, 0, 1, 2])
    assert str(outcome).splitlines() == [
        "75.0 % right: 3 of 4 held-out pictures, which it had never seen (always saying 'cat': "
        "50.0 %)",
        "hardest: cat, 50.0 % right",
        "most confused: cat taken for dog (once)",
    ]
    assert outcome.point() == "cat is taken for dog once"
    perfect = judged([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 1, 2])
    assert str(perfect).splitlines()[1:] == ["nothing was confused"]
    assert perfect.point() == "No class is taken for another one"


def test_many_files_are_listed_in_a_file_and_the_first_ones_told(pictures):
    run = RunFolder(pictures.root, {})
    pictures.left_out = {pictures.root / f"{n}.png": "the file is empty" for n in range(8)}
    pictures.twins = [(pictures.root / "dark" / "1.png", pictures.root / "other" / "2.png")] * 6
    told = [" ".join(row).strip() for row in report._remarks(run, pictures)]
    assert told[0] == "warning other/2.png is the same picture as dark/1.png"
    assert told[5] == "warning and 1 more pictures in two classes"
    assert told[6] == f"left out 8 files, listed in {run.path / 'left-out.txt'}"
    assert told[-2:] == ["4.png: the file is empty", "and 3 more"]
    assert len((run.path / "left-out.txt").read_text().splitlines()) == 8


def test_sizes_are_told(pictures):
    assert report._sizes(pictures) == (
        "all 9×12, grey; brought to 12×12, nothing cut off, margins in the colour of the edge"
    )
    pictures.sizes[0] = (30, 40)
    assert "9×12 to 30×40 (2 sizes, median of the longer sides 12), grey" in report._sizes(pictures)


def test_pictures_are_drawn_for_many_classes_and_many_mistakes(tmp_path):
    names = [f"a long name of class {number}" for number in range(40)]
    shares = np.eye(40, dtype=np.float32)[np.arange(39, -1, -1)]
    outcome = report.PictureJudgement(shares, np.arange(40), names)
    figure = report._confusion(outcome)
    assert len(figure.axes[0].get_xticklabels()) == 25
    assert "(the 25 hardest of 40 classes)" in figure.texts[0].get_text()
    images = np.zeros((18, 3, 8, 8), np.uint8)
    rows = [["x" * 50 + ".png", "said" * 9, "true" * 9, "0.5"]] * 18
    rows[0] = ["$\\frac{ \udcff.png", "猫", "a$b_{c$", "0.9"]
    figure = report.mistakes(images, rows, report._mistakes_title(40))
    drawings.save_figure(figure, tmp_path / "mistakes.png")
    assert figure.texts[0].get_text() == "The 18 mistakes of 40 that it was surest of"
    assert len(figure.axes) == 18
    looks = np.zeros((2, 4, 1, 8, 8), np.float32)
    figure = report.seen(looks, looks, ["a", "b"], more=3)
    assert figure.texts[1].get_text().endswith("3 more not shown")
