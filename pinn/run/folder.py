"""The folder of a run: made once, never written over, in use by one process, its files complete or absent."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinn.problem.settings import BadInput
from pinn.problem.text import read_text
from pinn.run import atomic


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
        lock = self / "lock"
        while True:
            try:
                with lock.open("x", encoding="utf-8") as file:
                    json.dump(_this_process(), file)
                break
            except FileExistsError:
                owner = _owner(lock)
                if owner is not None and _alive(owner):
                    raise BadInput(f"{self.path} is in use by process {owner.get('pid')}") from None
                lock.unlink(missing_ok=True)
            except OSError as error:
                raise atomic.cannot_write(lock, error) from None
        try:
            atomic.remove_unfinished(self.path)
            yield
        finally:
            lock.unlink(missing_ok=True)


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}


def _started(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks, where that can be read: process numbers are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _owner(lock: Path) -> Mapping[str, Any] | None:
    try:
        owner = json.loads(lock.read_text(encoding="utf-8"))
        return owner if isinstance(owner, dict) and isinstance(owner.get("pid"), int) else None
    except (OSError, ValueError):
        return None


def _alive(owner: Mapping[str, Any]) -> bool:
    """Return whether the process that holds a lock lives; on another machine it has to be believed."""
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    started = _started(owner["pid"])
    return started is None or owner.get("started") in (None, started)


def place(folder: str | None, name: str, now: float | None = None) -> Path:
    """Return where a new run goes: ``folder``, which must not exist or be empty, else a new runs/NAME/DATE-TIME.

    Raises
    ------
    BadInput : something stands there.
    """
    if folder is not None:
        path = Path(folder)
        if path.is_dir() and (path / "config.yaml").exists():
            raise BadInput(f"{path} holds a run already; use pinn resume {path}, or another folder")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise BadInput(f"{path} exists and is not empty; choose another folder", "folder")
        return path
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    first, number = Path("runs", name, stamp), 1
    path = first
    while path.exists():
        number += 1
        path = first.with_name(f"{stamp}-{number}")
    return path


def create(path: Path, megabytes: float = 0.0) -> RunFolder:
    """Make the folder of a new run after a look at the free space.

    Raises
    ------
    BadInput : less than ``megabytes`` are free, the folder cannot be made, or somebody else made it meanwhile.
    """
    free = atomic.free_megabytes(path)
    if free < megabytes:
        raise BadInput(f"{path} needs about {megabytes:.0f} MB, {free:.0f} MB free")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"cannot make {path}: {(error.strerror or str(error)).lower()}") from None
    if any(path.iterdir()):
        raise BadInput(f"{path} exists and is not empty; choose another folder", "folder")
    return RunFolder(path)


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


def open_run(path: str | Path) -> RunFolder:
    """Return the folder of an existing run.

    Raises
    ------
    BadInput : there is no run.
    """
    path = Path(path)
    if not (path / "config.yaml").exists():
        what = "is not the folder of a run (no config.yaml in it)" if path.is_dir() else "does not exist"
        raise BadInput(f"{path} {what}")
    return RunFolder(path)
