"""Least squares for fields in cells, on a cover that adapts by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput, Settings, setting

FINEST = 1e-14
"""Least tolerance that float64 allows."""

TOLERANCES = {1: 1e-13, 2: 1e-11, 3: 1e-8, 4: 1e-6, 5: 1e-6}
"""By number of coordinates, where none is asked for."""

LOOSEST = 1e-5
"""Of tolerances that follow from a wanted accuracy; with larger ones residuals are large, and slabs of time short and many."""

SHARE = 0.01
"""Of the wanted accuracy: what may be missing in a cell."""


OF_FAMILIES = 1e-6
"""Accuracy of families, where none is asked for."""

PART = 0.1
"""Of the wanted accuracy: by how much solutions of a family may differ from what is expected of them."""


@dataclass(frozen=True)
class CellLeastSquares(Settings):
    """Solves for all coefficients of a field in cells at once, one Gauss-Newton step being one linear least-squares problem.

    The residuals of equations and conditions at points of every cell, and the jumps of u and its derivatives below the order of the
    equations across faces, are made small together (hp least-squares collocation; with random features Dong & Li 2021, Comput.
    Methods Appl. Mech. Eng. 387, 114129). Cells whose features leave out more of the solution than the tolerance are cut in
    halves until none is left. Where time has a direction, slabs of time are solved one after the other, as long as the tolerance
    allows, each with its own cells. A nonlinear problem takes some Gauss-Newton steps for each cover, a linear one takes one.

    With parameters it is solved at one value after the other until polynomials in the parameters through the solutions foretell the
    next ones to 0.1 of the wanted accuracy, which is 1e-6 where none is asked for (`pinn.solver.cells.families`).

    Parameters
    ----------
    tolerance : part of the solution, relative L2, that may be missing in a cell; None means 0.01 of the wanted accuracy, at most
        1e-5, or 1e-13, 1e-11, 1e-8, 1e-6, 1e-6 in 1, 2, 3, 4, 5 coordinates.
    cells : equal cells along a coordinate to begin with, by its name; 1 where it is not named.
    most_cells : of one slab; where more would be needed the result is what so many give.
    most_values : of the parameters at which a family is solved.
    steps : of Gauss-Newton on one cover.
    seconds : when they are over, what remains is solved on the cells that there are.
    """

    tolerance: float | None = setting(None, above=0, below=1)
    cells: Mapping = setting({})
    most_cells: int = setting(2000, at_least=1)
    most_values: int = setting(500, at_least=1)
    steps: int = setting(25, at_least=1)
    seconds: float | None = setting(None, above=0)

    def __post_init__(self):
        super().__post_init__()
        if self.tolerance is not None and self.tolerance < FINEST:
            raise BadInput(f"must be at least {FINEST:g}, which is what float64 allows, got {self.tolerance:g}", "tolerance")
        for name, count in self.cells.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise BadInput(f"must be a whole number of at least 1, got {count!r}", f"cells.{name}")

    @property
    def title(self) -> str:
        """What this solver is called in results."""
        return "least_squares"

    def check_points(self, redraw: int | None) -> None:
        """Accept anything: cells have points of their own."""

    def tolerance_for(self, problem: Problem, accuracy: float | None) -> float:
        """Return the tolerance in use.

        Raises
        ------
        BadInput : an accuracy that float64 does not allow.
        """
        if self.tolerance is not None:
            return self.tolerance
        if accuracy is None:
            return TOLERANCES.get(problem.dim, max(TOLERANCES.values()))
        if SHARE * accuracy < FINEST:
            raise BadInput(f"must be at least {FINEST / SHARE:.0g}, which is what float64 allows, got {accuracy:g}", "accuracy")
        return min(SHARE * accuracy, LOOSEST)

    def most_cells_for(self, coefficients: int, shared: int, gigabytes: float) -> int:
        """Return how many cells fit into memory: each keeps a triangle of its coefficients and their coupling to its faces."""
        each = 8.0 * coefficients * (coefficients + shared)
        return max(1, min(self.most_cells, math.floor(gigabytes * 1e9 / each)))
