"""L-BFGS: quasi-Newton with the last few steps only, for networks of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import Settings, setting
from pinn.solver.stage import Objective, Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LBFGS(Settings):
    """L-BFGS (Liu and Nocedal 1989, doi:10.1007/BF01589116) with a strong Wolfe line search; points stay fixed.

    Parameters
    ----------
    steps : number of steps, each about 1.05 evaluations.
    history : steps remembered; memory and time grow with ``2 * history * params``.
    evaluations : most evaluations of one line search.
    """

    resampling: ClassVar[Resampling] = "between stages"

    steps: int = setting(5000, at_least=0)
    history: int = setting(50, at_least=1)
    evaluations: int = setting(25, at_least=2)

    def start(self, rows: Objective, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        from pinn.solver.limited_memory import LimitedMemory
        from pinn.solver.quasi_newton import QuasiNewtonProcess

        hessian = LimitedMemory(self.history, theta, memory["hessian"] if memory else None)
        return QuasiNewtonProcess(hessian, rows, theta, self.evaluations, memory)
