"""history.csv and timing.csv: one row per step, cut back on resume to where the checkpoint was taken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from pinn.run import atomic


class Table:
    """A CSV file that grows; ``keep`` bytes of what is there stay, None starts anew.

    Parameters
    ----------
    path : the file.
    columns : names in the first line.
    keep : length at the last checkpoint; what was written after it is taken away and will be written again.
    """

    def __init__(self, path: Path, columns: Sequence[str], keep: int | None = None):
        self.path, self.columns = path, tuple(columns)
        try:
            if keep is not None:
                os.truncate(path, keep)
            self._file: TextIO = path.open("w" if keep is None else "a", encoding="utf-8", newline="\n")
            if keep is None:
                self._write(self.columns)
        except OSError as error:
            raise atomic.cannot_write(path, error) from None

    def add(self, values: Mapping[str, object]) -> None:
        """Write one row; a column without a value stays empty. Numbers are written to the last bit."""
        self._write([_text(values.get(name)) for name in self.columns])

    def _write(self, cells: Sequence[str]) -> None:
        try:
            self._file.write(",".join(cells) + "\n")
        except OSError as error:
            raise atomic.cannot_write(self.path, error) from None

    def flush(self) -> int:
        """Bring all rows to the disk and return the length of the file."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise atomic.cannot_write(self.path, error) from None
        return self.path.stat().st_size

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        BadInput : the disk is full.
        """
        try:
            self._file.close()
        except OSError as error:
            raise atomic.cannot_write(self.path, error) from None


def _text(value: object) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
