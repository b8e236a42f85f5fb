"""A network whose hidden layer stays as it was drawn, so that what is sought enters linearly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pinn.field.layout import Shape
from pinn.field.network.mlp import MLP
from pinn.problem.settings import setting


@dataclass(frozen=True)
class RandomFeatures(MLP):
    """u = Σ_k c_k σ(W_k · x + b_k) + c_0 with W and b uniform in ±``frequency``, made for `pinn.solver.least_squares.LeastSquares`.

    Smooth solutions of up to three coordinates are found to ten digits and more in one solve (extreme learning machines: Huang, Zhu
    & Siew 2006, Neurocomputing 70, 489; for differential equations: Dong & Li 2021, Comput. Methods Appl. Mech. Eng. 387, 114129).
    At the start u is zero. Every solver takes it; those that train all parameters train W and b too.

    Parameters
    ----------
    width : number of features. frequency : their scale, which the least-squares stage adapts. Others as in `Network`.
    """

    width: int = setting(800, at_least=1, at_most=65536)
    depth: int = setting(1, at_least=1, at_most=1000)
    activation: str = "sin"

    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a first layer uniform in ±``frequency``, a last layer of zeros, and others as the settings say."""
        drawn = super().draw(shapes, rng)
        for name in shapes:
            if name.startswith("first."):
                drawn[name] = rng.uniform(-self.frequency, self.frequency, shapes[name])
            elif name.startswith("output."):
                drawn[name] = np.zeros(shapes[name])
        return drawn
