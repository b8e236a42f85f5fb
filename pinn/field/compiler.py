"""C code compiled on first use, kept in the user's cache folder, and loaded."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-x", "c")
FAILURES = (OSError, RuntimeError, subprocess.SubprocessError)
"""What `compile_library` raises: no place to compile, no home folder, a compiler that fails."""


_spent: list[float] = []


def seconds_spent() -> float:
    """Return how long this process has waited for the compiler so far."""
    return sum(_spent)


@lru_cache(maxsize=1)
def compiler() -> str | None:
    """Return the C compiler of this machine, or None."""
    return shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Whether compiled code can be made and loaded here; tried once, with the smallest piece of code."""
    if compiler() is None:
        return False
    try:
        compile_library("int one(void) { return 1; }")
    except FAILURES:
        return False
    return True


def cache_folder() -> Path:
    """Return the folder of compiled code, which only its owner can enter.

    Raises
    ------
    OSError, RuntimeError : it cannot be made; there is no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "pinn" / "kernels"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def compile_library(code: str) -> ctypes.CDLL:
    """Return the loaded library of C code, compiled unless it was before by the same compiler for the same machine.

    Where the user's cache folder cannot be written it is compiled for this process only. A kept library that does not load (it
    was damaged) is made again.

    Raises
    ------
    OSError, RuntimeError, subprocess.SubprocessError : there is no place to compile, or the compiler fails.
    """
    words = [code, compiler(), *FLAGS, platform.machine(), _processor()]
    name = f"{hashlib.sha256(' '.join(map(str, words)).encode()).hexdigest()[:32]}.so"
    try:
        folder = cache_folder()
        if not (folder / name).exists():
            _compile(code, folder / name)
        return ctypes.CDLL(str(folder / name))
    except FAILURES:
        with tempfile.TemporaryDirectory() as place:
            _compile(code, Path(place) / name)
            library = ctypes.CDLL(str(Path(place) / name))
            _keep(Path(place) / name)
            return library


def _compile(code: str, path: Path) -> None:
    """Compile beside ``path`` and move there what is complete and on the disk."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        text, made = Path(place) / "kernel.c", Path(place) / "kernel.so"
        text.write_text(code)
        words = [str(compiler()), *FLAGS, str(text), "-o", str(made), "-lm"]
        begin = time.perf_counter()
        done = subprocess.run(words, capture_output=True, timeout=300, text=True, errors="replace")
        _spent.append(time.perf_counter() - begin)
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} failed: {done.stderr[:500]}")
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)


def _keep(made: Path) -> None:
    """Put a library in place of a damaged one, if the cache folder can be written at all."""
    with suppress(OSError, RuntimeError), tempfile.TemporaryDirectory(dir=cache_folder()) as place:
        shutil.copyfile(made, Path(place) / made.name).replace(cache_folder() / made.name)


@lru_cache(maxsize=1)
def _processor() -> str:
    """Return the processor's name and abilities, for which -march=native compiles."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
