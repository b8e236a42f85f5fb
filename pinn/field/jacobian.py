"""Jacobians as operators: products with them, without their entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from pinn.field.block import Block, member_blocks


class Jacobian(Protocol):
    """J (points, params): derivatives of one scalar per point by θ, at one θ."""

    def blocks(self) -> tuple[Block, ...]:
        """Return all of J that is not zero by construction; that of a single network is one block, or none without points."""

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""


class LinearChannels(Protocol):
    """Channels (channels, points, outputs) at one θ with their derivatives by it.

    Attributes
    ----------
    values : the channels, without tape.
    """

    values: Tensor

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,), for a cotangent shaped like the channels."""

    def jacobian(self, cotangent: Tensor) -> Jacobian:
        """Return the same for every point on its own, (points, params), as an operator."""


class Linearised:
    """The requested derivatives at one θ.

    Parameters
    ----------
    readout : from channels to them, see `pinn.field.readout`.

    Attributes
    ----------
    jets : (points, len(request)), without tape.
    """

    def __init__(self, readout: Any, channels: LinearChannels):
        self.jets, self._readout, self._channels = readout(channels.values), readout, channels

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d jets / dθ, (params,), for a cotangent (points, len(request))."""
        return self._channels.pull(self._readout.pull(cotangent))

    def jacobian(self, cotangent: Tensor) -> Jacobian:
        """Return the same for every point on its own: the Jacobian (points, params) of a scalar per point, as an operator."""
        return self._channels.jacobian(self._readout.pull(cotangent))


class TapedChannels:
    """Channels at one θ with derivatives by torch's tape, which can be differentiated twice.

    Parameters
    ----------
    channels : maps θ (params,) to (channels, points, outputs).
    """

    def __init__(self, channels: Callable[[Tensor], Tensor], theta: Tensor):
        self._leaf = theta.detach().requires_grad_()
        with torch.enable_grad():
            taped = channels(self._leaf)
            # derivatives of a polynomial may be constants, which have no tape
            self._zero = 0.0 * self._leaf.sum()
            self._taped = taped if taped.requires_grad else taped + self._zero
        self.values = self._taped.detach()

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,)."""
        return torch.autograd.grad(
            self._taped, self._leaf, cotangent, retain_graph=True, allow_unused=True, materialize_grads=True
        )[0]

    def jacobian(self, cotangent: Tensor) -> TapedJacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        with torch.enable_grad():
            return TapedJacobian((self._taped * cotangent).sum((0, 2)) + self._zero, self._leaf)


class TapedJacobian:
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
