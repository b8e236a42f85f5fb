"""How a problem is cut along time: whether it has a direction, and what holds at the start and always."""

from __future__ import annotations

import numpy as np

from pinn.field.constraint import prescribed
from pinn.problem.formulas.calculus import jets, leaves
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Integral
from pinn.problem.problem import Problem, Residual
from pinn.problem.settings import BadInput

Array = np.ndarray


class Marching:
    """How a problem is cut along time: solved from its start on when it can be, else all at once.

    Attributes
    ----------
    axis : of time; None when all is solved at once. initial : residuals at the start. always : all others but periodic ones.
    """

    def __init__(self, problem: Problem):
        self.always = [row for row in problem.residuals if row.kind != "periodic"]
        self.initial: list[Residual] = []
        self.axis = None
        if problem.time is not None and _can_march(problem):
            self.axis = problem.names.index(problem.time)
            start = problem.box[self.axis, 0]
            self.initial = [row for row in self.always if all(dict(piece.fixed).get(problem.time) == start for piece in row.region)]
            self.always = [row for row in self.always if row not in self.initial]

    def at_start(self, problem: Problem, points: Array) -> Array:
        """Return the values (points, unknowns) that conditions prescribe at the start for the same places, zero without any."""
        values, at = np.zeros((len(points), len(problem.unknowns))), points.copy()
        at[:, self.axis] = problem.box[self.axis, 0]
        for row in self.initial:
            try:
                found = prescribed(problem, row)
            except BadInput:
                continue
            if found.order == 0:
                with np.errstate(all="ignore"):
                    (data,) = Program([found.data])(coordinate_values(at, problem.names))
                here = np.any([piece.keeps(at, problem.names) for piece in row.region], axis=0)
                values[here, problem.unknown_names.index(found.unknown)] = np.broadcast_to(np.nan_to_num(data), len(at))[here]
        return values


def _can_march(problem: Problem) -> bool:
    """Whether time has a direction: everything that pins time does so at its start, and nothing reads another time."""
    start, time = problem.box[problem.names.index(problem.time or ""), 0], problem.time
    pinned = [dict(piece.fixed)[time] for row in problem.residuals for piece in row.region if time in dict(piece.fixed)]
    elsewhere = [name for row in problem.residuals for jet in jets(row.tree) for name, _ in jet.image if name == time]
    integrals = [leaf for row in problem.residuals for leaf in leaves(row.tree) if isinstance(leaf, Integral)]
    over = [name for each in integrals for name, _, _ in each.over if name == time]
    return bool(pinned) and all(value == start for value in pinned) and not elsewhere and not over
