"""SOAP: Adam in the eigenbases of Shampoo, for losses whose valleys lie across the parameters' axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pinn.problem.settings import setting
from pinn.solver.falling_rate import FallingRate
from pinn.solver.stage import Process, Resampling

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Soap(FallingRate):
    """Adam on QₗᵀGQᵣ for the gradient G of every weight matrix (Vyas et al. 2024, arXiv:2409.11321, algorithm 3).

    Qₗ and Qᵣ are eigenvectors of the averages of GGᵀ and GᵀG, which follow by a step of power iteration. Parameters that are no
    matrices are Adam's. The averages and bases are float64 whatever θ is.

    Parameters
    ----------
    steps, rate, warm_up, decay, last : number of steps and their rates, see `FallingRate`.
    momentum : decay of the average of the gradient; of its square in the bases, of GGᵀ and of GᵀG. Long memories of
        squares cost accuracy: 0.99 instead of 0.95 left a loss fifty times larger after 1000 steps on the heat equation.
    refresh : steps from one pair of bases to the next.
    """

    resampling: ClassVar[Resampling] = "any step"

    steps: int = setting(5000, at_least=0)
    rate: float = setting(1e-2, above=0)
    momentum: tuple[float, float] = setting((0.95, 0.95), at_least=0, below=1)
    refresh: int = setting(2, at_least=1)

    def start(self, rows: Any, theta: Tensor, memory: Mapping[str, Any] | None = None) -> Process:
        """Begin at ``theta`` (params,) or go on from ``memory``; the shapes of its matrices are those of ``rows``."""
        from pinn.solver.soap_optimizer import SoapOptimizer
        from pinn.solver.torch_optimizer import TorchProcess

        def make(parameters: list[Tensor]) -> SoapOptimizer:
            return SoapOptimizer(parameters, rows.shapes, self.rate, self.momentum, self.refresh)

        return TorchProcess(make, self.rate_at, theta, memory)
