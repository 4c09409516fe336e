"""Pretext tasks: what is hidden, that it can be found, and that no label helps."""

from __future__ import annotations

import numpy as np
import pytest

import streetlight as sl
from streetlight import datasets, optim
from streetlight.datasets import LabelledImages
from streetlight.projects.representation import pretext_pictures
from streetlight.projects.representation.pretext import Colour, Inpaint, Jigsaw, Rotation
from streetlight.projects.representation.pretext_colours import stroke_colours
from streetlight.train import Trainer

TASKS = [Rotation, Jigsaw, Inpaint, Colour]
CHOICES = [Rotation, Jigsaw]


@pytest.fixture(scope="module")
def images():
    """Sixty digits of the package, three times as large with a border: 28 × 28."""
    small = datasets.digits()[0].images.numpy()[:60]
    return np.pad(small.repeat(3, 2).repeat(3, 3), [(0, 0), (0, 0), (2, 2), (2, 2)])


def make(task, images, seed=0):
    sl.manual_seed(seed)
    return task.batch(sl.from_numpy(images), sl.zeros(len(images), dtype=sl.int64))


def certain(task, targets):
    """Outputs of a head that knows the answers."""
    return 9 * np.eye(task.answers, dtype=np.float32)[targets]


@pytest.mark.parametrize("task", TASKS)
def test_no_label_goes_in_and_the_seed_decides_what_is_hidden(task, images):
    task = task()
    assert not task.uses_labels
    inputs, targets = make(task, images)
    sl.manual_seed(0)
    others = task.batch(sl.from_numpy(images), sl.arange(len(images)))
    assert sl.equal(inputs, others[0])
    assert sl.equal(targets, others[1])
    assert tuple(inputs.shape) == (60, 1, 28, 28)
    assert inputs.dtype == sl.float32
    assert len(targets) == 60
    assert sl.equal(make(task, images, 1)[0], inputs) == (task.name == "colour")


@pytest.mark.parametrize("task", TASKS)
def test_the_pictures_given_stay_as_they_are(task, images):
    before = images.copy()
    make(task(), images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("task", CHOICES)
def test_who_knows_the_answers_gets_the_pictures_back(task, images):
    task = task()
    inputs, targets = (part.numpy() for part in make(task, images))
    assert set(targets.tolist()) <= set(range(task.answers))
    known = certain(task, targets)
    np.testing.assert_array_equal(task.reveal(inputs, targets, known), images)
    assert task.score(targets, known) == f"100.0 % of {task.answers} answers right"
    shifted = certain(task, (targets + 1) % task.answers)
    assert task.score(targets, shifted) == f"0.0 % of {task.answers} answers right"


def test_pictures_are_turned_to_the_left(images):
    turned = Rotation().change(images, np.arange(60) % 4)
    for number, picture in enumerate(turned[:8]):
        np.testing.assert_array_equal(picture[0], np.rot90(images[number, 0], number % 4))


def test_quarters_lie_in_the_order_that_the_answer_stands_for(images):
    task = Jigsaw()
    assert len({tuple(order) for order in task.orders}) == 24
    answer = 9
    laid = task.change(images[:1], np.array([answer]))[0, 0]
    corners = [(0, 0), (0, 14), (14, 0), (14, 14)]
    for place, (top, left) in enumerate(corners):
        y, x = corners[task.orders[answer][place]]
        quarter = images[0, 0, y : y + 14, x : x + 14]
        np.testing.assert_array_equal(laid[top : top + 14, left : left + 14], quarter)


def test_a_hole_is_grey_and_the_rest_untouched(images):
    inputs, targets = (part.numpy() for part in make(Inpaint(), images))
    picture, hole = targets[:, :1], targets[:, 1:]
    np.testing.assert_array_equal(picture, images)
    assert set(np.unique(hole)) == {0.0, 1.0}
    assert (hole.sum((1, 2, 3)) == 14 * 14).all()
    assert (inputs[hole == 1] == 0.5).all()
    np.testing.assert_array_equal(inputs[hole == 0], images[hole == 0])
    rows = hole[:, 0].any(axis=2)
    assert {int(row.argmax()) for row in rows} == set(range(3, 12))
    assert (rows.sum(axis=1) == 14).all()


def test_only_what_is_in_the_hole_counts_and_is_filled(images):
    task = Inpaint()
    inputs, targets = make(task, images)
    truth = np.where(images > 0.5, 50.0, -50.0).astype(np.float32).reshape(60, -1)
    sharp = sl.cat([sl.from_numpy((images > 0.5).astype(np.float32)), targets[:, 1:]], dim=1)
    outside = targets[:, 1:].flatten(1).numpy() == 0
    spoilt = np.where(outside, -truth, truth)
    assert task.loss(sl.from_numpy(spoilt), sharp).item() == pytest.approx(0, abs=1e-6)
    assert task.loss(sl.from_numpy(-truth), sharp).item() == pytest.approx(50)
    filled = task.reveal(inputs.numpy(), sharp.numpy(), spoilt)
    np.testing.assert_allclose(
        filled.reshape(60, -1)[~outside], sharp[:, :1].flatten(1).numpy()[~outside], atol=1e-6
    )
    np.testing.assert_array_equal(
        filled.reshape(60, -1)[outside], inputs.flatten(1).numpy()[outside]
    )
    assert task.score(sharp.numpy(), spoilt).startswith("a pixel is off by 0.000, without")


def test_strokes_have_the_colour_of_their_direction():
    pictures = np.zeros((4, 9, 9), np.float32)
    pictures[0, :, 4] = 1
    pictures[1, 4, :] = 1
    pictures[2] = np.eye(9)
    pictures[3] = np.eye(9)[::-1]
    red, cyan, falling, rising = stroke_colours(pictures)[:, :, 4, 4]
    np.testing.assert_allclose(red, [1, 0.25, 0.25], atol=1e-6)
    np.testing.assert_allclose(cyan, [0, 0.75, 0.75], atol=1e-6)
    assert falling[0] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(falling[[1, 2]], rising[[2, 1]], atol=1e-6)
    assert abs(falling[1] - falling[2]) > 0.8


def test_colours_are_those_of_the_stroke_wherever_it_stands_and_paper_has_none(images):
    coloured = stroke_colours(images[:, 0])
    assert coloured.dtype == np.float32
    assert coloured.min() >= 0
    assert (coloured <= images + 1e-6).all()
    assert (coloured[np.broadcast_to(images == 0, coloured.shape)] == 0).all()
    moved = stroke_colours(np.roll(np.pad(images[:, 0], [(0, 0), (6, 6), (6, 6)]), 3, axis=2))
    np.testing.assert_allclose(moved[:, :, 9:-9, 12:-6], coloured[:, :, 3:-3, 3:-3], atol=1e-5)


def small_encoder():
    layers = sl.nn.Conv2d(1, 8, 5, 3), sl.nn.ReLU(), sl.nn.Flatten(), sl.nn.Linear(512, 32)
    return sl.nn.Sequential(*layers, sl.nn.ReLU())


@pytest.mark.parametrize("task", TASKS)
def test_each_is_learnt_and_drawn(task, images, tmp_path):
    task = task()
    batch = make(task, images)
    sl.manual_seed(1)
    model = task.network(small_encoder(), 32)
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=1e-2), task.loss)
    history = trainer.fit([batch] * 10, epochs=3, quiet=True)
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    test = LabelledImages(
        (images[:, 0] * 255).astype(np.uint8), np.arange(60, dtype=np.uint8) % 10, 255
    )
    words = pretext_pictures.leave_pretext(tmp_path, task, model, test)
    assert words.startswith(f"{task.name}: ")
    assert (tmp_path / "pretext.png").read_bytes().startswith(b"\x89PNG")


def test_three_rows_show_what_is_given_what_is_answered_and_what_is_true(images):
    shown = images[:4], images[4:8], np.repeat(images[8:12], 3, axis=1)
    figure = pretext_pictures.draw(*shown, "headline")
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    np.testing.assert_array_equal(drawn[0], images[0, 0])
    np.testing.assert_array_equal(drawn[4], images[4, 0])
    np.testing.assert_array_equal(drawn[8], shown[2][0].transpose(1, 2, 0))
    names = [axes.get_ylabel() for axes in figure.axes[::4]]
    assert names == ["given", "the network's\nanswer", "true"]
