"""Least squares for the parameters of the last layer: one solve where the problem is linear, Gauss-Newton where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import BadInput, Settings, setting
from pinn.solver.stage import Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LeastSquares(Settings):
    """Gauss-Newton over the parameters of the last layer, which the field depends on linearly, by rank-revealing QR.

    All other parameters stay as they are, but for a common factor: random features need the scale of the solution, so the first
    step tries factors of the hidden parameters on some of the features and keeps the one with the least residual. Rank deficiency
    is the rule with random features: columns that the others make up for to rounding are left out.

    Parameters
    ----------
    steps : most Gauss-Newton steps; a linear problem takes two, the second of which removes rounding.
    factors : of the hidden parameters, to choose from; a single one is taken as it is.
    rank : columns whose part independent of the others is smaller than this, relative to the largest, are left out; at least
        the unit of rounding of the precision.
    """

    resampling: ClassVar[Resampling] = "any step"

    steps: int = setting(30, at_least=0)
    factors: tuple[float, ...] = setting((1.0,), above=0)
    rank: float = setting(1e-15, at_least=0, below=1)

    def __post_init__(self):
        super().__post_init__()
        if not self.factors or list(self.factors) != sorted(set(self.factors)):
            raise BadInput("must be numbers that rise", "factors")

    def start(self, rows: Any, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        from pinn.solver.least_squares_process import LeastSquaresProcess

        return LeastSquaresProcess(self, rows, theta, memory)
