"""SPRING: natural gradient by rows, with momentum, for points that change while the network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import Settings, setting
from pinn.solver.stage import Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Spring(Settings):
    """Subsampled projected-increment natural gradient (Goldshlager, Abrahamsen and Lin 2024, arXiv:2401.10190, algorithm 1).

    φ ← μφ + Jᵀ(JJᵀ + λI)⁻¹(−r − μJφ), the d with the least |r + J d|² + λ|d − μφ|²: what few rows leave open, earlier rows decide.
    θ moves by ηφ. The paper scales φ to a length; here η is ``rate``, halved as long as the loss at these points falls further, or
    until it falls at all.

    For points that change at every step (``points.redraw: 1``), some hundred of them; where they stay, `GaussNewton` finds its
    damping by itself. In linear least squares with new rows at every step, a tenth as many as parameters, θ grows without bound by
    whole steps for μ from 0.8 on, and by a third of them from 0.95 on. A step costs the Jacobian, its product with itself and a
    factorisation, and one evaluation more than η was halved.

    Parameters
    ----------
    steps : number of steps.
    rate : largest η.
    momentum : μ.
    damping : λ, in units of the mean of the diagonal of JᵀJ.
    """

    resampling: ClassVar[Resampling] = "any step"

    steps: int = setting(500, at_least=0)
    rate: float = setting(0.3, above=0, at_most=1)
    momentum: float = setting(0.8, at_least=0, below=1)
    damping: float = setting(1e-4, at_least=1e-10)

    def start(self, rows: Any, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        from pinn.solver.spring_process import SpringProcess

        return SpringProcess(self, theta, memory)
