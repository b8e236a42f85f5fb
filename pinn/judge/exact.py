"""The exact solution of the problem as a reference, after it was put into every equation and condition."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pinn.judge.reference import EXACT, Reference, no_reference
from pinn.problem.checks import typical_jet
from pinn.problem.exact import apply_exact
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program, site_values
from pinn.problem.formulas.sides import off_the_point
from pinn.problem.formulas.tree import Integral, Jet, Node
from pinn.problem.problem import Problem, Residual
from pinn.problem.shapes.regions import sample_region
from pinn.problem.sites import grid_shape, tensor_points

Array = np.ndarray
LARGEST_DEFECT = 1e-6
NUM_POINTS = 200


def exact_reference(problem: Problem) -> Reference:
    """Return the exact solution as a `Reference`; of kind "none" when there is none or it does not solve the problem."""
    start = time.perf_counter()
    missing = [name for name in problem.unknown_names if name not in problem.exact]
    if missing:
        return no_reference(f"no exact solution is given for {', '.join(missing)}")
    name, defect = worst_defect(problem)
    if defect > LARGEST_DEFECT:
        return no_reference(
            f"the exact solution does not satisfy '{name}' (relative defect {defect:.1e})", time.perf_counter() - start
        )

    def at_points(points: Array) -> Array:
        with np.errstate(all="ignore"):
            return problem.exact_values(problem.values, points)

    def on_axes(axes: tuple[Array, ...]) -> dict[str, Array]:
        values = at_points(tensor_points(axes)).T.reshape(len(problem.unknowns), *grid_shape(axes))
        return dict(zip(problem.unknown_names, values, strict=True))

    bars = {name: EXACT for name in problem.unknown_names}
    return Reference(
        "exact",
        "exact",
        problem.unknown_names,
        relative_error=bars,
        seconds=time.perf_counter() - start,
        at_points=at_points,
        on_axes=on_axes,
    )


def worst_defect(problem: Problem) -> tuple[str, float]:
    """Return the residual that the exact solution violates most, and by how much relative to the size of its terms.

    Residuals that hold an integral or cannot be evaluated (a logarithm of zero) are left out.
    """
    worst = ("", 0.0)
    for residual in problem.laws:
        if any(isinstance(leaf, Integral) for leaf in calculus.leaves(residual.tree)):
            continue
        defect = _defect(problem, residual)
        if defect > worst[1]:
            worst = (residual.name, defect)
    return worst


def _defect(problem: Problem, residual: Residual) -> float:
    sites = sample_region(problem, residual.region, f"exact/{residual.name}", NUM_POINTS)
    num = len(sites.points)
    jets = [leaf for leaf in calculus.leaves(residual.tree) if isinstance(leaf, Jet)]
    exact = [apply_exact(jet, problem.exact, problem.names) for jet in jets]
    known: dict[Node, Any] = {**site_values(sites, problem.names)}
    known |= off_the_point([residual.tree, *exact], sites, problem.names, problem.box)
    size = 0.0
    with np.errstate(all="ignore"):
        for jet, value in zip(jets, Program(exact)(known), strict=True):
            known[jet] = np.broadcast_to(value, num)
        value, *slopes = Program([residual.tree, *[calculus.partial(residual.tree, jet) for jet in jets]])(known)
        value = np.broadcast_to(value, num)
        for jet, slope in zip(jets, slopes, strict=True):
            size += float(np.mean(np.abs(slope * known[jet])))
        defect = float(np.max(np.abs(value), initial=0.0)) / max(size, typical_jet(problem, residual.tree), 1e-8)
    return defect if np.isfinite(defect) else 0.0
