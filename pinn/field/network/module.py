"""Any `torch.nn.Module` as a network, with derivatives by the nested engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.func import functional_call

from pinn.field.embedding import Embedding
from pinn.field.factorisation import Factorisation
from pinn.field.layout import Layout, Shape
from pinn.problem.settings import BadInput

if TYPE_CHECKING:
    from pinn.field.field import Field


class ModuleNetwork:
    """A module that maps coordinates scaled to [−1, 1] (points, dim) to all unknowns (points, unknowns), point by point.

    Parameters
    ----------
    module : its present parameters are the start, whatever the seed; buffers stay as they are.
    width : size of its widest layer; sets how many points are evaluated together.
    """

    factorisation = Factorisation()

    def __init__(self, module: torch.nn.Module, width: int = 64):
        self.module, self.width = module, width

    def embedding(self, problem: Any) -> Embedding:
        """Return the scaling of the coordinates."""
        return Embedding(problem)

    def layout(self, problem: Any) -> Layout:
        """Return the layout of the module's trainable parameters."""
        trained = [(name, parameter) for name, parameter in self.module.named_parameters() if parameter.requires_grad]
        return Layout({name: tuple(parameter.shape) for name, parameter in trained})

    def num_parameters(self, problem: Any) -> int:
        """Return the length of theta."""
        return self.layout(problem).num_params

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the module's own parameters."""
        parameters = dict(self.module.named_parameters())
        return {name: parameters[name].detach().cpu().double().numpy() for name in shapes}

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the module's outputs."""
        return functional_call(self.module, dict(parameters), (features,))

    def field(
        self,
        problem: Any,
        engine: Literal["autograd"] = "autograd",
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        hard: tuple[str, ...] = (),
    ) -> Field:
        """Return the field of this module for a problem.

        Raises
        ------
        BadInput : the Taylor engine is asked for.
        """
        from pinn.field.field import Field

        if engine != "autograd":
            raise BadInput("must be autograd for a torch module: its layers have no jets", "derivatives")
        return Field(self, problem, engine, precision, device, hard)
