"""The tree of shipped YAML files: where it lies, which groups it has and which options they offer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pinn


def config_folder() -> Path:
    """Return the folder of the shipped configuration: inside the installed package, else beside it in a checkout."""
    package = Path(pinn.__file__).resolve().parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


@functools.cache
def groups() -> Mapping[str, list[str]]:
    """Return the options of every group, ``{"network": ["mlp", ...], "solver/until": [...]}``; `problem` first."""
    root = config_folder()
    found: dict[str, list[str]] = {"problem": [], "experiment": []}
    for path in sorted(root.rglob("*.yaml")):
        group = path.parent.relative_to(root).as_posix()
        if group != ".":
            found.setdefault(group, []).append(path.stem)
    return found
