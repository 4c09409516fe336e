"""The main job as its users meet it: train, look at what it leaves, evaluate, predict."""

from __future__ import annotations

import re

import pytest
from PIL import Image

from streetlight import datasets
from streetlight.interop import load, load_metadata
from streetlight.train import History

EPOCHS = 25
FILES = {
    "model.safetensors", "checkpoint.safetensors", "history.csv", "summary.txt", "run.json",
    "curves.png", "confusion.png", "mistakes.png", "weights.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(streetlight, tmp_path_factory):
    """The folder of a finished run, and what was printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = streetlight("train", "digits", "--epochs", EPOCHS, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    (run,) = (folder / "runs").iterdir()
    return run, done.stdout.splitlines()


def test_it_says_first_what_it_will_do_and_how_long_that_takes(trained):
    _, lines = trained
    assert re.fullmatch(
        r"Learning 1,198 handwritten digits of 8×8 pixels .* 25 epochs: about 1 second\.",
        lines[0],
    )


def test_a_pipe_gets_one_plain_line_per_epoch(trained):
    _, lines = trained
    assert [line.split()[1] for line in lines if line.startswith("epoch ")] == [
        f"{epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)
    ]
    assert not any("\x1b" in line or "\r" in line for line in lines)


def test_it_ends_with_the_result_the_confused_pairs_and_where_all_lies(trained):
    run, lines = trained
    right = int(re.fullmatch(r"[\d.]+ % right: (\d+) of 599 test digits, .*", lines[-4])[1])
    assert right / 599 > 0.95
    assert re.match(r"most confused: \d taken for \d \(.*\)", lines[-3])
    assert lines[-2] == f"model, curves, mistakes and more: runs/{run.name}"
    assert lines[-1] == f"try it: streetlight predict runs/{run.name} PHOTO.png"
    assert re.fullmatch(r"digits-\d{4}-\d\d-\d\d-\d{6}", run.name)


def test_it_leaves_everything_and_nothing_else(trained):
    run, _ = trained
    assert {path.name for path in run.iterdir()} == FILES


def test_the_model_tells_how_to_build_it_again(trained):
    run, _ = trained
    assert load_metadata(run / "model.safetensors")["project"] == "digits"
    weights = load(run / "model.safetensors")
    assert weights["hidden1.weight"].shape[1] == 64
    assert weights["output.bias"].shape == (10,)


def test_history_has_a_row_for_each_epoch_and_gets_better(trained):
    run, _ = trained
    history = History.from_csv(run / "history.csv")
    assert len(history) == EPOCHS
    assert history["validation_loss"][-1] < 0.2 * history["validation_loss"][0]


def test_the_summary_names_layers_shapes_and_parameters(trained):
    run, _ = trained
    text = (run / "summary.txt").read_text()
    assert "hidden1" in text
    assert "(1, 10)" in text
    assert "parameters, all trainable" in text


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith(".png")))
def test_the_pictures_are_whole_and_large_enough_to_read(trained, name):
    run, _ = trained
    with Image.open(run / name) as picture:
        picture.load()
        assert min(picture.size) >= 300
        assert max(picture.size) <= 1200


def test_evaluate_finds_the_same_again(streetlight, trained):
    run, lines = trained
    done = streetlight("evaluate", run)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == lines[-4:-2]


@pytest.mark.parametrize(("dark_on_light", "ending"), [(True, "jpg"), (False, "png")])
def test_photos_of_digits_never_seen_are_read(
    streetlight, trained, photo, tmp_path, dark_on_light, ending
):
    run, _ = trained
    test = datasets.digits()[1]
    labels = test.labels.tolist()
    for digit in range(10):
        pixels = test.images.numpy()[labels.index(digit), 0]
        photo(pixels, dark_on_light, digit).save(tmp_path / f"{digit}.{ending}")
    files = sorted(tmp_path.glob(f"*.{ending}"))
    done = streetlight("predict", run, *files)
    assert (done.returncode, done.stderr) == (0, "")
    answers = re.findall(rf"(\d)\.{ending}: (\d)", done.stdout)
    assert [name for name, _ in answers] == list("0123456789")
    assert sum(name == said for name, said in answers) >= 9


def test_predict_draws_the_probabilities_as_bars(streetlight, trained, photo, tmp_path):
    run, _ = trained
    test = datasets.digits()[1]
    photo(test.images.numpy()[test.labels.tolist().index(0), 0], True, 1).save(tmp_path / "0.png")
    lines = streetlight("predict", run, tmp_path / "0.png").stdout.splitlines()
    assert lines[0] == f"{tmp_path}/0.png: 0"
    shares = []
    for line in lines[1:]:
        bar, share = re.fullmatch(r"  \d  (█*) +([\d.]+) %", line).groups()
        shares.append(float(share))
        assert abs(len(bar) - 24 * float(share) / 100) <= 0.5 + 24 * 0.0005
    assert len(shares) >= 3
    assert shares == sorted(shares, reverse=True)


def test_files_that_are_no_pictures_are_told_and_the_others_read(
    streetlight, trained, photo, tmp_path
):
    run, _ = trained
    photo(datasets.digits()[1].images.numpy()[0, 0], True, 1).save(tmp_path / "good.png")
    (tmp_path / "notes.png").write_text("no picture")
    done = streetlight("predict", run, "notes.png", "good.png", "lost.jpg", cwd=tmp_path)
    assert done.returncode == 1
    assert re.match(r"good\.png: \d\n", done.stdout)
    assert "notes.png is not a picture that can be read" in done.stderr
    assert "lost.jpg cannot be read: no such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_seed_gives_the_same_model_and_another_seed_another(streetlight, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        words = ["train", "digits", "--epochs", 2, "--seed", seed, "--quiet", "--out", name]
        done = streetlight(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    a, b, c = (load(tmp_path / name / "model.safetensors")["output.weight"] for name in "abc")
    assert a.tolist() == b.tolist()
    assert a.tolist() != c.tolist()
