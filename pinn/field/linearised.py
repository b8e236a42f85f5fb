"""Jacobians as operators: products with them, without their entries."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from pinn.field.block import Block, member_blocks


class Linearised(Protocol):
    """J (points, params): derivatives of one scalar per point by θ, at one θ."""

    def blocks(self) -> tuple[Block, ...]:
        """Return all of J that is not zero by construction; that of a single network is one block."""

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""


class Taped:
    """J of anything on torch's tape that can be differentiated twice.

    J v is the derivative of w ↦ Jᵀ w, which is linear, along v: one more reverse pass through the first one.

    Parameters
    ----------
    scalars : (points,), with tape. leaf : θ (params,), of which they were computed.
    """

    def __init__(self, scalars: Tensor, leaf: Tensor):
        self.scalars, self.leaf = scalars, leaf

    def dense(self) -> Tensor:
        """Return J, (points, params)."""
        if not len(self.scalars):
            return self.leaf.new_zeros(0, len(self.leaf))
        unit = torch.eye(len(self.scalars), dtype=self.scalars.dtype, device=self.scalars.device)
        return torch.autograd.grad(self.scalars, self.leaf, unit, is_grads_batched=True, retain_graph=True)[0]

    def blocks(self) -> tuple[Block, ...]:
        """Return J as one block."""
        return member_blocks(self.dense(), (0, len(self.scalars)))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        with torch.enable_grad():
            weights = torch.ones_like(self.scalars, requires_grad=True)
            (pulled,) = torch.autograd.grad(self.scalars, self.leaf, weights, create_graph=True)
        return torch.autograd.grad(pulled, weights, vector, retain_graph=True)[0]

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        return torch.autograd.grad(self.scalars, self.leaf, vector, retain_graph=True)[0]
