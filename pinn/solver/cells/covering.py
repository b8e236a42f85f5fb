"""Cells for trained networks, from a solution by least squares: small where it changes, large where it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pinn.field.cells.basis import Basis, LegendreFeatures
from pinn.field.cells.cover import whole
from pinn.field.network.local_features import LocalFeatures
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
from pinn.solver.cells import rounds
from pinn.solver.cells.attempt import Limits
from pinn.solver.cells.march import March
from pinn.solver.staged import Diverged

Array = np.ndarray
Function = Callable[[Array], Array]

TOLERANCE = 1e-5
"""Of the solution whose shape decides; a worse one would be no cheaper."""

MOST_CELLS, STEPS, SECONDS = 1000, 25, 60.0
"""Limits of that solution."""

DEGREE = 4
"""Of the polynomials that tell how much a solution changes in a cell."""


def adapted(problem: Problem, count: int) -> Array:
    """Return about ``count`` boxes (cells, dim, 2) in which the solution of a problem changes about equally.

    Raises
    ------
    BadInput : least squares in cells find no solution.
    """
    march = March(problem, LocalFeatures().basis(problem, 0), Limits(TOLERANCE, MOST_CELLS, STEPS), {})
    try:
        *_, last = rounds.solve(march, rounds.first_state(march), SECONDS)
    except (Diverged, FloatingPointError, MemoryError) as error:
        raise BadInput(f"found no solution to make cells for ({error}); give boxes", "decomposition") from None
    return divided(rounds.solution(march, last), whole(problem.box, planes=problem.planes).boxes, count)


def divided(function: Function, boxes: Array, count: int) -> Array:
    """Return boxes cut in halves until there are ``count``, each time the one in which polynomials miss most of a function.

    Parameters
    ----------
    function : of points (points, dim), (points, unknowns). boxes : to begin with, (cells, dim, 2).
    """
    basis = Basis(LegendreFeatures(boxes.shape[1], DEGREE), boxes.shape[1], 2 * DEGREE)
    found = [(box, _missed(function, box, basis)) for box in boxes]
    while len(found) < count:
        box, missed = found.pop(int(np.argmax([each.max() for _, each in found])))
        axis = int(np.argmax(missed))
        for low, high in ((box[axis, 0], box[axis].mean()), (box[axis].mean(), box[axis, 1])):
            half = box.copy()
            half[axis] = low, high
            found.append((half, _missed(function, half, basis)))
    return np.array(sorted((box for box, _ in found), key=lambda box: box[:, 0].tolist()))


def _missed(function: Function, box: Array, basis: Basis) -> Array:
    """Return what polynomials along each axis leave out of a function on a box, in L2, (dim,)."""
    points = box.mean(axis=1) + np.ptp(box, axis=1) / 2 * basis.points
    return basis.tails(function(points).T).max(axis=0) * np.sqrt(np.prod(np.ptp(box, axis=1)))
