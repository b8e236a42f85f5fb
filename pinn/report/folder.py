"""Reads a run's folder: every file on first use, and whatever is missing or cut short as empty."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.settings import BadInput


@dataclass(frozen=True)
class Grid:
    """The tensor grid on which the solution was evaluated.

    Parameters
    ----------
    axes : values of every coordinate, increasing, in the problem's order; fields have the shape of these lengths.
    time : name of the time coordinate, or None.
    parameters : names of those that are parameters.
    """

    axes: Mapping[str, np.ndarray]
    time: str | None
    parameters: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Coordinates in the problem's order."""
        return tuple(self.axes)

    @property
    def space(self) -> tuple[str, ...]:
        """All coordinates but time and parameters."""
        return tuple(name for name in self.axes if name != self.time and name not in self.parameters)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a field on this grid."""
        return tuple(len(axis) for axis in self.axes.values())

    def nearest(self, name: str, value: float) -> int:
        """Return the index of the grid value of coordinate ``name`` that is nearest to ``value``."""
        return int(np.argmin(np.abs(self.axes[name] - value)))

    def middle(self, name: str) -> int:
        """Return the index nearest to the middle of coordinate ``name``."""
        axis = self.axes[name]
        return self.nearest(name, 0.5 * (axis[0] + axis[-1]))


class Fields(NamedTuple):
    """An unknown on the grid; ``error`` is solution minus reference, ``estimate`` the error estimated without it.

    ``spread`` is the standard error where observations determine the unknown.
    """

    values: np.ndarray
    reference: np.ndarray | None = None
    error: np.ndarray | None = None
    estimate: np.ndarray | None = None
    spread: np.ndarray | None = None


@dataclass(frozen=True)
class RunData:
    """A run's folder, read lazily.

    A file that does not exist, or was cut short when a run was killed, reads as an empty mapping; nothing is written.

    Raises
    ------
    BadInput : ``folder`` does not exist or is not the folder of a run.
    """

    folder: Path

    def __post_init__(self):
        folder = Path(self.folder)
        object.__setattr__(self, "folder", folder)
        if not folder.is_dir():
            raise BadInput(f"No folder {folder}.")
        if not any((folder / name).exists() for name in ("config.yaml", "metrics.json", "solution.npz", "status.json")):
            raise BadInput(f"{folder} is not the folder of a run: it has none of config.yaml, metrics.json, solution.npz.")

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The resolved settings."""
        import yaml

        try:
            read = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
        except (FileNotFoundError, yaml.YAMLError):
            return {}
        return read if isinstance(read, Mapping) else {}

    @property
    def problem(self) -> Mapping[str, Any]:
        """The problem as text, as it stands in the configuration."""
        return _mapping(self.config.get("problem"))

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Versions, machine, command, seed."""
        return _json(self.folder / "environment.json")

    @cached_property
    def status(self) -> Mapping[str, Any]:
        """State of the run: running, finished, diverged, interrupted."""
        return _json(self.folder / "status.json")

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """Errors, seconds, verdict."""
        return _json(self.folder / "metrics.json")

    def metric(self, path: str, default: Any = None) -> Any:
        """Return the entry of the metrics at a dotted path (``"seconds.solve"``), or ``default`` when missing or null."""
        value: Any = self.metrics
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return default if value is None else value

    @cached_property
    def history(self) -> Mapping[str, np.ndarray]:
        """Columns of ``history.csv``: ``stage`` as text, all others float64 (rows,), NaN where empty."""
        return _table(self.folder / "history.csv", texts=("stage",))

    @cached_property
    def timing(self) -> Mapping[str, np.ndarray]:
        """Columns ``step`` and ``seconds`` of ``timing.csv``, float64 (rows,)."""
        return _table(self.folder / "timing.csv")

    @cached_property
    def diagnostics(self) -> Mapping[str, np.ndarray]:
        """Arrays of ``diagnostics.npz``."""
        return _arrays(self.folder / "diagnostics.npz")

    @cached_property
    def solution(self) -> Mapping[str, np.ndarray]:
        """Arrays of ``solution.npz`` without ``meta``."""
        return {name: array for name, array in self._solution.items() if name != "meta"}

    @cached_property
    def _solution(self) -> Mapping[str, np.ndarray]:
        return _arrays(self.folder / "solution.npz")

    @cached_property
    def meta(self) -> Mapping[str, Any]:
        """The description in ``solution.npz``: coordinates, unknowns, time, title."""
        try:
            return _mapping(json.loads(str(self._solution["meta"])))
        except (KeyError, ValueError):
            return {}

    @cached_property
    def grid(self) -> Grid | None:
        """The evaluation grid, or None when there is no solution."""
        names = self.meta.get("coordinates") or list(_mapping(self.problem.get("coordinates")))
        if not names or any(name not in self.solution for name in names):
            return None
        time = self.meta.get("time", self.problem.get("time", "t"))
        axes = {name: np.asarray(self.solution[name], float) for name in names}
        return Grid(axes, time if time in names else None, self._parameters(names))

    def _parameters(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in self.meta.get("parameters") or () if name in names)

    @cached_property
    def family(self) -> Mapping[str, np.ndarray]:
        """Arrays of ``parameters.npz``: dependence on parameters, sensitivity, statistics of the solution."""
        return _arrays(self.folder / "parameters.npz")

    def family_grid(self) -> Grid | None:
        """Return the grid of sensitivities and statistics; None when there is none."""
        axes = {name.removeprefix("grid."): axis for name, axis in self.family.items() if name.startswith("grid.")}
        time = self.meta.get("time")
        return Grid(axes, time if time in axes else None) if axes else None

    @property
    def held(self) -> Mapping[str, float]:
        """Coordinates that the grid does not have, and where they are held: in many coordinates it is a plane."""
        return _mapping(self.meta.get("held"))

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Unknowns with values on the grid."""
        named = self.meta.get("unknowns") or [name for name in self.metric("unknowns", {})]
        return tuple(name for name in named if self.field(name) is not None)

    def field(self, name: str) -> np.ndarray | None:
        """Return ``u``, ``u.reference``, ``u.error`` or ``u.estimate`` with the grid's shape, float64; None when missing."""
        if self.grid is None or name not in self.solution:
            return None
        return on_grid(self.solution[name], self.grid)

    def fields(self, name: str) -> Fields:
        """Return everything known of an unknown on the grid.

        Raises
        ------
        BadInput : there is no solution for ``name``.
        """
        values = self.field(name)
        if values is None:
            raise BadInput(f"{self.folder} has no solution of '{name}'.")
        return Fields(values, *(self.field(f"{name}.{kind}") for kind in ("reference", "error", "estimate", "standard_error")))

    def functions(self) -> dict[str, tuple[Grid, Fields]]:
        """Return the quantities that are functions, by name: where they are known, and their values, reference and error."""
        stored, found = _arrays(self.folder / "quantities.npz"), {}
        for name, item in self.metric("quantities", {}).items():
            names = _mapping(item).get("coordinates") or []
            if name not in stored or not names or any(f"{name}.{x}" not in stored for x in names):
                continue
            time = self.meta.get("time", self.problem.get("time", "t"))
            axes = {x: stored[f"{name}.{x}"] for x in names}
            grid = Grid(axes, time if time in names else None, self._parameters(names))
            reference = stored.get(f"{name}.reference")
            error = None if reference is None or item.get("error") is None else stored[name] - reference
            found[name] = grid, Fields(stored[name], reference, error)
        return found

    @property
    def title(self) -> str:
        """Title of the problem, else its name, else the folder's name."""
        for title in (self.problem.get("title"), self.meta.get("title"), self.metrics.get("name"), self.metrics.get("problem")):
            if isinstance(title, str) and title:
                return title
        return self.folder.name

    @property
    def units(self) -> Mapping[str, str]:
        """Units of coordinates and unknowns, labels only."""
        return _mapping(self.problem.get("units"))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of the loss, in the order of the history, else of the metrics, else of the points."""
        logged = [name for name in self.history if name not in ("step", "stage", "loss", "error", "seconds")]
        return tuple(logged or self.metric("terms", {}) or [name for name, _ in self.points()])

    def points(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the name of a term and its collocation points (points, dim)."""
        for name, array in self.diagnostics.items():
            if name.startswith("points.") and array.ndim == 2 and len(array):
                yield name.removeprefix("points."), array

    def residual_maps(self) -> dict[str, np.ndarray]:
        """Return the residual of every equation on the evaluation grid, by the equation's name."""
        start, maps = "residual.grid.", {}
        for name, array in self.diagnostics.items():
            shaped = on_grid(array, self.grid) if self.grid is not None and name.startswith(start) else None
            if shaped is not None:
                maps[name.removeprefix(start)] = shaped
        return maps


def on_grid(values: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Return ``values`` with the grid's shape, float64 (real part), or None when there are not as many."""
    values = np.asarray(values)
    if values.size != np.prod(grid.shape) or values.dtype.kind not in "fciub":
        return None
    return np.asarray(values.real, float).reshape(grid.shape)


def _mapping(value: Any) -> Mapping:
    return value if isinstance(value, Mapping) else {}


def _json(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return {}


def _table(path: Path, texts: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Read a CSV with a header; rows that were cut short are left out."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except FileNotFoundError:
        return {}
    if not rows:
        return {}
    header, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    return (
        {
            name: np.array(column) if name in texts else np.array([_real(text) for text in column])
            for name, column in zip(header, zip(*body, strict=True), strict=True)
        }
        if body
        else {}
    )


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
