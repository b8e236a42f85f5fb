"""What rows know of unknown numbers, the part of their derivatives that no other parameter can make up for, and of functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from pinn.solver.rows import Rows

FREEDOM = 10.0
"""Standard deviation of all other parameters before anything is known: without one, directions that no row sees would count."""

MOST_PARAMETERS = 4000
"""Of fields for which the derivatives are taken apart; the work grows with the square."""

LEAST = 1e-10
"""Residuals below this are taken as large as this: rows cannot be surer than rounding."""


def sensitivities(rows: Rows, theta: Tensor, numbers: slice, noise: dict[str, float]) -> np.ndarray | None:
    """Return a matrix S (rows, numbers) such that SᵀS is the information on the numbers in the observations; None for large fields.

    Rows are scaled to deviation one: observations by their noise, all others by what is left of them. What other parameters can
    bring about is projected out of the derivatives by the numbers.

    Parameters
    ----------
    numbers : where they stand in θ (params,). noise : standard deviation of each term of observations, as its formula has it.
    """
    if len(theta) > MOST_PARAMETERS:
        return None
    dense = _scaled(rows, theta, noise)
    keep = torch.ones(len(theta), dtype=torch.bool)
    keep[numbers] = False
    others = torch.cat([dense[:, keep], torch.eye(int(keep.sum()), dtype=dense.dtype) / FREEDOM])
    own = torch.cat([dense[:, ~keep], dense.new_zeros(int(keep.sum()), int((~keep).sum()))])
    basis = torch.linalg.qr(others).Q
    for _ in range(2):  # once more, since the projection leaves rounding of what it takes away
        own = own - basis @ (basis.T @ own)
    return torch.linalg.qr(own).R.cpu().double().numpy()


def standard_errors(rows: Rows, theta: Tensor, jacobians: Iterable[Tensor], noise: dict[str, float]) -> np.ndarray | None:
    """Return the standard deviations (values,) of what has the given derivatives by θ, by the delta method; None for large fields.

    The covariance of θ is (JᵀJ + 1/`FREEDOM`²)⁻¹ with rows scaled as in `sensitivities`, so that terms of data with the value
    zero, a prior, count like any other (Tarantola 2005, Inverse Problem Theory, equation 3.37). What no row sees is bounded by
    `FREEDOM` alone: such deviations are large, not small.

    Parameters
    ----------
    jacobians : of the values, (values, params), in parts. noise : standard deviation of each term of observations.
    """
    if len(theta) > MOST_PARAMETERS:
        return None
    dense = _scaled(rows, theta, noise)
    free = torch.eye(len(theta), dtype=dense.dtype, device=dense.device) / FREEDOM
    root = torch.linalg.qr(torch.cat([dense, free]), mode="r").R
    parts = [torch.linalg.solve_triangular(root.T, each.T, upper=False).norm(dim=0) for each in jacobians]
    return torch.cat(parts).cpu().double().numpy()


def _scaled(rows: Rows, theta: Tensor, noise: dict[str, float]) -> Tensor:
    """Return J (rows, params) of rows of deviation one: observations over their noise, all others over what is left of them."""
    plain = rows.unweighted(theta)
    deviations = {name: noise.get(name) or max(float(each.square().mean().sqrt()), LEAST) for name, each in plain.items()}
    _, jacobian = rows.linearise(theta)
    dense = jacobian.dense()
    for name, place in rows.slices.items():
        root = _root(rows, name)  # the weights of the loss are taken out of the rows again
        dense[place] /= torch.as_tensor(root, dtype=dense.dtype) * deviations[name] if root else np.inf
    return dense


def _root(rows: Rows, name: str) -> float:
    """Return what the rows of a term are multiplied by."""
    term = rows.terms[rows.names.index(name)]
    return float((term.weight * float(rows.weights.get(name, 1.0)) / term.count) ** 0.5)
