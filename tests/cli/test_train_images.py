"""Pictures of one's own as users meet them: train, look, evaluate, predict, stop, go on, misuse."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import numpy as np
import pytest
from PIL import Image

from streetlight.interop import load, load_metadata

FILES = {
    "model.safetensors", "checkpoint.safetensors", "history.csv", "summary.txt", "run.json",
    "curves.png", "confusion.png", "mistakes.png", "mistakes.csv", "seen.png", "left-out.txt",
}  # fmt: skip


def stripes(random, upright):
    """A picture of stripes, upright or lying, of some colour, with some grain."""
    wave = (np.arange(16) + random.integers(0, 4)) // 2 % 2
    grid = np.broadcast_to(wave if upright else wave[:, None], (16, 16))
    colour = random.integers(100, 255, 3)
    noisy = grid[:, :, None] * colour + random.integers(0, 30, (16, 16, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder `my stripes` with two unequal classes, and files that are no pictures."""
    top = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for name, count in (("lying flat", 40), ("upright", 20)):
        (top / "my stripes" / name).mkdir(parents=True)
        for number in range(count):
            picture = stripes(random, name == "upright")
            ending = ("png", "JPG")[number % 2]
            picture.save(top / "my stripes" / name / f"no {number}.{ending}", quality=95)
    (top / "my stripes" / "upright" / "text.png").write_text("no picture")
    (top / "my stripes" / "upright" / "notes.txt").write_text("no picture")
    return top


WORDS = ("train", "images", "my stripes")


@pytest.fixture(scope="module")
def trained(streetlight, folder):
    """What was printed by a finished run in `run`."""
    done = streetlight(*WORDS, "--epochs", 12, "--out", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_it_says_what_it_has_found_and_what_it_will_do(trained):
    told = "\n".join(trained)
    assert trained[0] == "Reading the pictures of my stripes."
    assert re.fullmatch(
        r"Learning 2 classes from 60 pictures on the CPU, 12 epochs: at most about 1 minute\.",
        trained[1],
    )
    assert "  classes      lying flat: 40, upright: 20\n" in told
    assert "  pictures     42 to learn from, 9 to know when to stop, 9 held out\n" in told
    assert "  size         all 16×16, in colour\n" in told
    assert "a mistake in 'upright' weighs 1.5 times, one in 'lying flat' 0.75 times\n" in told
    assert "  passed over  1 file of other kinds (.txt 1)\n" in told
    assert "  left out     1 file, listed in run/left-out.txt\n" in told
    assert "               upright/text.png: its format is none that is known\n" in told


def test_it_learns_and_leaves_everything_and_nothing_else(trained, folder):
    told = "\n".join(trained)
    right = float(re.search(r"^([\d.]+) % right: \d of 9 held-out pictures, .*", told, re.M)[1])
    assert right > 80
    assert trained[-1] == "try it: streetlight predict run PICTURE.jpg"
    assert {path.name for path in (folder / "run").iterdir()} == FILES
    assert (folder / "run" / "left-out.txt").read_text().startswith("upright/text.png: ")
    assert (folder / "run" / "mistakes.csv").read_text().startswith("file,said,true,chance")
    for name in FILES:
        if name.endswith(".png"):
            with Image.open(folder / "run" / name) as picture:
                picture.load()
                assert 250 <= min(picture.size) <= max(picture.size) <= 1300


def test_the_model_tells_classes_size_channels_and_normalisation(trained, folder):
    metadata = load_metadata(folder / "run" / "model.safetensors")
    network = json.loads(metadata["network"])
    assert metadata["project"] == "images"
    assert network["classes"] == ["lying flat", "upright"]
    assert (network["side"], network["channels"]) == (16, 3)
    assert len(network["mean"]) == len(network["std"]) == 3
    assert load(folder / "run" / "model.safetensors")["output.weight"].shape[0] == 2


def test_evaluate_finds_the_same_again(streetlight, trained, folder):
    done = streetlight("evaluate", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "\n".join(lines) in "\n".join(trained)


def test_predict_names_pictures_of_any_size_and_tells_those_that_are_none(
    streetlight, trained, folder
):
    random = np.random.default_rng(9)
    stripes(random, True).resize((700, 500), Image.Resampling.NEAREST).save(folder / "large.png")
    stripes(random, False).convert("L").save(folder / "grey one.jpg", quality=95)
    words = ["predict", "run", "large.png", "lost.png", "my stripes/upright/text.png", "."]
    done = streetlight(*words, "grey one.jpg", cwd=folder)
    assert done.returncode == 1
    answers = re.findall(r"^(\S.*): (.*)$", done.stdout, re.M)
    assert [name for name, _ in answers] == ["large.png", "grey one.jpg"]
    assert answers[1][1] == "lying flat"
    shares = [float(share) for share in re.findall(r"([\d.]+) %", done.stdout)]
    assert shares[0] >= shares[1]
    assert shares[2] >= shares[3]
    assert "lost.png cannot be read: no such file or directory" in done.stderr
    assert "text.png is not a picture that can be read: its format is none" in done.stderr
    assert ". cannot be read: it is a folder, not a picture" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as POSIX does")
def test_ctrl_c_is_told_and_a_resumed_run_ends_where_the_whole_one_does(
    streetlight, command, trained, folder
):
    words = [*WORDS, "--epochs", "12", "--out", "stopped"]
    with subprocess.Popen(
        [*command, *words], cwd=folder, encoding="utf-8", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONUTF8": "1"},
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGINT)
                break
        _, trouble = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "streetlight train images 'my stripes' --resume stopped" in trouble
    done = streetlight(*WORDS, "--resume", "stopped", "--quiet", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    models = [load(folder / name / "model.safetensors") for name in ("run", "stopped")]
    whole, resumed = ([value.tolist() for value in model.values()] for model in models)
    assert resumed == whole


def test_pictures_that_have_changed_are_not_mixed_with_the_old_ones(streetlight, trained, folder):
    extra = folder / "my stripes" / "upright" / "extra.png"
    stripes(np.random.default_rng(5), True).save(extra)
    changed = "my stripes have changed since the run began"
    again = streetlight(*WORDS, "--resume", "run", cwd=folder)
    later = streetlight("evaluate", "run", cwd=folder)
    extra.unlink()
    assert (again.returncode, later.returncode) == (2, 2)
    assert f"the run cannot go on: the pictures in {changed}" in again.stderr
    assert changed in later.stderr
    assert "streetlight predict run PICTURES..." in later.stderr


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("my stripe", 1, "did you mean my stripes?"),
        ("empty", 1, "empty has no folder of a class"),
        ("my stripes/upright/text.png", 1, "text.png is a file, not a folder"),
        ("one", 1, "one has only one class: cat"),
        ("few", 1, "few/cat has too few pictures to learn from and to test with"),
    ],
)
def test_folders_that_cannot_be_learnt_are_told_before_anything_is_made(
    streetlight, folder, path, code, text
):
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "one" / "cat").mkdir(parents=True, exist_ok=True)
    for name in ("cat", "dog"):
        (folder / "few" / name).mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 9), len(name)).save(folder / "few" / name / "x.png")
    done = streetlight("train", "images", path, "--out", "nothing", "--quiet", cwd=folder)
    assert done.returncode == code
    assert text in done.stderr
    assert "fix: " in done.stderr
    assert not (folder / "nothing").exists()
