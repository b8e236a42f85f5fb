"""The plain network: a chain of dense layers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.field.layout import Shape
from pinn.field.network.network import Network, starting_values


def chain_shapes(num_inputs: int, width: int, depth: int, num_outputs: int) -> dict[str, Shape]:
    """Return the parameters of the layers ``first hidden1 … output``."""
    names = ["first", *(f"hidden{layer}" for layer in range(1, depth)), "output"]
    sizes = [num_inputs, *[width] * depth, num_outputs]
    shapes: dict[str, Shape] = {}
    for name, (fan_in, fan_out) in zip(names, itertools.pairwise(sizes), strict=True):
        shapes |= {f"{name}.weight": (fan_in, fan_out), f"{name}.bias": (fan_out,)}
    return shapes


@dataclass(frozen=True)
class MLP(Network):
    """u = W_L σ(… σ(W_0 x + b_0) …) + b_L; parameters as in `Network`."""

    def shapes(self, inputs: tuple[int, ...], num_outputs: int) -> dict[str, Shape]:
        """Return the parameters of a chain of layers."""
        return chain_shapes(sum(inputs), self.width, self.depth, num_outputs)

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return starting values as the settings say."""
        return starting_values(self, shapes, rng)

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the outputs."""
        layers = ["first", *(f"hidden{layer}" for layer in range(1, self.depth))]
        x = features
        for layer in layers:
            x = algebra.dense(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], self.activation)
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])
