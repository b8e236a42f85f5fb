"""What a solve leaves behind as arrays: the solution on a grid, and points and residuals for the figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.problem.problem import Problem
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.report.export import write_nc
from pinn.run import atomic
from pinn.run.folder import RunFolder

if TYPE_CHECKING:
    from pinn.run.training import Setup
    from pinn.solver.state import State

POINTS_PER_AXIS = {1: 1025, 2: 129, 3: 33, 4: 13}
"""Of the evaluation grid, by number of coordinates."""

SHOWN_POINTS = 20_000
"""Of one term in diagnostics.npz."""

Solution = Callable[..., np.ndarray]


def axes_of(problem: Problem) -> dict[str, np.ndarray]:
    """Return the evaluation grid: equidistant values of every coordinate, both ends included."""
    num = POINTS_PER_AXIS.get(problem.dim, 7)
    return {x.name: np.linspace(x.low, x.high, num) for x in problem.coordinates}


def grid_points(axes: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return all points of a grid, (points, dim), the last coordinate running fastest."""
    return np.stack([part.ravel() for part in np.meshgrid(*axes.values(), indexing="ij")], axis=1)


def on_grid(problem: Problem, axes: Mapping[str, np.ndarray], values: np.ndarray, suffix: str = "") -> dict[str, np.ndarray]:
    """Return columns (points, unknowns) as arrays with the shape of the grid, by unknown."""
    shape = tuple(len(axis) for axis in axes.values())
    return {f"{name}{suffix}": values[:, k].reshape(shape) for k, name in enumerate(problem.unknown_names)}


def write_solution(
    folder: RunFolder,
    problem: Problem,
    axes: Mapping[str, np.ndarray],
    values: np.ndarray,
    reference: np.ndarray | None,
    estimate: np.ndarray | None,
) -> None:
    """Write solution.npz and solution.nc; all columns are (points of the grid, unknowns)."""
    fields = on_grid(problem, axes, values)
    if reference is not None:
        fields |= on_grid(problem, axes, reference, ".reference") | on_grid(problem, axes, values - reference, ".error")
    if estimate is not None:
        fields |= on_grid(problem, axes, estimate, ".estimate")
    meta = {
        "coordinates": list(problem.names), "unknowns": list(problem.unknown_names), "time": problem.time,
        "title": problem.title, "units": dict(problem.units),
    }  # fmt: skip
    atomic.write_npz(folder / "solution.npz", {**axes, **fields, "meta": np.array(_json(meta))})
    write_nc(folder / "solution.nc", axes, fields, meta)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, sort_keys=True)


def write_diagnostics(folder: RunFolder, setup: Setup, state: State, axes: Mapping[str, np.ndarray]) -> None:
    """Write the points and residuals of every term, and the residuals of the equations on the evaluation grid."""
    problem = setup.prepared.problem
    rows = setup.draw(state.points["epoch"])
    residuals = rows.unweighted(state.theta)
    stored: dict[str, np.ndarray] = {}
    for term in rows.terms:
        stored[f"points.{term.name}"] = term.sites.points[:SHOWN_POINTS]
        stored[f"residual.{term.name}"] = residuals[term.name].cpu().double().numpy()[:SHOWN_POINTS]
    for name, values in _residual_maps(problem, setup, state, axes).items():
        stored[f"residual.grid.{name}"] = values
    atomic.write_npz(folder / "diagnostics.npz", stored)


def _residual_maps(problem: Problem, setup: Setup, state: State, axes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from pinn.solver.rows import Rows

    points, shape = grid_points(axes), tuple(len(axis) for axis in axes.values())
    terms = [make_term(problem, row, Sites(points)) for row in problem.equations]
    residuals = Rows(setup.field, terms).unweighted(state.theta)
    return {name: values.cpu().double().numpy().reshape(shape) for name, values in residuals.items()}
