"""References kept on disk, found by a hash of the problem's text, the settings and the version; damaged files are ignored."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pinn
from pinn.judge.reference import Reference
from pinn.problem.problem import Problem

FORMAT = 4
"""Raised when references are computed or stored in another way."""

FACTS = ("state", "why", "relative_error", "observed_order", "order", "grids", "scattered", "adapted", "seconds")


def kept(problem: Problem, settings: Any, compute: Callable[[], Reference]) -> Reference:
    """Return the reference from the disk if it is there, else compute and keep it. Without a place to write nothing is kept."""
    place = _place(problem, settings) if settings.cache and problem.source else None
    if place is None:
        return compute()
    return _read(place, problem) or _written(place, compute())


def folder() -> Path:
    """Return where references are kept: ``$XDG_CACHE_HOME/pinn`` or ``~/.cache/pinn``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pinn"


def _place(problem: Problem, settings: Any) -> Path | None:
    wanted = {name: value for name, value in dataclasses.asdict(settings).items() if name not in ("cache", "seconds")}
    text = json.dumps([FORMAT, pinn.__version__, wanted, problem.source, dict(problem.files)], sort_keys=True, default=str)
    try:
        return folder() / f"reference-{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"
    except RuntimeError:
        return None


def _read(place: Path, problem: Problem) -> Reference | None:
    from pinn.judge.table import Table
    from pinn.judge.windows import from_tables

    try:
        with open(place, "rb") as file, np.load(file, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            facts["grids"] = tuple(facts["grids"])
            facts["observed_order"] = {name: np.nan if q is None else q for name, q in facts["observed_order"].items()}
            if facts.pop("scattered"):
                from pinn.judge.scattered.table import restored

                return restored(problem, stored, facts)
            tables = {
                name: Table(tuple(stored[f"{name}.axis{i}"] for i in range(len(periods))), stored[f"{name}.values"], tuple(periods))
                for name, periods in facts.pop("periods").items()
            }
            return from_tables(tables, **facts)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _written(place: Path, result: Reference) -> Reference:
    if result.kind != "finite_difference":
        return result
    facts = {name: getattr(result, name) for name in FACTS}
    facts["observed_order"] = {name: q if np.isfinite(q) else None for name, q in result.observed_order.items()}
    if not result.scattered:
        facts["periods"] = {name: table.periods for name, table in result.tables.items()}
    arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts, default=float)), **_arrays(result)}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, suffix=".npz")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)
            os.replace(temporary, place)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError:
        return result
    return result


def _arrays(result: Reference) -> dict[str, Any]:
    """Return the arrays that a reference is made of."""
    if result.scattered:
        from pinn.judge.scattered.table import stored

        return stored(result.tables["solution"])
    arrays = {f"{name}.values": table.values for name, table in result.tables.items()}
    return arrays | {f"{name}.axis{i}": axis for name, table in result.tables.items() for i, axis in enumerate(table.axes)}
