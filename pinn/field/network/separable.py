"""A network that is a sum of products of functions of one coordinate each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.field.layout import Shape
from pinn.field.network.mlp import chain_shapes
from pinn.field.network.network import Network, starting_values
from pinn.problem.settings import setting


@dataclass(frozen=True)
class Separable(Network):
    """u_k = Σ_r Π_i f_irk(x_i): one chain of dense layers for each coordinate x_i, with rank · unknowns linear outputs.

    The sum is a linear layer that starts with ones for the products of its unknown, and zeros, and is trained with the rest.
    Derivatives of a factor by other coordinates are zero and not computed. For solutions that are nearly products: exact in their
    shape with a rank of one, poor along fronts that are oblique to the coordinates (Cho et al. 2023, arXiv:2306.15969; their
    saving on grids of points, factors evaluated once for each line, is not made use of: points are scattered here).

    Parameters
    ----------
    width, depth : of every chain.
    rank : number of products for each unknown.

    Others as in `Network`.
    """

    rank: int = setting(16, at_least=1, at_most=65536)

    def shapes(self, inputs: tuple[int, ...], num_outputs: int) -> dict[str, Shape]:
        """Return the parameters of the chains ``first_i hidden1_i … factor_i`` of all coordinates i, and of the sum."""
        products = self.rank * num_outputs
        shapes: dict[str, Shape] = {}
        for axis, num_inputs in enumerate(inputs):
            for name, shape in chain_shapes(num_inputs, self.width, self.depth, products).items():
                layer, kind = name.replace("output", "factor").split(".")
                shapes[f"{layer}_{axis}.{kind}"] = shape
        return shapes | {"output.weight": (products, num_outputs), "output.bias": (num_outputs,)}

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return starting values of the chains as the settings say, and the plain sum."""
        (num_outputs,) = shapes["output.bias"]
        sums = np.repeat(np.eye(num_outputs), self.rank, axis=0)
        return starting_values(self, shapes, rng) | {"output.weight": sums}

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the outputs."""
        product = self._factor(0, parameters, features, algebra)
        for axis in range(1, sum(name.startswith("first_") for name in parameters) // 2):
            product = algebra.multiply(product, self._factor(axis, parameters, features, algebra))
        return algebra.linear(product, parameters["output.weight"], parameters["output.bias"])

    def _factor(self, axis: int, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        x = algebra.select(features, axis)
        for name in ["first", *(f"hidden{layer}" for layer in range(1, self.depth))]:
            x = algebra.dense(x, parameters[f"{name}_{axis}.weight"], parameters[f"{name}_{axis}.bias"], self.activation)
        return algebra.linear(x, parameters[f"factor_{axis}.weight"], parameters[f"factor_{axis}.bias"])
