"""Settings of the judge: which reference is wanted and what it may cost. Importing them needs neither SciPy nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pinn.problem.settings import Settings, setting


@dataclass(frozen=True)
class FiniteDifferenceReference(Settings):
    """Finite differences from the problem's text on three nested grids, refined until the error bar is small enough.

    Attributes
    ----------
    order : order of the differences; order 2 is tried too when the order is not observed.
    cells : cells per axis of the coarsest grid; null chooses 16, 8, 4 in 1, 2, 3 space dimensions, on scattered nodes 16, 14, 6.
    target : relative L2 error bar at which refining stops.
    size : largest cost of a grid, in units of the default limit (1-D 4 million unknowns x steps, 2-D 70 000 unknowns, ...).
    seconds : no grid is started that would end after this time; a limit for slow machines, `size` is what decides.
    adapt : try nodes concentrated where the solution is steep when even ones do not resolve it.
    cache : keep references on disk.
    """

    order: Literal[2, 4] = 4
    cells: int | None = setting(None, at_least=4, at_most=4096)
    target: float = setting(1e-7, above=0)
    size: float = setting(1.0, above=0)
    seconds: float = setting(60.0, above=0)
    adapt: bool = True
    cache: bool = True


@dataclass(frozen=True)
class AutoReference(FiniteDifferenceReference):
    """A file or the exact solution where the problem gives one, else finite differences; they also judge what a file holds."""


@dataclass(frozen=True)
class ExactReference(Settings):
    """The exact solution that the problem gives; none when it gives none."""


@dataclass(frozen=True)
class NoReferenceWanted(Settings):
    """No reference; the error is known from the estimate alone, where it is accepted."""
