"""Files that are either complete or not there: written beside their place, flushed to the disk, then moved into it."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import yaml

from pinn.problem.settings import BadInput

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all members of an archive: equal results are equal bytes."""


def write(path: Path, fill: Callable[[BinaryIO], None], previous: Path | None = None) -> None:
    """Let ``fill`` write a file and move it to ``path``; what stood there moves to ``previous`` if given, else it is replaced.

    Raises
    ------
    BadInput : the disk is full or the folder cannot be written; what stood at ``path`` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in ``folder``; nobody else may be writing there."""
    for path in folder.glob(".*"):
        if is_unfinished(path):
            path.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Return whether a file is one that `write` had begun, by its name ``.NAME.PROCESS``."""
    return path.name.startswith(".") and path.suffix[1:].isdigit() and path.is_file()


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot_write(path: Path, error: OSError) -> BadInput:
    """Return what to tell a person when ``path`` cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BadInput(f"cannot write {path}: the disk is full, {free_megabytes(path.parent):.0f} MB free")
    return BadInput(f"cannot write {path}: {(error.strerror or str(error)).lower()}")


OUTSIDE = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP,
    errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EMFILE, errno.ENFILE,
}  # fmt: skip
"""Faults of the file system around us, which no program can prevent."""


def fault_outside(error: OSError) -> BadInput | None:
    """Return what to tell a person about an error that the file system is to blame for, None for any other."""
    if error.errno not in OUTSIDE:
        return None
    name = str(error.filename or "")
    shown = name if len(name) <= LONGEST else name[:LONGEST] + "..."
    return BadInput(f"cannot use {shown or 'a file'}: {(error.strerror or str(error)).lower()}")


LONGEST = 100
"""Characters of a name that a message repeats."""


def free_megabytes(folder: Path) -> float:
    """Return the free space where ``folder`` lies or will lie, MB."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e6


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content``; errors as `write`."""

    def fill(file: BinaryIO) -> None:
        file.write(content)

    write(path, fill)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as JSON; numbers that are not finite become null."""
    write_bytes(path, (json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: our own strict reader refuses them."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal objects twice."""
        return True


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return ``content`` as YAML that the strict reader takes, keys in order."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=10**6)


def write_yaml(path: Path, content: Mapping[str, Any], comment: str = "") -> None:
    """Write ``content`` as YAML below a comment line."""
    head = f"# {comment}\n" if comment else ""
    write_bytes(path, (head + to_yaml(content)).encode())


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a ``.npz`` archive that depends on the arrays only, not on the time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), member.getvalue())
    return buffer.getvalue()


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name; equal arrays give equal bytes."""
    write_bytes(path, npz_bytes(arrays))
