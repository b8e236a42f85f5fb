"""What is shown while a run works: one line that renews itself on a terminal, a plain line now and then in a pipe."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

Known = tuple[str, float | None]
"""What the judge calls its number, and the number; None when it was withheld."""

RENEW, PIPE = 0.2, 10.0
"""Seconds between lines on a terminal and in a pipe."""


class Progress:
    """Shows where a run stands.

    Parameters
    ----------
    stream : where to; None is standard error as it is at that moment.
    prefix : stands in front of every line, for instance the number of a job.
    clock : seconds; replaced in tests.
    """

    def __init__(self, stream: TextIO | None = None, prefix: str = "", clock: Callable[[], float] = time.monotonic):
        self.stream = sys.stderr if stream is None else stream
        self.prefix, self.clock = prefix, clock
        self.live = self.stream.isatty()
        self._last = clock() if not self.live else float("-inf")
        self._begin: tuple[str, float, int] = ("", clock(), 0)
        self._shown = False

    def step(self, stage: str, step: int, steps: int, loss: float, terms: Mapping[str, float], error: Known | None) -> None:
        """Show a step if it is time.

        Parameters
        ----------
        stage : name of the stage; step, steps : where it stands, of how many.
        loss : what is made small; terms : mean squares by name.
        error : (``"error"`` or ``"estimate"``, relative L2 or None when it was withheld); None before the first look.
        """
        now = self.clock()
        if self._begin[0] != stage:
            self._begin = (stage, now, step)
        if now - self._last < (RENEW if self.live else PIPE):
            return
        self._last = now
        self._show(line(stage, step, steps, loss, terms, error, self._pace(now, step)))

    def _pace(self, now: float, step: int) -> float:
        """Return steps per second in this stage, 0 when unknown."""
        _, begin, first = self._begin
        return (step - first) / (now - begin) if now > begin else 0.0

    def _show(self, text: str) -> None:
        text = self.prefix + text
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + shorten(text, width).ljust(width))
            self._shown = True
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def doing(self, text: str) -> None:
        """Show on a terminal what takes a while and has no steps."""
        if self.live:
            self._show(f"{text} …")

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self.clear()
        self.stream.write(self.prefix + text + "\n")
        self.stream.flush()

    def clear(self) -> None:
        """Take the live line away."""
        if self._shown:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + " " * width + "\r")
            self._shown = False


class Silence(Progress):
    """Shows nothing."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def step(self, *_: object) -> None:
        """Show nothing."""

    def doing(self, text: str) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


def line(stage: str, step: int, steps: int, loss: float, terms: Mapping[str, float], error: Known | None, pace: float) -> str:
    """Return the line of a step: what matters most stands first, since the end may be cut off."""
    parts = [f"{stage} {step}/{steps}" if steps else f"{stage} {step}"]
    if error is not None:
        parts.append(f"{error[0]} withheld" if error[1] is None else f"{error[0]} {error[1]:.1e}")
    parts.append(f"loss {loss:.2e}")
    if pace > 0:
        left = f", {duration((steps - step) / pace)} left" if steps > step else ""
        parts.append(f"{pace:.0f} steps/s{left}" if pace >= 10 else f"{pace:.1f} steps/s{left}")
    parts += [f"{name} {value:.1e}" for name, value in terms.items()]
    return "  ".join(parts)


def shorten(text: str, width: int) -> str:
    """Return ``text`` cut between words to ``width`` characters."""
    if len(text) <= width:
        return text
    return text[: max(width - 2, 0)].rpartition("  ")[0] + " …"


def duration(seconds: float) -> str:
    """Return ``0.3 s``, ``12 s``, ``3 min`` or ``2.5 h``."""
    if seconds < 9.5:
        return f"{seconds:.1g} s" if seconds < 1 else f"{seconds:.0f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
