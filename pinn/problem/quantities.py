"""Quantities of interest: numbers, or functions of one coordinate, computed from any solution."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pinn.problem.problem import Piece, Problem, Request, Residual
from pinn.problem.selectors import matters
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term

SolutionLike = Callable[[np.ndarray, Request], np.ndarray]
"""Values (points, len(request)) of derivatives of the unknowns at points (points, dim)."""


class Quantity(NamedTuple):
    """A quantity of interest.

    Attributes
    ----------
    coordinate : the coordinate it still depends on, or None for a number.
    places : values of that coordinate, (places,); one place for a number.
    values : (places,).
    """

    coordinate: str | None
    places: np.ndarray
    values: np.ndarray


def evaluate_quantity(problem: Problem, name: str, solution: SolutionLike, num_places: int = 51) -> Quantity:
    """Return a quantity of the problem for a solution, at equidistant values of the coordinate that stays free.

    Raises
    ------
    BadInput : the quantity depends on more than one coordinate; evaluate it at fixed values of the others.
    """
    tree = problem.quantities[name]
    free = matters(tree, problem.names)
    if len(free) > 1:
        raise BadInput(f"depends on {', '.join(free)}; write at which, for instance {name}: u({free[0]}=...)", f"quantities.{name}")
    points = np.repeat(problem.box[None, :, 0], num_places if free else 1, axis=0)
    if free:
        axis = problem.names.index(free[0])
        low, high = problem.box[axis]
        points[:, axis] = np.linspace(low, high, num_places)
    term = make_term(problem, Residual(name, "quantity", "", tree, (Piece(),)), Sites(points))
    columns = [solution(image.sites.points, image.request) for image in term.images]
    values = np.array(np.broadcast_to(np.asarray(term.evaluate(columns), float), len(points)))
    return Quantity(free[0] if free else None, points[:, axis] if free else np.zeros(1), values)
