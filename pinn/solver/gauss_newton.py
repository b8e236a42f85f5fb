"""Gauss-Newton for all parameters of small networks, with the least damping at which the linear model is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import Settings, setting
from pinn.solver.stage import Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GaussNewton(Settings):
    """Levenberg-Marquardt: (JᵀJ + λI) d = −Jᵀr by Cholesky, or (JJᵀ + λI) with fewer rows than parameters.

    The step with the least loss is not taken: it keeps λ large, and progress slow. Taken is the smallest λ of a geometric ladder
    around the last one whose loss falls by at least ``accept`` of what the linear model foretells. A step costs the Jacobian, its
    product with itself, and a factorisation and an evaluation for each λ that is tried; J is kept, (rows, params). New points at
    any step are welcome: nothing but λ and the number of the step is remembered.

    Parameters
    ----------
    steps : number of steps.
    accept : least part of the foretold fall of the loss.
    damping : first λ, in units of the mean of the diagonal of JᵀJ.
    ladder : factor between neighbouring λ.
    sketch : dimension of the random subspace, new at every step, in which d is sought; J's rows are projected to three times as
        many where they are more. 1000 does well. A subspace without a descent is followed by a step among all parameters, as is
        taken without ``sketch`` and for less than twice as many parameters.
    """

    resampling: ClassVar[Resampling] = "any step"

    steps: int = setting(100, at_least=0)
    accept: float = setting(0.25, above=0, below=1)
    damping: float = setting(1e-3, above=0)
    ladder: float = setting(2.0, above=1)
    sketch: int | None = setting(None, at_least=1)

    def start(self, rows: Any, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        from pinn.solver.gauss_newton_process import GaussNewtonProcess

        return GaussNewtonProcess(self, theta, memory)
