"""Quantities of interest: numbers, or functions of the coordinates they leave free, computed from any solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinn.problem.formulas.calculus import leaves
from pinn.problem.formulas.tree import Integral
from pinn.problem.problem import Problem, Request, Residual
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.selectors import matters
from pinn.problem.sites import Sites, grid_shape, tensor_points
from pinn.problem.terms import make_term, num_nodes

SolutionLike = Callable[..., np.ndarray]
"""Values (points, len(request)) of derivatives of the unknowns at points (points, dim) for a request; on surfaces a third argument
says towards where to look from each point, (points, dim)."""

MOST_POINTS = 100_000
"""Points at which a solution is asked for at once."""

MOST_AXES = 4
"""Coordinates along which a quantity is tried at several places before the training."""

TRIALS = 12
"""Made-up solutions with which a quantity is tried before the training; one finite value is enough."""


def evaluate_quantity(problem: Problem, name: str, solution: SolutionLike, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return a quantity on the tensor grid of the coordinates it depends on, with the shape of their lengths.

    Raises
    ------
    BadInput : it looks up an unknown outside the domain.
    """
    free = matters(problem.quantities[name], problem.names)
    kept = [axis if x in free else axis[:1] for x, axis in zip(problem.names, axes, strict=True)]
    return quantity_at(problem, name, solution, tensor_points(kept)).reshape(grid_shape(kept))


def quantity_at(problem: Problem, name: str, solution: SolutionLike, points: np.ndarray) -> np.ndarray:
    """Return a quantity at points (points, dim), (points,); coordinates on which it does not depend do not matter.

    Raises
    ------
    BadInput : it looks up an unknown outside the domain.
    """
    tree = problem.quantities[name]
    nodes = max((num_nodes(leaf) for leaf in leaves(tree) if isinstance(leaf, Integral)), default=1)
    step = max(1, MOST_POINTS // nodes)
    residual = Residual(name, "quantity", "", tree, (Piece(),))
    parts = []
    for begin in range(0, len(points), step):
        term = make_term(problem, residual, Sites(points[begin : begin + step]))
        with np.errstate(all="ignore"):
            columns = [solution(*image.seen) for image in term.images]
            parts.append(np.broadcast_to(np.asarray(term.evaluate(columns), float), term.num_rows))
    return np.concatenate(parts)


def dependence(problem: Problem, name: str) -> str:
    """Return ``flux(t)`` for a function, the name alone for a number."""
    free = matters(problem.quantities[name], problem.names)
    return f"{name}({', '.join(free)})" if free else name


def check_quantity(problem: Problem, name: str) -> None:
    """Raise `BadInput` when a quantity cannot be evaluated: it looks outside the domain, or is no number whatever the solution."""
    several = set(matters(problem.quantities[name], problem.names)[:MOST_AXES])
    ends = zip(problem.names, problem.box, strict=True)
    axes = tuple(np.linspace(low, high, 5 if x in several else 1) for x, (low, high) in ends)
    for trial in range(TRIALS):
        random = generator(trial, f"quantity {name}")
        sign, size = (-1.0) ** trial, 10.0 ** random.uniform(-3, 3)

        def solution(points: np.ndarray, request: Request, *_: np.ndarray, random=random, size=sign * size) -> np.ndarray:
            return size * random.uniform(0.5, 1.5, (len(points), len(request)))

        if np.isfinite(evaluate_quantity(problem, name, solution, axes)).any():
            return
    raise BadInput("is not a finite number anywhere, whatever the solution", name)
