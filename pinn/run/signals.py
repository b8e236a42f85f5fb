"""Ctrl-C, SIGTERM and SIGUSR1: the step in hand is finished and saved; a second Ctrl-C or SIGTERM stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

WARNING = getattr(signal, "SIGUSR1", None)
"""What schedulers send some time before they end a job, as often as they like; None where the system does not have it."""

ENDING = (signal.SIGTERM, *([WARNING] if WARNING is not None else []))
"""Signals that end a run as Ctrl-C does."""


@contextmanager
def terminable() -> Iterator[None]:
    """Context in which `ENDING` signals interrupt as Ctrl-C does; outside the main thread nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interruption:
    """Context in which a first SIGINT or one of `ENDING` only sets `requested`; the loop looks at it between steps.

    Outside the main thread, where Python allows no handlers, nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *ENDING):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number != WARNING:
            raise KeyboardInterrupt
        self.requested = self.requested or signal.Signals(number).name
