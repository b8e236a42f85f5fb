"""environment.json: what a result depended on besides its settings."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pinn

PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "hydra-core", "omegaconf")


def environment(command: str, seed: int, threads: int, device: str) -> dict[str, Any]:
    """Return versions, machine, command, seed, threads and the git revision of the working folder, if it has one."""
    return {
        "command": command,
        "seed": seed,
        "threads": threads,
        "device": device,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "folder": os.getcwd(),
        "git": git_revision(Path.cwd()),
        "pinn": pinn.__version__,
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "torch_build": _torch_build(device),
        "machine": {
            "system": platform.platform(),
            "cpu": cpu_name(),
            "cores": os.cpu_count(),
            "memory_gb": round(memory_gigabytes(), 1),
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _torch_build(device: str) -> dict[str, Any]:
    import torch

    build: dict[str, Any] = {"git": torch.version.git_version, "cuda": torch.version.cuda}
    if device.startswith("cuda"):
        build["gpu"] = torch.cuda.get_device_name(device)
    return build


def cpu_name() -> str:
    """Return the processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gigabytes() -> float:
    """Return the memory of the machine, or of the container around us when that is smaller, GB."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return float("inf")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
        total = min(total, int(limit)) if limit.isdigit() else total
    except OSError:
        pass
    return total / 1e9


def git_revision(folder: Path) -> str | None:
    """Return the commit of ``folder``, with ``+changes`` when files differ from it; None outside a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit and commit + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()


def peak_memory_megabytes() -> float:
    """Return the largest memory this process has held so far, MB."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
