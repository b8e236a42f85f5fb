"""The linear model of rows at one θ, in float64 whatever θ is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinn.solver.stage import NonFinite, Value


class LinearModel:
    """r + J d, for ``residual`` (rows,) and ``jacobian`` (rows, params) at θ, where the loss is ``loss``.

    Raises
    ------
    NonFinite : residual or Jacobian is not finite.
    """

    def __init__(self, rows: Any, theta: Tensor):
        residual, matrix = rows.linearise(theta)
        self.rows, self.theta = rows, theta
        self.residual, self.jacobian = (part.cpu().double().numpy() for part in (residual, matrix.dense()))
        self.loss = float(self.residual @ self.residual)
        if not (math.isfinite(self.loss) and np.isfinite(self.jacobian).all()):
            raise NonFinite(theta, None)

    def foretold(self, move: np.ndarray) -> float:
        """Return how far the loss falls for d = ``move`` (params,) if the model is right."""
        return self.loss - float(np.sum((self.residual + self.jacobian @ move) ** 2))

    def moved(self, move: np.ndarray) -> tuple[Tensor, Value]:
        """Return θ + d for d = ``move`` (params,) and the value there."""
        theta = self.theta + torch.as_tensor(move).to(self.theta)
        return theta, self.rows.evaluate(theta)
