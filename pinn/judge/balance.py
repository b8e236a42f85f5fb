"""Do the data of a problem that is fixed up to a constant agree with each other?

A gauge comes with a constant λ added to one equation. For data that balance (sources and fluxes through the walls) λ is an
error of the discretisation and falls with the grid; data that contradict each other leave a λ that stays: then the equation
has no solution, and what the grids converge to solves another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pinn.judge.solve import Discrete
from pinn.problem.problem import Residual

SMALL, LARGE = 1e-6, 1e-2
FALLING = 3.0
SETTLED = 1e-2


class Imbalance(NamedTuple):
    """The constant that an equation needs on the finest grid; ``settled``: refining does not change it any more."""

    words: str
    settled: bool


def imbalance(solutions: Sequence[Discrete], size: Callable[[Residual], float]) -> Imbalance | None:
    """Return what is wrong with the balance of the data, or None.

    Parameters
    ----------
    solutions : two or more, from coarse to fine.
    size : root mean square of the largest term of an equation.

    λ is at fault where it is above 1e-2 of the terms, or above 1e-6 and more than three times its change from the last grid
    to this one: an error of any order above 0.4 changes by a third of itself or more when the grid is halved.
    """
    for equation, constants in _constants(solutions):
        changes = [_size(constants[-1] - constant) for constant in constants[:-1]]
        constant, whole = _size(constants[-1]), max(size(equation), 1e-300)
        if constant > LARGE * whole or (constant > SMALL * whole and constant > FALLING * changes[-1]):
            typical = constants[-1][np.argmax(np.abs(constants[-1]))]
            words = (
                f"the data contradict each other: '{equation.name}' can only hold with a constant added (here {typical:.2g}); "
                "the sources and the fluxes through the walls do not balance"
            )
            settled = constant > 1e2 * SMALL * whole and len(changes) > 1 and max(changes) <= SETTLED * constant
            return Imbalance(words, settled)
    return None


def _constants(solutions: Sequence[Discrete]) -> Iterator[tuple[Residual, list[np.ndarray]]]:
    """Every equation with a constant, and the constant of each solution at the times of the first."""
    columns = [[(c.block.unknown, c.block.rows[0]) for c in s.system.compiled if c.block.kind == "gauge"] for s in solutions]
    times = solutions[0].times[2:] if len(solutions[0].times) > 3 else solutions[0].times
    for places in zip(*columns, strict=True):
        layout = solutions[-1].system.layout
        equation = layout.problem.equations[layout.pair[places[0][0]]]
        yield equation, [np.interp(times, s.times, s.values[:, column]) for s, (_, column) in zip(solutions, places, strict=True)]


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
