"""A check that anyone can run on a network of their own: the derivatives of a field in three independent ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pinn.field.request import Request
from pinn.field.solution import Solution
from pinn.problem.tree import Index


class Comparison(NamedTuple):
    """Derivatives (points, len(request)) by jets, by repeated differentiation and by finite differences."""

    taylor: np.ndarray
    autograd: np.ndarray
    differences: np.ndarray

    @property
    def engines(self) -> float:
        """Largest difference between the two engines, relative to the largest value of the column."""
        return _relative(self.taylor, self.autograd)

    @property
    def finite(self) -> float:
        """Largest difference between jets and finite differences, relative to the largest value of the column."""
        return _relative(self.taylor, self.differences)


def compare_derivatives(
    network: Any, problem: Any, request: Request, points: np.ndarray, hard: tuple[str, ...] = (), seed: int = 0
) -> Comparison:
    """Return the derivatives of a network with random parameters, in float64.

    Parameters
    ----------
    network, problem, hard : as for `pinn.field.field.Field`.
    request : (unknown, operator) pairs.
    points : (points, dim), inside the box by 1 % of its lengths.
    """
    solutions = []
    for engine in ("taylor", "autograd"):
        field = network.field(problem, engine, hard=hard)
        solutions.append(Solution(field, field.initial(seed)))
    taylor, autograd = solutions
    return Comparison(taylor(points, request), autograd(points, request), finite_differences(autograd, points, request))


def finite_differences(solution: Solution, points: np.ndarray, request: Request, step: float = 5e-4) -> np.ndarray:
    """Return (points, len(request)): every index by one central difference of fourth order of the derivative one below it.

    ``step`` is in lengths of the box. A plain value is returned as it is.
    """
    columns = [sum(_difference(solution, points, unknown, index, step) for index in operator) for unknown, operator in request]
    return np.stack(columns, axis=1)


def _difference(solution: Solution, points: np.ndarray, unknown: str, index: Index, step: float) -> np.ndarray:
    axis = next((axis for axis, order in enumerate(index) if order), None)
    if axis is None:
        return solution(points, ((unknown, (index,)),))[:, 0]
    lower = (*index[:axis], index[axis] - 1, *index[axis + 1 :])
    coordinate = solution.field.problem.coordinates[axis]
    shift = np.zeros(len(index))
    shift[axis] = step * (coordinate.high - coordinate.low)

    def value(steps: int) -> np.ndarray:
        return solution(points + steps * shift, ((unknown, (lower,)),))[:, 0]

    return (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * shift[axis])


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a - b) / np.max(np.abs(a), axis=0, initial=1e-300)))
