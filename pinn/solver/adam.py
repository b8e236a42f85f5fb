"""Adam: a start for everything, and the cheapest stage for points that change at every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import setting
from pinn.solver.falling_rate import FallingRate
from pinn.solver.stage import Objective, Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Adam(FallingRate):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1) with warm-up and a rate that falls.

    Parameters
    ----------
    steps, rate, warm_up, decay, last : number of steps and their rates, see `FallingRate`.
    momentum : decay of the averages of the gradient and of its square.
    """

    resampling: ClassVar[Resampling] = "any step"

    momentum: tuple[float, float] = setting((0.9, 0.999), at_least=0, below=1)

    def start(self, rows: Objective, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``."""
        import torch

        from pinn.solver.torch_optimizer import TorchProcess

        def make(parameters: list[Tensor]) -> torch.optim.Optimizer:
            return torch.optim.Adam(parameters, lr=self.rate, betas=self.momentum)

        return TorchProcess(make, self.rate_at, theta, memory)
