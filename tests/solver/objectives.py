"""Functions with known minima, seen by stages as they see rows."""

import torch

from pinn.solver.stage import Value


class Function:
    """A scalar function of θ as an objective; it counts its evaluations."""

    names = ("f",)

    def __init__(self, function, num_params):
        self.function, self.num_params, self.evaluations = function, num_params, 0

    def evaluate(self, theta):
        self.evaluations += 1
        leaf = theta.detach().requires_grad_()
        loss = self.function(leaf)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return Value(loss.detach(), gradient, loss.detach()[None])


def rosenbrock(theta):
    return (100 * (theta[1:] - theta[:-1] ** 2) ** 2 + (1 - theta[:-1]) ** 2).sum()


def quadratic(num_params=12, condition=1e3, seed=0):
    """Return a convex quadratic, its matrix and its minimiser."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(num_params, num_params, dtype=torch.float64, generator=generator))[0]
    matrix = basis @ torch.diag(torch.logspace(0, torch.tensor(condition).log10(), num_params, dtype=torch.float64)) @ basis.T
    matrix = (matrix + matrix.T) / 2
    least = torch.randn(num_params, dtype=torch.float64, generator=generator)
    return Function(lambda theta: 0.5 * (theta - least) @ matrix @ (theta - least), num_params), matrix, least
