"""Sums of networks under windows: u(x) = Σ_j w_j(x) N_j(x), in which every window is a member's alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.block import Block
from pinn.field.jacobian import Jacobian, LinearChannels
from pinn.field.jet import leibniz
from pinn.field.members import Members
from pinn.field.request import Channel


class WindowedSum:
    """Channels of u = Σ_j w_j N_j by Leibniz's rule; what windows and members make of them is linear in the networks' channels.

    A *pair* is a point and one of the members that see it. Windows are data: they depend on the points, not on θ.

    Parameters
    ----------
    members : evaluates the networks at all pairs; from `pinn.field.stack.Stack.channels`.
    carried : the channels of the networks, of the windows and of the sum, from `pinn.field.request.channels`; a channel that is a
        sum of derivatives, such as a Laplacian, is that sum of the window's derivatives too.
    windows : (channels, pairs).
    points : number of the point of every pair, (pairs,); a point and a member are a pair at most once.
    num_points : how many points there are; u is zero where nobody sees one.
    """

    def __init__(self, members: Members, carried: tuple[Channel, ...], windows: Tensor, points: Tensor, num_points: int):
        if windows.shape != (len(carried), len(points)):
            raise ValueError(f"windows must be ({len(carried)}, {len(points)}) channels and pairs, got {tuple(windows.shape)}")
        self.members, self.windows, self.points, self.num_points = members, windows[..., None], points, num_points
        present = tuple(range(len(carried) - 1))
        rule = leibniz(carried, present, present)
        self.rule = (*((number, k, 0, 1.0) for k, number in enumerate(rule.places)), *rule.terms)

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, num_points, unknowns), differentiable in θ (params,)."""
        return _Sum.apply(self, self.members(theta))

    def linearise(self, theta: Tensor) -> SummedChannels:
        """Return the same with its derivatives by θ (params,)."""
        return SummedChannels(self, self.members.linearise(theta))

    def push(self, channels: Tensor) -> Tensor:
        """Return the channels of u, (channels, num_points, unknowns), for those of the networks, (channels, pairs, unknowns)."""
        product = torch.zeros_like(channels)
        for number, of_network, of_window, factor in self.rule:
            product[number].addcmul_(channels[of_network], self.windows[of_window], value=factor)
        return product.new_zeros(len(product), self.num_points, product.shape[2]).index_add_(1, self.points, product)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return the transpose of `push`: cotangents of the networks' channels from those of u."""
        seen = cotangent.index_select(1, self.points)
        pulled = torch.zeros_like(seen)
        for number, of_network, of_window, factor in self.rule:
            pulled[of_network].addcmul_(seen[number], self.windows[of_window], value=factor)
        return pulled


class SummedChannels:
    """The channels of u at one θ, ``values``, with their derivatives."""

    def __init__(self, made_by: WindowedSum, by_pair: LinearChannels):
        self.made_by, self.by_pair = made_by, by_pair
        self.values = made_by.push(by_pair.values)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,), for a cotangent (channels, num_points, unknowns)."""
        return self.by_pair.pull(self.made_by.pull(cotangent))

    def jacobian(self, cotangent: Tensor) -> SummedJacobian:
        """Return the same for every point on its own, (num_points, params), as an operator."""
        return SummedJacobian(self.made_by, self.by_pair.jacobian(self.made_by.pull(cotangent)))


class SummedJacobian:
    """The Jacobian (num_points, params) of a scalar of u at every point."""

    def __init__(self, made_by: WindowedSum, by_pair: Jacobian):
        self.made_by, self.by_pair = made_by, by_pair

    def blocks(self) -> tuple[Block, ...]:
        """Return a block for every member that has points."""
        return tuple(Block(self.made_by.points[rows], columns, values) for rows, columns, values in self.by_pair.blocks())

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (num_points,), for v (params,)."""
        return vector.new_zeros(self.made_by.num_points).index_add_(0, self.made_by.points, self.by_pair @ vector)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (num_points,)."""
        return self.by_pair.transpose_apply(vector[self.made_by.points])


class _Sum(Function):
    @staticmethod
    def forward(ctx, windowed, channels):
        ctx.windowed = windowed
        return windowed.push(channels)

    @staticmethod
    @once_differentiable
    def backward(ctx, cotangent):
        return None, ctx.windowed.pull(cotangent)
