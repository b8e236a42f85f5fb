"""What a solve leaves behind as arrays: the solution on a grid, and points and residuals for the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pinn.judge.metrics import Metrics
from pinn.problem.problem import Problem
from pinn.problem.sites import Sites, grid_shape, tensor_points
from pinn.problem.terms import make_term
from pinn.report.export import write_nc
from pinn.run import atomic
from pinn.run.folder import RunFolder

if TYPE_CHECKING:
    from pinn.run.training import Setup
    from pinn.solver.state import State

SHOWN_POINTS = 20_000
"""Of one term in diagnostics.npz."""


def write_solution(folder: RunFolder, problem: Problem, found: Metrics, estimate: Mapping[str, np.ndarray]) -> None:
    """Write solution.npz and solution.nc: solution, reference, error and accepted estimate on the evaluation grid, by unknown."""
    every = dict(zip(problem.names, found.axes, strict=True))
    axes = {name: axis for name, axis in every.items() if len(axis) > 1}
    held = {name: float(axis[0]) for name, axis in every.items() if len(axis) == 1}
    kinds = {"": found.solution, ".reference": found.reference, ".error": found.error, ".estimate": estimate}
    fields = {f"{name}{kind}": values[name] for name in found.solution for kind, values in kinds.items() if name in values}
    meta = {
        "coordinates": list(axes), "held": held, "unknowns": list(problem.unknown_names), "time": problem.time,
        "title": problem.title, "units": dict(problem.units),
    }  # fmt: skip
    atomic.write_npz(folder / "solution.npz", {**axes, **fields, "meta": np.array(json.dumps(meta, sort_keys=True))})
    try:
        write_nc(folder / "solution.nc", axes, fields, meta)
    except OSError as error:
        raise atomic.cannot_write(folder / "solution.nc", error) from None


def write_quantities(folder: RunFolder, arrays: Mapping[str, np.ndarray]) -> None:
    """Write quantities.npz when there are quantities that are functions."""
    if arrays:
        atomic.write_npz(folder / "quantities.npz", arrays)


def write_diagnostics(folder: RunFolder, setup: Setup, state: State, axes: Sequence[np.ndarray]) -> None:
    """Write the points and residuals of every term, and the residuals of the equations on the evaluation grid; all exact."""
    from pinn.solver.rows import Rows

    rows = setup.draw(state.points["epoch"])
    if any(image.sites.directions for term in rows.terms for image in term.images):
        rows = Rows(setup.field, [term.exact() for term in rows.terms])
    residuals = rows.unweighted(state.theta)
    stored: dict[str, np.ndarray] = {}
    for term in rows.terms:
        stored[f"points.{term.name}"] = term.sites.points[:SHOWN_POINTS]
        stored[f"residual.{term.name}"] = residuals[term.name].cpu().double().numpy()[:SHOWN_POINTS]
    for name, values in _residual_maps(setup, state, axes).items():
        stored[f"residual.grid.{name}"] = values
    atomic.write_npz(folder / "diagnostics.npz", stored)


def _residual_maps(setup: Setup, state: State, axes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    from pinn.solver.rows import Rows

    problem = setup.prepared.problem
    sites = Sites(tensor_points(tuple(axes)))
    terms = [make_term(problem, row, sites) for row in problem.equations]
    residuals = Rows(setup.field, terms).unweighted(state.theta)
    return {name: values.cpu().double().numpy().reshape(grid_shape(axes)) for name, values in residuals.items()}
