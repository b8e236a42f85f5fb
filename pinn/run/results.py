"""What a solve leaves behind as arrays: the solution on a grid, and points and residuals for the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pinn.judge.metrics import Metrics
from pinn.problem.families import shown_axes
from pinn.problem.problem import Problem, Residual
from pinn.problem.sites import Sites, grid_shape, tensor_points
from pinn.problem.terms import make_term
from pinn.report.export import write_nc
from pinn.run import atomic
from pinn.run.configuration import in_cells
from pinn.run.folder import RunFolder
from pinn.run.jumps import jumps, windows
from pinn.run.prepare import Prepared

SHOWN_POINTS = 20_000
"""Of one term in diagnostics.npz."""


def write_solution(
    folder: RunFolder,
    problem: Problem,
    found: Metrics,
    estimate: Mapping[str, np.ndarray],
    spread: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write solution.npz and solution.nc: solution, reference, error and accepted estimate on the evaluation grid, by unknown.

    ``spread`` are the standard errors of functions that only observations determine.
    """
    every = dict(zip(problem.names, shown_axes(problem, found.axes), strict=True))
    axes = {name: axis for name, axis in every.items() if len(axis) > 1}
    held = {name: float(axis[0]) for name, axis in every.items() if len(axis) == 1}
    kinds = {
        "": found.solution,
        ".reference": found.reference,
        ".error": found.error,
        ".estimate": estimate,
        ".standard_error": spread or {},
    }
    functions = [name for name in found.solution if name not in problem.numbers]
    fields = {f"{name}{kind}": values[name] for name in functions for kind, values in kinds.items() if name in values}
    meta = {
        "coordinates": list(axes), "held": held, "unknowns": functions, "time": problem.time,
        "parameters": [parameter.name for parameter in problem.parameters], "title": problem.title, "units": dict(problem.units),
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


def write_diagnostics(
    folder: RunFolder,
    prepared: Prepared,
    solution: Any,
    axes: Sequence[np.ndarray],
    terms: Sequence[str],
    points: Mapping[str, Any],
) -> None:
    """Write points and residuals of the named terms, and the residuals of the equations on the evaluation grid; all exact.

    Cells are written where there are some, with what the solution jumps by between them or the windows that join them; in place of
    points by least squares, which has points of its own. ``points`` says which epoch of drawn points it is, and what was chosen
    in it.
    """
    cells = getattr(solution, "boxes", None)
    configuration, problem = prepared
    drawn = configuration.points.draw(problem, configuration.seed, **points)
    stored: dict[str, np.ndarray] = {}
    for residual in [row for row in problem.residuals if row.name in terms]:
        sites = drawn[residual.name]._replace(directions={})
        if in_cells(configuration) is None:
            stored[f"points.{residual.name}"] = problem.values_of(sites.points[:SHOWN_POINTS])
        stored[f"residual.{residual.name}"] = residual_values(problem, residual, sites, solution)[:SHOWN_POINTS]
    for each in problem.data:
        stored |= {f"points.{each.name}": each.points, f"measured.{each.name}": each.values}
        stored[f"found.{each.name}"] = each.values + each.size * residual_values(problem, each, each.sites, solution)
    if cells is not None:
        ends = [problem.values_of(cells[:, :, side]) for side in (0, 1)]
        stored |= {"cells": np.stack(ends, axis=-1), **jumps(problem, solution), **windows(problem, solution)}
    grid = Sites(tensor_points(tuple(axes)))
    for residual in problem.equations:
        values = residual_values(problem, residual, grid, solution)
        holds = np.any([piece.keeps(grid.points, problem.names) for piece in residual.region], axis=0)
        stored[f"residual.grid.{residual.name}"] = np.where(holds, values, np.nan).reshape(grid_shape(axes))
    atomic.write_npz(folder / "diagnostics.npz", stored)


def residual_values(problem: Problem, residual: Residual, sites: Sites, solution: Any) -> np.ndarray:
    """Return a residual (rows,) of a solution at sites, not finite where a formula is not, as u_r/r on the axis."""
    term = make_term(problem, residual, sites)
    jets = [solution(image.sites.points, image.request, image.sites.side) for image in term.images]
    with np.errstate(all="ignore"):
        return np.broadcast_to(term.evaluate(jets), (term.num_rows,))
