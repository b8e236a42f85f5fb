"""The Jacobian of a scalar per point by the parameters, kept as the factors of its layers.

Let s_i = Σ_{c,o} y_{co}(x_i; θ) g_{cio} be a scalar at every point, with given cotangents g of the network's channels. By a layer
z = x W + b its derivatives are ds_i/dW = Σ_c x_{ci} ⊗ D_{ci} and ds_i/db = D_{0i}, where x_c are the channels that enter the layer
and D_c = ds/dz_c, which one reverse pass gives for all points. So the Jacobian J (points, params) never need be formed:

    (J v)_i = Σ_layers Σ_c D_{ci} · (x_{ci} V + [c = 0] v_b)        Jᵀ w: by W Σ_{c,i} w_i x_{ci} ⊗ D_{ci}, by b Σ_i w_i D_{0i}

An interpolation (1 − f) a + f b with a trained f has ds_i/df = Σ_c (b_{ci} − a_{ci}) · D_{ci}, one number for each point.

Each product is one product of matrices per layer and channel, a third of a reverse pass with its forward, and the factors are as
large as the tape. See Grosse & Martens 2016 (arXiv:1602.01407) for the same factors, summed over points.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from pinn.field.algebra import JetAlgebra, affine, affine_gradient
from pinn.field.block import Block, member_blocks
from pinn.field.jacobian import Jacobian, TapedChannels
from pinn.field.jet import Jet
from pinn.field.layout import Layout
from pinn.field.memory import large_empty


class LayerFactor(NamedTuple):
    """One layer of a Jacobian: names of its parameters, its input x, and the cotangents D of x W + b, shaped like jets."""

    weight: str
    bias: str
    x: Jet
    g_value: Tensor
    g_rest: Tensor


class NumberFactor(NamedTuple):
    """The derivatives of a Jacobian by one number: the name of the parameter, and its column (…, points)."""

    name: str
    column: Tensor


class FactorAlgebra:
    """The algebra that networks are written with, on jets and names of parameters; it remembers where parameters come in."""

    def __init__(self, algebra: JetAlgebra, parameters: Mapping[str, Tensor]):
        self.algebra, self.parameters = algebra, parameters
        self.layers: list[tuple[str, str, Jet, Jet]] = []
        self.interpolations: list[tuple[str, Jet, Jet]] = []

    def select(self, features: Jet, coordinate: int) -> Jet:
        """Return the features of one coordinate."""
        return self.algebra.select(features, coordinate)

    def dense(self, x: Jet, weight: str, bias: str, activation: str) -> Jet:
        """Return σ(x W + b)."""
        return self.algebra.activate(self.linear(x, weight, bias), activation)

    def linear(self, x: Jet, weight: str, bias: str) -> Jet:
        """Return x W + b."""
        z = self.algebra.linear(x, self.parameters[weight], self.parameters[bias])
        self.layers.append((weight, bias, x, _watched(z)))
        return z

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b."""
        return self.algebra.add(a, b, factor)

    def interpolate(self, a: Jet, b: Jet, factor: str) -> Jet:
        """Return (1 − factor) · a + factor · b."""
        out = self.algebra.interpolate(a, b, self.parameters[factor])
        difference = Jet(b.value.detach() - a.value.detach(), b.rest.detach() - a.rest.detach(), a.present)
        self.interpolations.append((factor, difference, _watched(out)))
        return out

    def multiply(self, a: Jet, b: Jet) -> Jet:
        """Return a · b."""
        return self.algebra.multiply(a, b)


def _watched(jet: Jet) -> Jet:
    """Return a jet by which will be differentiated."""
    for tensor in (jet.value, jet.rest):
        tensor.requires_grad_()
    return jet


class FactoredNetwork:
    """A network on jets at one θ: one forward pass, whose tape holds what enters and leaves the layers but no parameters.

    Parameters
    ----------
    parameters : by name, as `JetAlgebra` takes them, without tape. layout : of those of one network.
    features : what the first layer sees.
    """

    def __init__(self, network: Any, layout: Layout, algebra: JetAlgebra, parameters: Mapping[str, Tensor], features: Jet):
        varying = features._replace(rest=features.rest.expand(len(features.rest), *features.value.shape))
        self.layout, self._known = layout, FactorAlgebra(algebra, parameters)
        with torch.enable_grad():
            self._out = network.apply({name: name for name in parameters}, varying, self._known)

    def jacobian(self, cotangent: Tensor) -> Factors:
        """Return the factors of Σ cotangent · channels at every point, for (channels, …, points, outputs)."""
        with torch.enable_grad():
            scalar = (self._out.value * cotangent[0]).sum() + (self._out.rest * cotangent[1:]).sum()
        layers, interpolations = self._known.layers, self._known.interpolations
        watched = [z for *_, z in layers] + [z for *_, z in interpolations]
        ends = [tensor for z in watched for tensor in (z.value, z.rest)]
        slopes = torch.autograd.grad(scalar, ends, retain_graph=True, allow_unused=True, materialize_grads=True)
        pairs = list(zip(slopes[::2], slopes[1::2], strict=True))
        factors = [
            LayerFactor(weight, bias, Jet(x.value.detach(), x.rest.detach(), x.present), *pair)
            for (weight, bias, x, _), pair in zip(layers, pairs, strict=False)
        ]
        numbers = [
            NumberFactor(name, (by.value * g_value).sum(-1) + (by.rest * g_rest).sum((0, -1)))
            for (name, by, _), (g_value, g_rest) in zip(interpolations, pairs[len(layers) :], strict=True)
        ]
        return Factors(self.layout, factors, numbers)


class Factors:
    """J (points, params) of a scalar per point, or (members, points, params) each by the parameters of its own member.

    Parameters
    ----------
    layout : of the parameters of one network.
    layers, numbers : factors of all its layers, of which there is one, and of parameters that are one number.
    """

    def __init__(self, layout: Layout, layers: list[LayerFactor], numbers: list[NumberFactor]):
        self.layout, self.layers, self.numbers = layout, layers, numbers

    def dense(self) -> Tensor:
        """Return J, (points, params) or (members, points, params)."""
        shape = self.layers[0].x.value.shape[:-1]
        rows, written = large_empty(self.layers[0].x.value, *shape, self.layout.num_params), set[str]()

        def put(name: str, values: Tensor) -> None:
            target = rows[..., self.layout[name][0]].unflatten(-1, self.layout[name][1])
            (target.add_ if name in written else target.copy_)(values)
            written.add(name)

        for layer in self.layers:
            x = torch.cat([layer.x.value[None], layer.x.rest]).movedim(0, -1)
            g = torch.cat([layer.g_value[None], layer.g_rest]).movedim(0, -2)
            put(layer.weight, x @ g)
            put(layer.bias, layer.g_value)
        for number in self.numbers:
            put(number.name, number.column[..., None])
        for name in set(self.layout.shapes) - written:
            rows[..., self.layout[name][0]] = 0.0
        return rows

    def blocks(self) -> tuple[Block, ...]:
        """Return J of a single network as one block."""
        return member_blocks(self.dense(), (0, len(self.layers[0].x.value)))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v (points,) for v (params,), or (members, points) for (members, params)."""
        parts, total = self.layout.unpack(vector), torch.zeros_like(self.layers[0].x.value[..., 0])
        for layer in self.layers:
            value, rest = affine(parts[layer.weight], parts[layer.bias], layer.x.value, layer.x.rest)
            total += value.mul_(layer.g_value).sum(-1)
            for t, g in zip(rest, layer.g_rest, strict=True):
                total += (t * g).sum(-1)
        for number in self.numbers:
            total += number.column * parts[number.name]
        return total

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,) for w (points,), or (members, params) for (members, points)."""
        product = vector.new_zeros(*vector.shape[:-1], self.layout.num_params)
        parts, weights = self.layout.unpack(product), vector[..., None]
        for layer in self.layers:
            x = layer.x
            g_weight, g_bias = affine_gradient(x.value, x.rest, layer.g_value * weights, layer.g_rest * weights)
            parts[layer.weight] += g_weight
            parts[layer.bias] += g_bias
        for number in self.numbers:
            parts[number.name] += (number.column * vector).sum(-1, keepdim=True)
        return product


class Factored(Protocol):
    """What has been kept of a forward pass, for Jacobians."""

    def jacobian(self, cotangent: Tensor) -> Jacobian:
        """Return Σ cotangent · d channels / dθ at every point, (points, params), as an operator."""


class ByTensors(Protocol):
    """Channels of networks as a function of θ, by tensor operations."""

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, outputs)."""

    def factored(self, theta: Tensor) -> Factored:
        """Return what Jacobians are made of."""


class FactoredChannels:
    """Channels at one θ, ``values``, with the gradient by torch's tape, and Jacobians by the factors of layers.

    A tape of its own for Jacobians costs another forward pass, once and only if they are wanted; it leaves the parameters out, so
    that their gradients are not computed in vain, and has all channels at every point, which the gradient does without.
    """

    def __init__(self, channels: ByTensors, theta: Tensor):
        self._channels, self._theta, self._taped = channels, theta, TapedChannels(channels, theta)
        self.values = self._taped.values

    @cached_property
    def _factored(self) -> Factored:
        return self._channels.factored(self._theta)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,)."""
        return self._taped.pull(cotangent)

    def jacobian(self, cotangent: Tensor) -> Jacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        return self._factored.jacobian(cotangent)
