"""One process in a folder at a time: a file that names its owner, and that the system gives to one process only."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from pinn.problem.settings import BadInput
from pinn.run import atomic

try:
    import fcntl
except ImportError:  # Windows: only the names of owners keep processes apart there
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold ``lock`` inside the block.

    A lock whose process is gone does not count: the system takes it from a process that ends, however it ends. What an owner on
    another machine has written has to be believed.

    Raises
    ------
    BadInput : another process works in the folder of ``lock``, or it cannot be written.
    """
    try:
        file = _taken(lock)
    except OSError as error:
        raise atomic.cannot_write(lock, error) from None
    with file:
        file.truncate(0)
        json.dump(_this_process(), file)
        file.flush()
        try:
            yield
        finally:
            if fcntl is None:
                file.close()  # Windows removes no open file
            lock.unlink(missing_ok=True)


def _taken(lock: Path) -> TextIO:
    """Return the open file of a lock that nobody else has."""
    while True:
        file = lock.open("a+", encoding="utf-8")
        given, owner = _given(file), _owner(lock)
        if not given or (owner is not None and _alive(owner) and _same(file, lock)):
            file.close()
            raise BadInput(f"{lock.parent} is in use by " + (f"process {owner['pid']}" if owner else "another process"))
        if _same(file, lock):
            return file
        file.close()  # its last owner removed it after we had opened it


def _given(file: TextIO) -> bool:
    """Return whether the system gives us the file; systems without such locks always do."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that cannot lock
        return True
    return True


def _same(file: TextIO, lock: Path) -> bool:
    """Return whether the open file is the one that stands at ``lock`` now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


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
