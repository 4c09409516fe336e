"""Ctrl-C as a request: the loop ends where its state is whole, a second Ctrl-C ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupts(action: Callable[[], None]) -> Iterator[None]:
    """Within this block the first Ctrl-C calls `action`, the next one does what it always did.

    Only the main thread can be interrupted; in another one, or where Ctrl-C is switched off, the
    block changes nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def request(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        action()

    signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
