"""The system of all cells on several processes: each eliminates the cells that it owns, the first solves for what they share.

Cells are divided along the tree of halves, so that with two, four, … processes everything is eliminated in the order of one
process. What a process sends are the rows that are left in traces which others touch too.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from pinn.solver.cells.elimination import Eliminated, Rows, bisection, eliminate, leaves, reduce, substitute
from pinn.solver.cells.factor import Factors
from pinn.solver.cells.system import OWN, Condensed, Step, System
from pinn.solver.division import Load
from pinn.solver.ranks import DRAW, EVALUATE, REPORT, STOP, order

if TYPE_CHECKING:
    from pinn.solver.ranks import Ranks

Array = np.ndarray

WORDS_ALONE = torch.zeros(0, dtype=torch.float64)
"""Goes with orders whose content is shared afterwards."""


class SharedSystem:
    """A `System` whose steps are done by all processes, in the first one; all else is done there alone.

    Parameters
    ----------
    arguments : of the system. factors : of rows that were met before, in this process; the others have their own.
    """

    def __init__(self, ranks: Ranks, *arguments: Any, factors: Factors | None = None):
        self._ranks, self._system = ranks, System(*arguments, factors=factors)
        order(ranks, DRAW, WORDS_ALONE)
        ranks.share(arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)

    def step(self, coefficients: Array) -> Step:
        """Return what `System.step` does."""
        begin = time.perf_counter()
        order(self._ranks, EVALUATE, WORDS_ALONE)
        found = step(self._system, self._ranks, self._ranks.share(coefficients))
        self._ranks.together += time.perf_counter() - begin
        self._ranks.evaluations += 1
        assert found is not None
        return found


def serve(ranks: Ranks) -> None:
    """Take part in the steps of the systems that the first process tells of, until it says stop.

    Raises
    ------
    ProcessLost : the first process has ended without a word.
    """
    system: System | None = None
    factors = Factors()
    while True:
        word = int(ranks.broadcast(torch.zeros(1, dtype=torch.float64))[0])
        if word == STOP:
            return
        if word == DRAW:
            system = System(*ranks.share(None), factors=factors)
        elif word == REPORT:
            ranks.report()
        else:
            assert system is not None
            step(system, ranks, ranks.share(None))


class Left(NamedTuple):
    """What a process has left after its cells.

    Attributes
    ----------
    done : traces that only its cells touch. rows : in the others. failure : why there is nothing, else ``""``.
    """

    condensed: Condensed | None
    done: list[Eliminated]
    rows: Rows
    failure: str = ""


def step(system: System, ranks: Ranks, coefficients: Array) -> Step | None:
    """Do this process' part of a step; return the step in the first process, None in the others.

    Raises
    ------
    FloatingPointError : in the first process, what went wrong in any of them.
    """
    begin = time.perf_counter()
    cells = owned(system, ranks.rank, ranks.size)
    ranks.load = Load(len(cells) * len(system.field.basis.points), len(cells), len(cells) * len(system.field.basis.points))
    left = eliminated(system, coefficients, cells)
    ranks.evaluating += time.perf_counter() - begin
    total = left.condensed.total if left.condensed else 0.0
    each = ranks.gather((left.rows, total, left.failure))
    failure = next((why for _, _, why in each if why), "") if each else ""
    known = ranks.share(None if failure or not each else between(system, [rows for rows, _, _ in each]))
    if known is None:
        if failure:
            raise FloatingPointError(failure)
        return None
    begin = time.perf_counter()
    own = np.zeros((0, system.sizes[OWN]))
    if left.condensed is not None and len(cells):
        own = left.condensed.move(substitute(left.done, system.sizes, known))
    ranks.evaluating += time.perf_counter() - begin
    moves = ranks.gather(own)
    if not moves:
        return None
    move = np.empty((system.field.cover.num_cells, moves[0].shape[1]))
    move[leaves(bisection(system.field.cover.centers))] = np.concatenate(moves)
    return Step(move.reshape(coefficients.shape), math.sqrt(sum(part for _, part, _ in each)))


def owned(system: System, rank: int, size: int) -> Array:
    """Return the cells of a process: an equal part of the leaves of the tree."""
    order = leaves(bisection(system.field.cover.centers))
    return np.array(order[len(order) * rank // size : len(order) * (rank + 1) // size], int)


def eliminated(system: System, coefficients: Array, cells: Array) -> Left:
    """Return what is left after some cells and the traces that no other cell touches."""
    nothing = Rows((), np.zeros((0, 0)), np.zeros(0))
    try:
        condensed = system.condensed(coefficients, cells)
        if not len(cells):
            return Left(condensed, [], nothing)
        tree = bisection(system.field.cover.centers[cells])
        done, rows = reduce(condensed.left, system.sizes, tree, condensed.touched, factors=system.factors)
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        return Left(None, [], nothing, str(error) or type(error).__name__)
    return Left(condensed, done, rows)


def between(system: System, rows: list[Rows]) -> dict[int, Array]:
    """Return the traces that cells of several processes touch."""
    tree = bisection(np.arange(len(rows), dtype=float)[:, None])
    return substitute(eliminate(rows, system.sizes, tree), system.sizes)
