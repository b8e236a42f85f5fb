"""checkpoint.pt: everything a run needs to go on to the last bit, and the one before in case it is damaged."""

from __future__ import annotations

import pickle
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from pinn.problem.settings import BadInput
from pinn.run import atomic

SHARE = 0.02
"""Largest share of the time of a run that goes into saving."""

EARLIEST = 1.0
"""Seconds before the first checkpoint of a stage in progress."""

VERSION = 1
"""Of the form of checkpoints; later ones are refused."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content``, tensors, numbers, strings and mappings of them; what was there becomes ``checkpoint.previous.pt``.

    Raises
    ------
    BadInput : the disk is full; the last checkpoint is untouched.
    """
    import torch

    def fill(file: BinaryIO) -> None:
        writer = _Writer(file)
        try:
            torch.save({"version": VERSION, **content}, cast(BinaryIO, writer))
        except RuntimeError:
            if writer.error is None:
                raise
        if writer.error is not None:
            raise writer.error

    atomic.write(path, fill, previous(path))


class _Writer:
    """Hands bytes on and remembers why that failed: torch tells of a full disk as of an inner error of its own."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        """Write ``content``; torch takes a short count for a failure."""
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = self.error or error
            return 0

    def flush(self) -> None:
        """Leave that to the file's owner."""


def previous(path: Path) -> Path:
    """Return the path of the checkpoint before."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def remove(path: Path) -> None:
    """Take a checkpoint away, and the one before it."""
    for each in (path, previous(path)):
        each.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Return the newest checkpoint that is whole, and a notice when that is not the last one.

    None when there never was one.

    Raises
    ------
    BadInput : all there are are damaged, or made by a later version.
    """
    present = [candidate for candidate in (path, previous(path)) if candidate.exists()]
    damaged = []
    for candidate in present:
        content = _read(candidate)
        if content is None:
            damaged.append(candidate.name)
            continue
        if content.get("version", 0) > VERSION:
            raise BadInput(f"{candidate} was made by a later version of pinn (form {content['version']}, this one reads {VERSION})")
        return content, f"{', '.join(damaged)} is damaged, using {candidate.name}" if damaged else ""
    if present:
        advice = f"start again with pinn run {path.parent / 'config.yaml'}"
        raise BadInput(f"{' and '.join(damaged)} in {path.parent} cannot be read; {advice}")
    return None, ""


def _read(path: Path) -> dict[str, Any] | None:
    """Return the content, or None when the file is damaged: the sums of all parts are tested, then nothing but data is read."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED:
        return None
    return content if isinstance(content, dict) else None


DAMAGED = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError, MemoryError,
    struct.error, zlib.error, zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip
"""What the readers of archives and of their parts raise when bytes are wrong."""


class Schedule:
    """Says when to save: as often as `SHARE` of the time allows.

    Parameters
    ----------
    clock : seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._next = clock() + EARLIEST

    def due(self) -> bool:
        """Return whether it is time."""
        return self.clock() >= self._next

    def timed(self, save: Callable[[], None]) -> None:
        """Save, and put off the next time in proportion to how long that took."""
        begin = self.clock()
        save()
        end = self.clock()
        self._next = end + max(EARLIEST, (end - begin) / SHARE)
