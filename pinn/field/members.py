"""Two engines for a stack of equal networks: products of matrices in batches, and compiled code that goes over the members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pinn.field.algebra import JetAlgebra
from pinn.field.block import Block
from pinn.field.embedding import Part
from pinn.field.factors import FactoredChannels, FactoredNetwork, Factors
from pinn.field.jacobian import Jacobian, LinearChannels
from pinn.field.jet import Jet
from pinn.field.native import Apply, Inputs, NativeChannels, NativeNetwork
from pinn.field.request import Channel

if TYPE_CHECKING:
    from pinn.field.stack import Stack

GROUP_NUMBERS = 2**20
"""Numbers of one layer's jets that are held at a time; fewer would fit the cache, but cost more in calls than they gain there."""

LEAST_FILLED = 0.75
"""Part of its places that a member fills at least, where members with different numbers of points are evaluated together."""


class Members(Protocol):
    """Channels of the outputs of a stack at points, as a function of θ."""

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, outputs), points in the order of the caller, differentiable in θ (params,)."""

    def linearise(self, theta: Tensor) -> LinearChannels:
        """Return the same with its derivatives by θ (params,)."""


# by tensors --------------------------------------------------------------------------------------------------------------


class Group(NamedTuple):
    """Members that are evaluated together, with equally many places for points.

    Attributes
    ----------
    members : their numbers, (members,). counts : of points of each. features : value (members, places, features).
    points : numbers of their points, (members, places), any point where a place is not filled. filled : which are, likewise.
    """

    members: Tensor
    counts: list[int]
    features: Jet
    points: Tensor
    filled: Tensor


class TensorMembers:
    """By `JetAlgebra` with a batch of weights, on any device.

    Members with similar numbers of points form groups, in which every member has as many places as the fullest one; members
    without points are left out.
    """

    def __init__(
        self,
        stack: Stack,
        carried: tuple[Channel, ...],
        present: tuple[int, ...],
        parts: tuple[Part, ...],
        value: np.ndarray,
        slopes: np.ndarray,
        members: np.ndarray,
    ):
        self.stack, self.algebra, self.num_points = stack, JetAlgebra(carried, parts), len(value)
        value_tensor, slope_tensor = stack.tensor(value), stack.tensor(slopes).transpose(0, 1)
        order = np.argsort(members, kind="stable")
        counts = np.bincount(members, minlength=stack.count)
        starts = np.cumsum(counts) - counts
        limit = max(1, GROUP_NUMBERS // (len(carried) * stack.network.width))
        self.groups = []
        for numbers in group(counts, limit):
            places = np.arange(counts[numbers].max())
            filled = places < counts[numbers, None]
            points = torch.as_tensor(order[starts[numbers, None] + np.where(filled, places, 0)], device=stack.device)
            chosen = torch.as_tensor(numbers, device=stack.device)
            features = Jet(value_tensor[points], slope_tensor[:, chosen, None], present)
            filled_tensor = torch.as_tensor(filled, device=stack.device)
            self.groups.append(Group(chosen, counts[numbers].tolist(), features, points, filled_tensor))
        self._place()

    def _place(self) -> None:
        """Note which members all groups have one after another, and at which of all their places every point is."""
        device = self.stack.device
        self.members = torch.cat([g.members for g in self.groups]) if self.groups else torch.zeros(0, dtype=torch.int64)
        self.is_all = len(self.members) == self.stack.count and bool((self.members.diff() == 1).all())
        self.place = torch.zeros(self.num_points, dtype=torch.int64, device=device)
        first = 0
        for g in self.groups:
            numbers = torch.arange(first, first + g.points.numel(), device=device).view(g.points.shape)
            self.place[g.points[g.filled]] = numbers[g.filled]
            first += g.points.numel()

    def parameters(self, theta: Tensor) -> list[Tensor]:
        """Return θ of the members of every group, (members, params)."""
        whole = theta.view(self.stack.count, -1)
        chosen = whole if self.is_all else whole.index_select(0, self.members)
        return list(chosen.split([len(g.members) for g in self.groups]))

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, outputs), points in the order of the caller, differentiable in θ (params,)."""
        num_outputs = len(self.stack.unknown_names)
        if not self.groups:
            return theta.new_zeros(len(self.algebra.carried), 0, num_outputs)
        parts = []
        for g, parameters in zip(self.groups, self.parameters(theta), strict=True):
            out = self.stack.network.apply(self.stack.layout.unpack(parameters), g.features, self.algebra)
            parts.append(torch.cat([out.value[None], out.rest]).flatten(1, 2))
        return torch.cat(parts, 1).index_select(1, self.place)

    def linearise(self, theta: Tensor) -> FactoredChannels:
        """Return the same with its derivatives by θ (params,)."""
        return FactoredChannels(self, theta)

    def factored(self, theta: Tensor) -> FactoredGroups:
        """Return the networks of all groups with what their Jacobian is made of."""
        network, layout = self.stack.network, self.stack.layout
        pairs = zip(self.groups, self.parameters(theta), strict=True)
        known = [FactoredNetwork(network, layout, self.algebra, layout.unpack(chosen), g.features) for g, chosen in pairs]
        return FactoredGroups(self, known)


class FactoredGroups:
    """What has been kept of a forward pass of `TensorMembers`."""

    def __init__(self, members: TensorMembers, networks: list[FactoredNetwork]):
        self._members, self._networks = members, networks

    def jacobian(self, cotangent: Tensor) -> GroupedJacobian:
        """Return Σ cotangent · d channels / dθ at every point, for a cotangent (channels, points, outputs)."""
        pairs = zip(self._members.groups, self._networks, strict=True)
        return GroupedJacobian(self._members, [known.jacobian(cotangent[:, g.points] * g.filled[..., None]) for g, known in pairs])


class GroupedJacobian:
    """The Jacobian of `TensorMembers`."""

    def __init__(self, members: TensorMembers, factors: list[Factors]):
        self.made_by, self.factors = members, factors

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of all members that have points, with points in the order of the caller."""
        found = {}
        for g, factors in zip(self.made_by.groups, self.factors, strict=True):
            values = factors.dense()
            for k, (member, count) in enumerate(zip(g.members.tolist(), g.counts, strict=True)):
                found[member] = Block(g.points[k, :count], self.made_by.stack.part(member), values[k, :count])
        return tuple(found[member] for member in sorted(found))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        pairs = zip(self.factors, self.made_by.parameters(vector), strict=True)
        parts = [(factors @ part).flatten() for factors, part in pairs]
        return torch.cat(parts)[self.made_by.place] if parts else vector.new_zeros(0)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        product = vector.new_zeros(self.made_by.stack.count, self.made_by.stack.layout.num_params)
        for g, factors in zip(self.made_by.groups, self.factors, strict=True):
            product[g.members] = factors.transpose_apply(vector[g.points])
        return product.flatten()


def group(counts: np.ndarray, limit: int) -> Iterator[np.ndarray]:
    """Yield the numbers of the members that are evaluated together, members with most points first, those without left out.

    Parameters
    ----------
    counts : points of every member, (members,). limit : places of a group, unless a member alone has more.
    """
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    start = 0
    while start < len(order):
        most = int(counts[order[start]])
        similar = int(np.count_nonzero(counts[order[start:]] >= LEAST_FILLED * most))
        stop = start + max(1, min(similar, limit // most))
        yield order[start:stop]
        start = stop


# by compiled code --------------------------------------------------------------------------------------------------------


class CompiledMembers:
    """By a `NativeNetwork`, in one call for all members."""

    def __init__(self, stack: Stack, native: NativeNetwork, value: np.ndarray, slopes: np.ndarray, members: np.ndarray):
        self.stack, self.native = stack, native
        counts = np.bincount(members, minlength=stack.count)
        order = np.argsort(members, kind="stable")
        self.order = torch.as_tensor(order)
        self.inputs = Inputs(Jet(stack.tensor(value[order]), stack.tensor(slopes), ()), torch.as_tensor(counts))
        _, self.num_channels, self.num_outputs = native.code.output
        self._place(order, counts)

    def _place(self, order: np.ndarray, counts: np.ndarray) -> None:
        """Note where channel c of every point stands among the outputs, (channels, points), and the inverse of that."""
        sizes, first = np.repeat(counts, counts), np.repeat(counts.cumsum() - counts, counts)
        start = np.arange(len(order)) + (self.num_channels - 1) * first
        by_member = np.stack([start + channel * sizes for channel in range(self.num_channels)])
        place = np.empty_like(by_member)
        place[:, order] = by_member
        self.place = torch.as_tensor(place.reshape(-1))
        self.inverse = torch.empty_like(self.place)
        self.inverse[self.place] = torch.arange(len(self.place))

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, outputs), points in the order of the caller, differentiable in θ (params,)."""
        return self.arranged(Apply.apply(theta, self.native, self.inputs))

    def linearise(self, theta: Tensor) -> CompiledChannels:
        """Return the same with its derivatives by θ (params,)."""
        return CompiledChannels(self, NativeChannels(self.native, theta, self.inputs))

    def arranged(self, flat: Tensor) -> Tensor:
        """Return (channels, points, outputs) in the order of the caller, from what compiled code has member by member."""
        return flat.view(-1, self.num_outputs).index_select(0, self.place).view(self.num_channels, -1, self.num_outputs)

    def by_member(self, channels: Tensor) -> Tensor:
        """Return the inverse of `arranged`."""
        return channels.reshape(-1, self.num_outputs).index_select(0, self.inverse)


class CompiledChannels:
    """The channels of `CompiledMembers` at one θ, ``values``, with their derivatives."""

    def __init__(self, members: CompiledMembers, native: NativeChannels):
        self._members, self._native = members, native
        self.values = members.arranged(native.values)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,)."""
        return self._native.pull(self._members.by_member(cotangent))

    def jacobian(self, cotangent: Tensor) -> CompiledJacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        return CompiledJacobian(self._members.order, self._native.jacobian(self._members.by_member(cotangent)))


class CompiledJacobian:
    """The Jacobian of `CompiledMembers`.

    Parameters
    ----------
    order : numbers of the points member by member, (points,). jacobian : for points in this order.
    """

    def __init__(self, order: Tensor, jacobian: Jacobian):
        self._order, self._jacobian = order, jacobian

    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of all members that have points, with points in the order of the caller."""
        return tuple(Block(self._order[rows], columns, values) for rows, columns, values in self._jacobian.blocks())

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        product = vector.new_empty(len(self._order))
        product[self._order] = self._jacobian @ vector
        return product

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        return self._jacobian.transpose_apply(vector[self._order])
