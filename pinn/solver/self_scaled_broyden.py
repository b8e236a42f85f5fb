"""Self-scaled Broyden: quasi-Newton with a dense inverse Hessian, for small networks on fixed or rarely changed points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import Settings, setting
from pinn.solver.stage import Objective, Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SelfScaledBroyden(Settings):
    """The self-scaled Broyden family with a strong Wolfe line search; see `pinn.solver.self_scaling.SelfScaling`.

    On networks of some thousand parameters it goes on where L-BFGS stalls. New points every few hundred steps do not slow it, since
    the matrix is kept, and they end the over-fitting of few points; 200 is a good start. It
    keeps a matrix (params, params): 8 MB at 1,000 parameters, 800 MB at 10,000.

    Parameters
    ----------
    steps : number of steps, each about 1.05 evaluations and three passes over the matrix.
    evaluations : most evaluations of one line search.
    """

    resampling: ClassVar[Resampling] = "any step"

    steps: int = setting(2000, at_least=0)
    evaluations: int = setting(25, at_least=2)

    def start(self, rows: Objective, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        from pinn.solver.quasi_newton import QuasiNewtonProcess
        from pinn.solver.self_scaling import SelfScaling

        hessian = SelfScaling(theta, memory["hessian"] if memory else None)
        return QuasiNewtonProcess(hessian, rows, theta, self.evaluations, memory)
