"""Which solver suits a problem, from what can be read off its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pinn.problem.checks import undetermined
from pinn.problem.problem import Problem
from pinn.problem.settings import Settings

MOST_COORDINATES = 3
"""Cells are chosen up to here; their number grows with a power of the number of coordinates."""

MOST_PARAMETERS = 6
"""Families of up to so many parameters are solved at single values of them."""


@dataclass(frozen=True)
class Auto(Settings):
    """Leaves the choice to `choose`; a run records the solver that was chosen, and why."""


class Choice(NamedTuple):
    """Name of a solver, and the reason in one line."""

    solver: str
    why: str


def choose(problem: Problem, has_wishes: bool = False) -> Choice:
    """Return the solver for a problem.

    Parameters
    ----------
    has_wishes : whether settings are given that only training follows, such as the width of a network.
    """
    if has_wishes:
        return Choice("adam_broyden", "settings of a network, its points or its device are given")
    if problem.is_inverse and not has_wishes and problem.dim <= MOST_COORDINATES and not undetermined(problem):
        return Choice("least_squares", f"all follows from {', '.join(problem.numbers)}, which are found from the observations")
    if problem.is_inverse:
        return Choice("adam_broyden", "what is sought and what was measured are fitted together, so a network is trained")
    dim, parameters = problem.num_plain, len(problem.parameters)
    if dim > MOST_COORDINATES:
        return Choice("adam_broyden", f"{dim} coordinates are many for cells, so a network is trained")
    if parameters > MOST_PARAMETERS:
        return Choice("adam_broyden", f"{parameters} parameters are many for single values, so a network is trained")
    if problem.domain_varies:
        return Choice("adam_broyden", "solutions on different domains cannot be joined, so a network is trained")
    coordinates = f"{dim} coordinate" + "s" * (dim > 1)
    if parameters:
        coordinates += f", {parameters} parameter" + "s" * (parameters > 1)
    order = problem.highest_order
    kind = "linear, so that each cover takes one solve" if problem.is_linear else "nonlinear, so Gauss-Newton in cells"
    return Choice("least_squares", f"{coordinates}, order {order}, {kind}")
