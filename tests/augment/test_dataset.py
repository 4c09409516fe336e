"""Augmentation in training: whole batches, before the step, which stays compiled."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

import streetlight as sl
from streetlight import augment, nn, optim
from streetlight.errors import TraceError
from streetlight.train import Callback, Checkpoint, Trainer
from streetlight.utils.data import DataLoader, TensorDataset, default_collate, random_split

CHANGE = augment.Compose([augment.RandomAffine(10, (0.1, 0.1)), augment.GaussianNoise()])


def digits(count: int = 60) -> TensorDataset:
    random = np.random.default_rng(0)
    labels = random.integers(4, size=count)
    images = random.random((count, 1, 6, 6), dtype=np.float32) * 0.3
    images[np.arange(count), 0, labels] += 0.7  # the row tells the class
    return TensorDataset(images, labels)


def test_a_batch_is_changed_as_by_a_collate_function() -> None:
    data = digits()
    changed = augment.TransformedDataset(data, CHANGE)
    together = DataLoader(changed, 16)
    alone = DataLoader(data, 16, collate_fn=lambda samples: CHANGE(*default_collate(samples)))
    sl.manual_seed(3)
    batches = list(together)
    sl.manual_seed(3)
    for (images, labels), (same, numbers) in zip(batches, alone, strict=True):
        assert sl.equal(images, same)
        assert sl.equal(labels, numbers)
    assert len(changed) == 60


def test_each_look_is_a_new_one_and_the_data_stay() -> None:
    data = digits()
    before = data.tensors[0].clone()
    loader = DataLoader(augment.TransformedDataset(data, CHANGE), 60)
    [first, _], [second, _] = next(iter(loader)), next(iter(loader))
    assert not sl.equal(first, second)
    assert sl.equal(data.tensors[0], before)


def test_samples_parts_and_bare_images() -> None:
    data = augment.TransformedDataset(digits(), augment.RandomVerticalFlip(1.0))
    image, label = data[5]
    assert sl.equal(image, data.dataset[5][0].flip(1))
    assert label.item() == data.dataset[5][1].item()
    part, _ = random_split(data, [20, 40])
    assert [images.shape[0] for images, _ in DataLoader(part, 15)] == [15, 5]
    views = augment.TransformedDataset(digits(), augment.TwoViews(CHANGE))
    assert [field.shape for field in next(iter(DataLoader(views, 4)))] == [
        (4, 1, 6, 6), (4, 1, 6, 6), (4,),
    ]  # fmt: skip
    images = TensorDataset(digits().tensors[0])
    [batch] = next(iter(DataLoader(augment.TransformedDataset(images, CHANGE), 4)))
    assert batch.shape == (4, 1, 6, 6)
    bare = augment.TransformedDataset([np.ones((1, 6, 6), np.float32)] * 3, CHANGE)
    assert next(iter(DataLoader(bare, 2))).shape == (2, 1, 6, 6)
    assert bare[0].shape == (1, 6, 6)


def run(
    change: Any, compile: Any = True, callbacks: Any = (), resume: Any = None, **options: Any
) -> Trainer:
    sl.manual_seed(1)
    loader = DataLoader(augment.TransformedDataset(digits(), change), 20, shuffle=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Dropout(0.1))
    model.append(nn.Linear(12, 4))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    loss = nn.CrossEntropyLoss(**options)
    trainer = Trainer(model, optimizer, loss, ["accuracy"], compile=compile)
    with contextlib.suppress(InterruptedError):
        trainer.fit(loader, epochs=4, callbacks=callbacks, resume=resume, quiet=True)
    return trainer


@pytest.mark.parametrize(
    "change", [CHANGE, augment.Compose([CHANGE, augment.MixUp(alpha=0.4, num_classes=4)])]
)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}])
def test_the_step_is_compiled_and_does_the_same(change: Any, options: Any) -> None:
    compiled, eager = run(change, **options), run(change, compile=False, **options)
    versions = compiled.steps._compiled["gradients"].explain().versions  # type: ignore[attr-defined]
    assert [version.calls for version in versions] == [12]
    for name, value in eager.model.state_dict().items():
        same = compiled.model.state_dict()[name]
        np.testing.assert_allclose(same.numpy(), value.numpy(), rtol=1e-4, atol=1e-5)
    assert 0.3 < compiled.history["accuracy"][-1] <= 1


class Crash(Callback):
    order = 200

    def on_step_end(self, trainer: Any) -> None:
        if trainer.step == 8:
            raise InterruptedError


def test_a_run_resumed_in_mid_epoch_sees_the_same_pictures(tmp_path: Any) -> None:
    change = augment.Compose([CHANGE, augment.MixUp(num_classes=4)])
    path = tmp_path / "run.safetensors"
    whole = run(change)
    run(change, callbacks=[Checkpoint(path, every_steps=1), Crash()])
    sl.rand(9)
    resumed = run(change, callbacks=[Checkpoint(path)], resume=path)
    for name, value in whole.model.state_dict().items():
        assert sl.equal(resumed.model.state_dict()[name], value)


def test_within_a_compiled_function_it_is_refused() -> None:
    change = augment.RandomVerticalFlip()
    with pytest.raises(TraceError):
        sl.compile(lambda x: change(x).sum())(sl.ones(2, 1, 4, 4))
