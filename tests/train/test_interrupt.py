"""Ctrl-C: the run ends where its state is whole, and goes on from there as if nothing was."""

import signal
import threading

import pytest

from streetlight.train import Callback, Checkpoint, EarlyStopping
from streetlight.train.interrupt import interrupts

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "raise_signal"), reason="the system cannot send itself Ctrl-C"
)


class CtrlC(Callback):
    """Presses Ctrl-C after some batches: once, or again at once."""

    order = -1

    def __init__(self, batches, times=1):
        self.left, self.times = batches, times

    def on_batch_end(self, trainer):
        self.left -= 1
        if self.left == 0:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def _usual_handler():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("batches", [1, 9, 13, 14])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_run_ends_whole_and_goes_on(problem, tmp_path, batches, accumulate):
    path = tmp_path / "run.safetensors"
    whole = problem.make(accumulate=accumulate)
    history = whole.trainer.fit(whole.training, whole.validation, 4, quiet=True)
    assert not history.interrupted

    made = problem.make(accumulate=accumulate)
    history = made.trainer.fit(
        made.training, made.validation, 4, [CtrlC(batches), Checkpoint(path)], quiet=True
    )
    assert history.interrupted
    assert len(history) == batches // 7
    resumed = problem.make(accumulate=accumulate)
    after = resumed.trainer.fit(
        resumed.training, resumed.validation, 4, [Checkpoint(path)], resume=path, quiet=True
    )
    assert not after.interrupted
    assert problem.weights(resumed.model) == problem.weights(whole.model)


def test_the_best_weights_are_kept(problem):
    made = problem.make(lr=0.3)
    callbacks = [CtrlC(7 * 12 + 3), EarlyStopping(patience=100)]
    history = made.trainer.fit(made.training, made.validation, 99, callbacks, quiet=True)
    assert len(history) == 12
    best = min(history["validation_loss"])
    assert made.trainer.best.value == best
    assert made.trainer.evaluate(made.validation)["loss"] == pytest.approx(best, rel=1e-6)


def test_a_second_one_ends_at_once_and_saves_nothing(problem, tmp_path):
    made, path = problem.make(), tmp_path / "run.safetensors"
    history = made.trainer.fit(
        made.training, made.validation, 4, [CtrlC(9, times=2), Checkpoint(path)], quiet=True
    )
    assert history.interrupted
    assert len(history) == 1
    resumed = problem.make()
    resumed.trainer.fit(resumed.training, resumed.validation, 1, resume=path, quiet=True)
    assert resumed.trainer.step == 7  # what was saved is the end of the first epoch


def test_in_the_last_batch_of_all_the_run_is_complete(problem):
    made = problem.make()
    history = made.trainer.fit(made.training, epochs=2, callbacks=[CtrlC(14)], quiet=True)
    assert len(history) == 2
    assert not history.interrupted


def test_only_the_main_thread_listens():
    def listen():
        with interrupts(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_where_ctrl_c_is_switched_off_it_stays_off():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts(lambda: None):
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
