"""Encoders: what they are asked to learn, and how their frozen features are probed."""

from __future__ import annotations

import math

import numpy as np
import pytest

import streetlight as sl
from streetlight import nn
from streetlight.errors import FileFormatError, StateDictError, UnknownNameError, UsageError
from streetlight.interop import save
from streetlight.projects.representation import efficiency, findings
from streetlight.projects.representation.catalogue import LOSSES, choose_task, find_task
from streetlight.projects.representation.encoder import EncoderNetwork, load_network
from streetlight.projects.representation.findings import Findings, Frozen, find, told
from streetlight.projects.representation.objectives import partners
from streetlight.projects.representation.probes import (
    features,
    linear_probe,
    nearest,
    roc_auc,
    verification_auc,
    vote,
)
from streetlight.projects.representation.task import TaskDataset
from streetlight.utils.data import DataLoader, Subset


@pytest.fixture(scope="module")
def digits(large_digits):
    """200 digits to learn from and 100 others."""
    return large_digits(200, 100)


# ---- the encoder ----


def test_the_encoder_gives_128_features_of_a_picture():
    encoder = EncoderNetwork("ntxent").build()
    assert encoder(sl.rand(3, 1, 28, 28)).shape == (3, 128)
    assert sum(p.numel() for p in encoder.parameters()) == (
        9 * (32 + 32 * 64 + 64 * 128) + 2 * (32 + 64 + 128) + (16 * 128 + 1) * 128
    )


@pytest.mark.parametrize("task", ["ntxent", "rotation"])
def test_what_was_saved_answers_the_same(task, tmp_path):
    network = EncoderNetwork(task, widths=(4, 6), features=10)
    model = find_task(task).network(network.build(), network.features).eval()
    save(model.state_dict(), tmp_path / "m.safetensors", network.metadata())
    again, settings = load_network(tmp_path / "m.safetensors")
    assert settings == network
    images = sl.rand(3, 1, 28, 28)
    assert sl.equal(model(images), again(images))


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"encoder": "["},
        {"encoder": "[]"},
        {"encoder": '{"task": "ntxent"}'},
        {"encoder": '{"task": "juggling", "widths": [4]}'},
        {"encoder": '{"task": "ntxent", "widths": [4], "wings": 2}'},
    ],
)
def test_a_file_that_does_not_say_what_it_holds_is_told(metadata, tmp_path):
    save({"a": sl.ones(2)}, tmp_path / "m.safetensors", metadata)
    with pytest.raises(FileFormatError, match="does not say which encoder it holds"):
        load_network(tmp_path / "m.safetensors")


def test_other_weights_and_damaged_files_are_told(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"not at all")
    with pytest.raises(FileFormatError, match="not a sound safetensors file"):
        load_network(path)
    save({"a": sl.ones(2)}, path, EncoderNetwork("ntxent").metadata())
    with pytest.raises(StateDictError):
        load_network(path)


# ---- the tasks ----


def test_tasks_are_chosen_by_loss_or_pretext():
    assert choose_task(None, None).name == "ntxent"
    assert choose_task("supcon", None).name == "supcon"
    assert choose_task(None, "rotation").name == "rotation"
    with pytest.raises(UsageError, match="--loss triplet and --pretext jigsaw are two different"):
        choose_task("triplet", "jigsaw")
    with pytest.raises(UnknownNameError, match="there is no loss 'ntxend'") as caught:
        choose_task("ntxend", None)
    assert "did you mean 'ntxent'?" in str(caught.value)
    with pytest.raises(UnknownNameError, match="there is no pretext 'sudoku'") as caught:
        choose_task(None, "sudoku")
    assert "rotation, jigsaw, inpaint, colour" in str(caught.value)


@pytest.mark.parametrize("name", LOSSES)
def test_each_task_learns_from_its_batches(name, digits):
    sl.manual_seed(0)
    task, network = find_task(name), EncoderNetwork(name, (8, 16), 32)
    model = task.network(network.build(), network.features)
    optimizer = sl.optim.Adam(model.parameters(), lr=1e-2)
    images, targets = task.batch(*digits[0][:40])
    assert images.shape == (80, 1, 28, 28)
    assert images.dtype == np.float32
    losses = []
    for _ in range(25):
        loss = task.loss(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_only_tasks_that_say_so_see_labels(digits):
    images, labels = digits[0][:30]
    for task in map(find_task, [*LOSSES, "rotation", "jigsaw", "inpaint", "colour"]):
        given = []
        for shown in (labels, (labels + 3) % 10):
            sl.manual_seed(1)
            given.append([part.numpy() for part in task.batch(images, shown)])
        same = all(np.array_equal(*parts) for parts in zip(*given, strict=True))
        assert same is not task.uses_labels, task.name
    assert [name for name in LOSSES if find_task(name).uses_labels] == [
        "triplet", "contrastive", "supcon",
    ]  # fmt: skip


def test_views_are_new_at_each_look_and_the_same_for_the_same_seed(digits):
    dataset = TaskDataset(Subset(digits[0], range(50)), find_task("ntxent"))
    looks = []
    for seed in (0, 0, 1):
        sl.manual_seed(seed)
        looks.append([batch[0].numpy() for batch in DataLoader(dataset, 25)])
    assert np.array_equal(looks[0], looks[1])
    assert not np.array_equal(looks[0], looks[2])
    assert not np.array_equal(looks[0][0][:25], looks[0][0][25:])


def test_half_of_the_partners_are_of_the_same_class():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2_000)
    order = partners(labels, rng.random((2_000, 2)))
    assert order.min() >= 0
    assert order.max() < 2_000
    assert np.mean(labels[order] == labels) == pytest.approx(0.55, abs=0.04)  # 0.5 + 0.5 / 10


# ---- probes ----


def test_features_are_those_of_evaluation_mode():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(0.5))
    images = np.random.default_rng(0).random((2_003, 1, 2, 2), dtype=np.float32)
    found = features(model, images)
    expected = images.reshape(-1, 4) / np.sqrt(np.float32(1 + 1e-5))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert model.training


def test_a_linear_probe_is_as_good_as_scikit_learn_s_and_always_the_same():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 12))
    labels = rng.integers(0, 4, 600)
    rows = (centres[labels] + rng.normal(0, 1.2, (600, 12))).astype(np.float32)
    said = linear_probe(rows[:400], labels[:400], rows[400:], 500)
    theirs = linear_model.LogisticRegression().fit(rows[:400], labels[:400]).predict(rows[400:])
    assert np.mean(said == labels[400:]) >= np.mean(theirs == labels[400:]) - 0.02
    sl.manual_seed(99)
    assert np.array_equal(said, linear_probe(rows[:400], labels[:400], rows[400:], 500))


def test_a_feature_that_never_changes_does_no_harm():
    rows = np.array([[0, 5], [1, 5]] * 4, np.float32)
    assert linear_probe(rows, np.array([0, 1] * 4), rows[:2], 100).tolist() == [0, 1]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_nearest_neighbours_equal_a_full_search(count, monkeypatch):
    monkeypatch.setattr("streetlight.projects.representation.probes.AT_ONCE", 4)
    rng = np.random.default_rng(0)
    asked, known = (rng.normal(size=(n, 5)).astype(np.float32) for n in (10, 7))
    places, cosines = nearest(asked, known, count)
    lengths = np.outer(np.linalg.norm(asked, axis=1), np.linalg.norm(known, axis=1))
    every = asked @ known.T / lengths
    assert places.tolist() == np.argsort(-every, axis=1)[:, :count].tolist()
    np.testing.assert_allclose(cosines, -np.sort(-every, axis=1)[:, :count], rtol=1e-5)


def test_neighbours_vote_by_how_near_they_are():
    cosines = np.array([[0.9, 0.5, 0.5], [0.9, 0.9, 0.9]], np.float32)
    assert vote(np.array([[3, 1, 1], [3, 1, 1]]), cosines).tolist() == [3, 1]
    assert vote(np.array([[3, 1, 1]]), cosines[:1], sharpness=0.0).tolist() == [1]


def test_the_area_under_the_curve_equals_a_count_of_pairs():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 6, 40) / 6, rng.random(40) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[truth] for b in scores[~truth]]
    assert roc_auc(scores, truth) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_verification_of_noise_is_a_coin():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(500, 8)).astype(np.float32), rng.integers(0, 10, 500)
    assert verification_auc(rows, labels) == pytest.approx(0.5, abs=0.02)
    assert verification_auc(np.eye(10, dtype=np.float32)[labels], labels) == 1.0


# ---- few labels, and what is said ----


def test_each_draw_has_as_many_of_each_class(digits):
    labels = digits[0].labels.numpy()
    chosen = [efficiency.balanced(labels, 30, draw) for draw in range(2)]
    assert [np.bincount(labels[places]).tolist() for places in chosen] == [[3] * 10] * 2
    assert set(chosen[0]) != set(chosen[1])
    assert len(set(chosen[0])) == 30


def test_label_efficiency_compares_four_ways(digits, monkeypatch):
    monkeypatch.setattr(efficiency, "UPDATES", 4)
    build = EncoderNetwork("ntxent", (8, 16), 32).build
    encoder = build()
    before = {name: x.numpy().copy() for name, x in encoder.state_dict().items()}
    frozen = Frozen.of(encoder, *digits)
    found = efficiency.label_efficiency(encoder, build, frozen, *digits, (10, 50), draws=2)
    assert [shares.shape for shares in found.values()] == [(2, 2)] * 4
    assert all(0 <= shares.min() <= shares.max() <= 1 for shares in found.values())
    assert found[efficiency.PROBED].mean(0)[1] > found[efficiency.PROBED].mean(0)[0]
    for name, x in encoder.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), before[name])


def test_findings_are_measured_on_frozen_features(digits, monkeypatch):
    monkeypatch.setattr(findings, "UPDATES", 300)
    coarse = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    frozen = Frozen.of(coarse, *digits)
    found = find(frozen)
    assert found.labels == 200
    assert found.probe > 0.8
    assert found.neighbours > 0.8
    assert 0.6 < found.auc < 1
    embedding = find(frozen, np.ones((100, 2), np.float32))
    assert embedding.auc == pytest.approx(0.5, abs=1e-6)
    assert embedding.probe == found.probe


def test_it_is_said_who_saw_labels():
    found = Findings(probe=0.9876, neighbours=0.97, auc=0.91234, labels=60_000)
    assert told(False, found) == (
        "The encoder has seen no label; the probe and the neighbours know 60,000 labels, "
        "as their answers need names."
    )
    assert "The encoder was told the digits while it learnt" in told(True, found)
    assert found.rows() == [
        "linear probe                   98.8 %",
        "10 nearest neighbours          97.0 %",
        "same digit or not (ROC AUC)    0.9123",
    ]
    beside = found.rows(Findings(0.5, 1.0, 0.6, 60_000))
    assert beside[0].split() == ["frozen", "features,", "test", "digits", "learnt", "untrained"]
    assert beside[2].endswith("97.0 %      100 %")
    assert math.isclose(len(beside[1]), len(beside[2]))
