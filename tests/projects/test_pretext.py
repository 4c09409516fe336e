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


@pytest.fixture(scope="module")
def images():
    """Sixty digits of the package, three times as large with a border: 28 × 28."""
    small = datasets.digits()[0].images.numpy()[:60]
    return np.pad(small.repeat(3, 2).repeat(3, 3), [(0, 0), (0, 0), (2, 2), (2, 2)])


def make(task, images, seed=0):
    sl.manual_seed(seed)
    return task.batch(sl.from_numpy(images), sl.zeros(len(images), dtype=sl.int64))


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
    assert not sl.equal(make(task, images, 1)[0], inputs)


@pytest.mark.parametrize("task", TASKS)
def test_the_pictures_given_stay_as_they_are(task, images):
    before = images.copy()
    make(task(), images)
    np.testing.assert_array_equal(images, before)


def test_pictures_are_turned_to_the_left_and_back(images):
    task = Rotation()
    turned = task.turn(images, np.arange(60) % 4)
    for number, picture in enumerate(turned):
        np.testing.assert_array_equal(picture[0], np.rot90(images[number, 0], number % 4))
    np.testing.assert_array_equal(task.truth(turned, np.arange(60) % 4), images)


def test_who_knows_the_turns_turns_the_pictures_back(images):
    task = Rotation()
    inputs, targets = (part.numpy() for part in make(task, images))
    assert set(targets.tolist()) == {0, 1, 2, 3}
    known, wrong = (9 * np.eye(4, dtype=np.float32)[(targets + k) % 4] for k in (0, 1))
    upright = task.truth(inputs, targets)
    np.testing.assert_array_equal(task.reveal(inputs, targets, known), upright)
    assert not np.array_equal(task.reveal(inputs, targets, wrong), upright)
    assert task.score(inputs, targets, known) == "100 % of the turns are told rightly"
    assert task.score(inputs, targets, wrong) == "0.0 % of the turns are told rightly"


def test_turned_pictures_are_varied_so_that_no_detail_gives_the_turn_away(images):
    task = Rotation()
    inputs, targets = (part.numpy() for part in make(task, images))
    upright = task.truth(inputs, targets)
    assert all(not np.array_equal(a, b) for a, b in zip(upright, images, strict=True))
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(upright, images, strict=True)]
    assert np.mean(alike) > 0.4


def test_quarters_are_shuffled_and_all_orders_occur(images):
    task = Jigsaw()
    assert len({tuple(order) for order in task.orders}) == 24
    many = np.tile(np.arange(784, dtype=np.float32).reshape(1, 1, 28, 28), (500, 1, 1, 1))
    laid, targets = task.hide(many)
    np.testing.assert_array_equal(targets, many)
    np.testing.assert_array_equal(np.sort(laid.reshape(500, -1)), many.reshape(500, -1))
    corners = laid[:, 0, ::14, ::14].reshape(500, 4)
    quarters = {value: place for place, value in enumerate([0, 14, 14 * 28, 14 * 28 + 14])}
    orders = {tuple(quarters[int(value)] for value in row) for row in corners}
    assert orders == {tuple(order) for order in task.orders.tolist()}


def test_quarters_go_where_the_painting_has_them(images):
    task = Jigsaw()
    inputs, targets = (part.numpy() for part in make(task, images))
    assert not np.array_equal(inputs, targets)
    faint = (0.5 * (targets - 0.5)).reshape(60, -1)  # a pale painting is enough
    np.testing.assert_array_equal(task.reveal(inputs, targets, faint), images)
    assert task.score(inputs, targets, faint) == "100 % are put together rightly"
    assert task.score(inputs, targets, -faint) == "0.0 % are put together rightly"


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
    np.testing.assert_array_equal(task.truth(inputs.numpy(), targets.numpy()), images)
    assert task.score(inputs.numpy(), sharp.numpy(), spoilt).startswith(
        "a pixel is off by 0.000, without"
    )


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


def test_painted_colours_lie_on_the_ink_that_is_known(images):
    task = Colour()
    inputs, targets = (part.numpy() for part in make(task, images))
    share = np.clip(targets / np.maximum(inputs, 1e-9), 1e-6, 1 - 1e-6)
    outputs = np.log(share / (1 - share)).reshape(60, -1).astype(np.float32)
    np.testing.assert_allclose(task.reveal(inputs, targets, outputs), targets, atol=1e-4)
    assert task.score(inputs, targets, outputs).startswith("a pixel is off by 0.000, without")
    assert not np.array_equal(inputs, images)  # they are moved
    np.testing.assert_array_equal(task.truth(inputs, targets), stroke_colours(inputs[:, 0]))


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
