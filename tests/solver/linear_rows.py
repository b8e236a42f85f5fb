"""Linear residuals with known least squares, as stages see rows."""

import numpy as np
import torch

from pinn.field.block import Block
from pinn.solver.blocks import BlockMatrix
from pinn.solver.stage import Value


class LinearRows:
    """r = A θ − b with random A (rows, params) and b."""

    names = ("linear",)

    def __init__(self, num_rows, num_params, dtype=torch.float64, seed=0):
        random = np.random.default_rng(seed)
        self.matrix = torch.tensor(random.standard_normal((num_rows, num_params)), dtype=dtype)
        self.right = torch.tensor(random.standard_normal(num_rows), dtype=dtype)
        self.num_rows, self.num_params = num_rows, num_params

    @property
    def least(self):
        """The θ of least squares, (params,), of least length where there are many."""
        return np.linalg.lstsq(self.matrix.double().numpy(), self.right.double().numpy(), rcond=None)[0]

    def evaluate(self, theta):
        residual = self.matrix @ theta - self.right
        loss = residual.square().sum()
        return Value(loss, 2 * self.matrix.T @ residual, loss[None] / self.num_rows)

    def linearise(self, theta):
        block = Block(slice(0, self.num_rows), slice(0, self.num_params), self.matrix)
        return self.matrix @ theta - self.right, BlockMatrix([block], (self.num_rows, self.num_params))
