"""Three nested solutions, what is known of the finest, and what becomes of that when it is compared with other solutions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pinn.judge.error_bar import ErrorBar
from pinn.judge.evaluation import evaluation_axes, norm_weights
from pinn.judge.grid import Array, Map, trapezoid_weights
from pinn.judge.metrics import relative_l2
from pinn.judge.solve import Discrete
from pinn.judge.table import tables
from pinn.problem.problem import Problem

RANK = {"observed": 0, "roundoff": 1, "not asymptotic": 2, "none": 3}


@dataclass(frozen=True)
class Window:
    """Three nested solutions and how well the finest is known, by unknown.

    Attributes
    ----------
    bars : what the differences of the three say.
    between : error of the interpolation between the nodes of the finest, by unknown.
    maps : of the nodes, by coordinate; empty for even ones.
    rounding : what rounding alone does to the finest.
    blind : one line: why this window says nothing, whatever its bars (data between the nodes, or that contradict each other).
    compared : a grid in between has been looked at.
    """

    solutions: tuple[Discrete, Discrete, Discrete]
    cells: int
    order: int
    bars: Mapping[str, ErrorBar]
    between: Mapping[str, float]
    maps: Mapping[str, Map]
    rounding: float = 0.0
    blind: str = ""
    compared: bool = False

    @property
    def finest(self) -> Discrete:
        """The solution on the finest grid."""
        return self.solutions[2]

    @property
    def state(self) -> str:
        """The worst state of an unknown."""
        return max((bar.state for bar in self.bars.values()), key=RANK.__getitem__)

    @property
    def relative_error(self) -> dict[str, float]:
        """The error bar of every unknown, interpolation included."""
        return {name: bar.bar + self.between[name] for name, bar in self.bars.items()}

    @property
    def merit(self) -> float:
        """Smaller is better: the bar, three times as much where the order is not seen, infinite where nothing is known."""
        weight = {"observed": 1.0, "roundoff": 1.0, "not asymptotic": 3.0, "none": np.inf}[self.state]
        return np.inf if self.blind else weight * max(self.relative_error.values())

    def widened(self, distances: Mapping[str, float]) -> Window:
        """Return the window with bars no smaller than what its finest solution was found to be away from another."""
        bars = {
            name: bar if distances[name] <= bar.bar else bar._replace(state=_worse(bar.state), bar=distances[name])
            for name, bar in self.bars.items()
        }
        return replace(self, bars=bars)

    def doubted(self, names: Collection[str]) -> Window:
        """Return the window with the cautious bars of an order that is not seen for the unknowns ``names``."""
        return self.widened({name: 3 * bar.differences[1] if name in names else 0.0 for name, bar in self.bars.items()})


def _worse(state: str) -> str:
    return max(state, "not asymptotic", key=RANK.__getitem__)


def upheld(problem: Problem, window: Window | None, later: Window) -> Window | None:
    """Return a window after a look at a later one.

    Its bar must cover how far the finest solutions are apart (twice that where it does not), and an order that finer grids do
    not show was a coincidence.
    """
    if window is None:
        return None
    window = window.doubted([name for name, bar in later.bars.items() if bar.state in ("not asymptotic", "none")])
    distances = apart(problem, window.finest, later.finest, at_nodes=bool(later.maps))
    refuted = [name for name, distance in distances.items() if distance > window.bars[name].bar + 3 * later.rounding]
    return window.widened({name: 2 * distances[name] if name in refuted else 0.0 for name in distances})


def agreeing(problem: Problem, first: Window, second: Window) -> tuple[Window, Window]:
    """Return two windows of different orders; both bars are widened where they do not explain how far the solutions are apart."""
    bars = [window.relative_error for window in (first, second)]
    found = apart(problem, first.finest, second.finest, at_nodes=bool(first.maps))
    distances = {name: d if d > bars[0][name] + bars[1][name] else 0.0 for name, d in found.items()}
    return first.widened(distances), second.widened(distances)


def apart(problem: Problem, first: Discrete, second: Discrete, *, at_nodes: bool = False) -> dict[str, float]:
    """Return how far two solutions are apart by unknown, relative L2 on the evaluation grid, where fields are measured.

    Parameters
    ----------
    at_nodes : compare at the nodes of the first too and take the larger: concentrated nodes lie where the evaluation grid,
        and so the distance on it, is blind.
    """
    axes, known, other = evaluation_axes(problem), tables(problem, first), tables(problem, second)
    found = {}
    for name, table in known.items():
        places = [axes, table.axes] if at_nodes else [axes]
        found[name] = max(relative_l2(table.on_grid(at), other[name].on_grid(at), norm_weights(at)) for at in places)
    return found


def nested(solutions: tuple[Discrete, ...], unknown: str) -> tuple[list[Array], Array]:
    """Return one unknown of nested solutions (coarse to fine) at the nodes of the coarsest, and quadrature weights there."""
    values = []
    for level, solution in enumerate(solutions):
        every = slice(None, None, 2**level)
        time_slice = every if len(solution.times) > 1 else slice(None)
        values.append(solution.field(unknown)[(time_slice, *(every for _ in solution.system.grid))])
    coarse, weights = solutions[0], np.ones(())
    for nodes, period in zip(coarse.axes, coarse.periods, strict=True):
        weights = np.multiply.outer(weights, trapezoid_weights(nodes, period))
    return values, weights
