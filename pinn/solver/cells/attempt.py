"""One solve on one cover, and how good it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pinn.field.cells.slabs import Slab
from pinn.solver.cells.newton import Solved
from pinn.solver.cells.resolution import MOSTLY, left_out, left_out_in_part, positive, sizes
from pinn.solver.cells.system import System

Array = np.ndarray

LEAST_SATISFIED, MOST_SATISFIED = 1e-6, 1e-3
"""The residual of a solution is at most the root of the tolerance, between these; functions that solve nothing leave more."""

EXACT = 0.1
"""Gauss-Newton steps are small when they are this part of what the cells leave out, or of the tolerance."""


@dataclass(frozen=True)
class Limits:
    """What a solve may use.

    Attributes
    ----------
    tolerance : what may be missing in each cell, relative L2. cells : at most, in one slab. steps : of Gauss-Newton for one cover.
    """

    tolerance: float
    cells: int
    steps: int

    @property
    def residual(self) -> float:
        """The largest residual of a solution."""
        return min(max(math.sqrt(self.tolerance), LEAST_SATISFIED), MOST_SATISFIED)


class Attempt(NamedTuple):
    """One solve on one cover.

    Attributes
    ----------
    missing : what it leaves out of the solution, (cells, dim).
    residual : root mean square of the rows over the size of the solution.
    crossed : the equation whose pole it crosses, of which it is therefore no solution, '' for none.
    """

    slab: Slab
    system: System
    solved: Solved
    missing: Array
    residual: float
    crossed: str

    def is_satisfied(self, limits: Limits) -> bool:
        """Whether it is a solution, resolved or not."""
        return self.solved.has_converged and self.residual <= limits.residual and not self.crossed

    @property
    def worst_loss(self) -> tuple[str, float]:
        """The residual with the largest mean square, and that."""
        return max(self.system.losses(self.solved.coefficients).items(), key=lambda each: each[1])

    def why_not(self, limits: Limits) -> str:
        """Return in what it falls short, one line."""
        if self.missing.max() > limits.tolerance:
            return f"{self.missing.max():.1e} stays unresolved"
        if self.crossed:
            return f"a denominator in '{self.crossed}' is positive here and negative there, so it is zero between"
        return f"the equations are not satisfied, their residual is {self.residual:.1e} of the solution"


@dataclass(frozen=True)
class Measures:
    """How good coefficients on a cover are.

    Attributes
    ----------
    scales : largest size of each unknown before, (unknowns,). share : which part of the range of time the cover has.
    space : the axes that are not time. is_graded : whether residuals decide where cells are cut.
    """

    system: System
    limits: Limits
    scales: Array
    share: float
    space: tuple[int, ...]
    is_graded: bool

    def missing(self, coefficients: Array) -> Array:
        """Return what the coefficients leave out of the solution, (cells, dim)."""
        system, field = self.system, self.system.field
        scales = positive(np.maximum(self.scales, sizes(field, coefficients)))
        found = left_out(field, coefficients, scales, self.share)
        if system.problem.domain is None:
            return found
        shares, residuals = system.interior.shares, system.unsatisfied(coefficients) / float(scales.max())
        in_part = left_out_in_part(field.cover, shares, residuals, self.space)
        return np.where(shares[:, None] >= MOSTLY, np.maximum(found, in_part), in_part)

    def residual(self, coefficients: Array, norm: float) -> float:
        """Return the root mean square of the rows over the size of the solution, given their norm; what jumps is left out."""
        system = self.system
        size = float(sizes(system.field, coefficients, system.interior.inside).max()) or 1.0
        return math.sqrt(max(norm**2 - system.doubted(coefficients), 0.0) / max(system.num_rows, 1)) / size

    def enough(self, coefficients: Array) -> float:
        """Return how large a step of Gauss-Newton may be that does not count."""
        left = self.residual(coefficients, self.system.norm(coefficients)) if self.is_graded else 0.0
        return EXACT * max(self.limits.tolerance, float(self.missing(coefficients).max()), left)

    def attempt(self, solved: Solved, crossed: str) -> Attempt:
        """Return a solve with what is known of it."""
        coefficients = solved.coefficients
        missing, residual = self.missing(coefficients), self.residual(coefficients, solved.norm)
        return Attempt(Slab(self.system.field, coefficients), self.system, solved, missing, residual, crossed)
