"""A residual network whose blocks are switched on by training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinn.field.layout import Shape
from pinn.field.network.network import Network, starting_values, wave_values


@dataclass(frozen=True)
class PirateNet(Network):
    """Blocks x ← (1 − α) x + α h(x) with a trained number α per block, zero at the start; the outputs are linear in the last x.

    With encoders U = σ(W_U x₀ + b_U), V = σ(W_V x₀ + b_V) of the first layer x₀, a block is f = σ(W₁ x + b₁),
    z = V + f ∘ (U − V), g = σ(W₂ z + b₂), z' = V + g ∘ (U − V), h = σ(W₃ z' + b₃). At the start the network is the linear layer on
    x₀ alone, whatever its depth, so that deep networks train as well as shallow ones (Wang, Li, Chen & Perdikaris 2024,
    arXiv:2402.00326; its least-squares start of the last layer is not done here).

    Parameters
    ----------
    depth : number of blocks, three dense layers each.
    gates : whether there are encoders; without them a block is three dense layers.
    waves : whether x₀ is made of random waves of this ``frequency``, as in `pinn.field.network.fourier_features`, or is
        σ(W₀ · features + b₀).

    Others as in `Network`.
    """

    gates: bool = True
    waves: bool = True

    def shapes(self, inputs: tuple[int, ...], num_outputs: int) -> dict[str, Shape]:
        """Return the parameters of the first layer, the encoders, the blocks and the last layer."""
        encoders = ["encoder_u", "encoder_v"] if self.gates else []
        sizes = {"first": (sum(inputs), self.width)} | {name: (self.width, self.width) for name in encoders}
        for block in range(1, self.depth + 1):
            sizes |= {f"hidden{block}_{layer}": (self.width, self.width) for layer in (1, 2, 3)}
        shapes: dict[str, Shape] = {}
        for name, size in (sizes | {"output": (self.width, num_outputs)}).items():
            shapes |= {f"{name}.weight": size, f"{name}.bias": size[1:]}
        return shapes | {f"alpha{block}": (1,) for block in range(1, self.depth + 1)}

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return starting values as the settings say, and α = 0."""
        layers = {name: shape for name, shape in shapes.items() if not name.startswith("alpha")}
        waves = wave_values(shapes, "first", self.frequency, rng) if self.waves else {}
        alphas = {name: np.zeros(shape) for name, shape in shapes.items() if name not in layers}
        return starting_values(self, layers, rng) | waves | alphas

    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the outputs."""

        def dense(x: Any, layer: str, activation: str = self.activation) -> Any:
            return algebra.dense(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], activation)

        x = dense(features, "first", "sin" if self.waves else self.activation)
        if self.gates:
            low = dense(x, "encoder_v")
            span = algebra.add(dense(x, "encoder_u"), low, -1.0)
        for block in range(1, self.depth + 1):
            h = x
            for layer in (1, 2, 3):
                h = dense(h, f"hidden{block}_{layer}")
                if self.gates and layer < 3:
                    h = algebra.add(low, algebra.multiply(h, span))
            x = algebra.interpolate(x, h, parameters[f"alpha{block}"])
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])
