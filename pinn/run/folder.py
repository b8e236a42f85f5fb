"""The folder of a run: made once, never written over, in use by one process, its files complete or absent."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinn.problem.settings import BadInput
from pinn.problem.text import read_text
from pinn.run import atomic, lock

LOCK = "lock"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run; the names of its files are a contract with the report and with people's own tools."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def status(self) -> dict[str, Any]:
        """Return status.json, empty when there is none that can be read."""
        try:
            return json.loads((self / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def set_status(self, state: str, stage: str = "", step: int = 0, message: str = "", code: int | None = None) -> None:
        """Write status.json: where the run stands; ``code`` is the exit code once there is one."""
        atomic.write_json(self / "status.json", {
            "state": state, "stage": stage, "step": step, "pid": os.getpid(), "message": message,
            "exit_code": code, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        })  # fmt: skip

    def log(self, text: str) -> None:
        """Add lines to run.log, each with the time of day."""
        stamp = time.strftime("%H:%M:%S")
        try:
            with (self / "run.log").open("a", encoding="utf-8") as file:
                file.writelines(f"{stamp} {line}\n" for line in text.splitlines())
        except OSError as error:
            raise atomic.cannot_write(self / "run.log", error) from None

    def read_config(self) -> dict[str, Any]:
        """Return config.yaml, read strictly."""
        return read_text(self / "config.yaml").mapping

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out; a lock whose process is gone does not count.

        Raises
        ------
        BadInput : another process works in this folder.
        """
        with lock.held(self / LOCK):
            atomic.remove_unfinished(self.path)
            yield


def place(name: str, now: float | None = None) -> Path:
    """Return where a new run goes that was given no folder: runs/NAME/DATE-TIME, with a number when that exists."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    first, number = Path("runs", name, stamp), 1
    path = first
    while path.exists():
        number += 1
        path = first.with_name(f"{stamp}-{number}")
    return path


def refuse_unusable(path: Path) -> None:
    """Raise `BadInput` when something stands where a new run shall go, or nothing can be written there; writes nothing."""
    if path.exists() and not _is_free(path):
        if (path / "config.yaml").exists():  # looked for last: another run may be about to write it
            raise BadInput(f"{path} holds a run already; use pinn resume {path}, or another folder")
        raise BadInput(f"{path} exists and is not empty; choose another folder", "folder")
    above = path
    while not above.exists() and above != above.parent:
        above = above.parent
    if above.is_dir() and not os.access(above, os.W_OK | os.X_OK):
        raise BadInput(f"cannot make {path}: permission denied in {above}")


def _is_free(path: Path) -> bool:
    """Return whether nothing is in a folder but what a run leaves that was killed before it began."""
    return path.is_dir() and all(item.name == LOCK or atomic.is_unfinished(item) for item in path.iterdir())


def create(path: Path | None, name: str, megabytes: float = 0.0) -> RunFolder:
    """Make the folder of a new run after a look at the free space: ``path``, or a new one for runs of ``name``.

    Raises
    ------
    BadInput : less than ``megabytes`` are free, the folder cannot be made, or somebody else made it meanwhile.
    """
    wanted = place(name) if path is None else path
    free = atomic.free_megabytes(wanted)
    if free < megabytes:
        raise BadInput(f"{wanted} needs about {megabytes:.0f} MB, {free:.0f} MB free")
    try:
        wanted.mkdir(parents=True, exist_ok=path is not None)
    except FileExistsError:
        if path is None:  # another run began in the same second
            return create(None, name, megabytes)
        raise BadInput(f"{wanted} is a file; choose another folder", "folder") from None
    except OSError as error:
        raise BadInput(f"cannot make {wanted}: {(error.strerror or str(error)).lower()}") from None
    refuse_unusable(wanted)
    return RunFolder(wanted)


def runs_below(path: str | Path) -> list[Path]:
    """Return ``path`` if it is the folder of a run, else the runs in it (a sweep holds one in each folder), in their order.

    Raises
    ------
    BadInput : there is no run.
    """
    path = Path(path)
    found = _search(path, DEEPEST) if path.is_dir() else []
    return found or [open_run(path).path]


def _search(path: Path, depth: int) -> list[Path]:
    if (path / "config.yaml").exists():
        return [path]
    inner = [item for item in path.iterdir() if item.is_dir() and not item.name.startswith(".")] if depth else []
    return [run for item in sorted(inner, key=_in_order) for run in _search(item, depth - 1)]


def _in_order(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else -1, path.name)


DEEPEST = 3
"""Levels of folders between a folder and the runs that are looked for in it: runs/NAME/DATE-TIME/NUMBER below runs."""


def _what_is_there(path: Path) -> str:
    if not path.exists():
        return "does not exist"
    runs = [str(run) for run in _search(path, DEEPEST)] if path.is_dir() else []
    if runs:
        return f"holds runs, say which: {', '.join(runs[:3])}{', ...' if len(runs) > 3 else ''}"
    return "is not the folder of a run (no config.yaml in it)"


def open_run(path: str | Path) -> RunFolder:
    """Return the folder of an existing run.

    Raises
    ------
    BadInput : there is no run.
    """
    path = Path(path)
    if path.is_dir() and (path / LOCK).exists() and not (path / "config.yaml").exists():
        raise BadInput(f"{path} has no settings yet: its run was stopped before it began; start it again, with folder={path}")
    if not (path / "config.yaml").exists():
        raise BadInput(f"{path} {_what_is_there(path)}")
    return RunFolder(path)
