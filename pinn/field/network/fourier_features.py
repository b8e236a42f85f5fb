"""A network whose first layer is random waves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.field.layout import Shape
from pinn.field.network.mlp import chain_shapes
from pinn.field.network.network import Network, starting_values, wave_values


@dataclass(frozen=True)
class FourierFeatures(Network):
    """A chain of dense layers whose first is sin(W x + b) with W normal of deviation π · frequency and b uniform in ±π.

    Here ``frequency`` is the typical number of periods across the box, and ``initialisation`` is that of the other layers. The
    waves are trained with the rest. For solutions with several scales (Tancik et al. 2020, arXiv:2006.10739; Wang, Wang &
    Perdikaris 2021, Comput. Methods Appl. Mech. Eng. 384, 113938). Other parameters as in `Network`.
    """

    def shapes(self, inputs: tuple[int, ...], num_outputs: int) -> dict[str, Shape]:
        """Return the parameters of a chain of layers."""
        return chain_shapes(sum(inputs), self.width, self.depth, num_outputs)

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return random waves for the first layer, the rest as the settings say."""
        return starting_values(self, shapes, rng) | wave_values(shapes, "first", self.frequency, rng)

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the outputs."""
        x = algebra.dense(features, parameters["first.weight"], parameters["first.bias"], "sin")
        for layer in range(1, self.depth):
            x = algebra.dense(x, parameters[f"hidden{layer}.weight"], parameters[f"hidden{layer}.bias"], self.activation)
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])
