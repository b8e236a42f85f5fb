"""The Jacobian of a scalar per point by the parameters, kept as the factors of its layers.

Let s_i = Σ_{c,o} y_{co}(x_i; θ) g_{cio} be a scalar at every point, with given cotangents g of the network's channels. By a layer
z = x W + b its derivatives are ds_i/dW = Σ_c x_{ci} ⊗ D_{ci} and ds_i/db = D_{0i}, where x_c are the channels that enter the layer
and D_c = ds/dz_c, which one reverse pass gives for all points. So the Jacobian J (points, params) never need be formed:

    (J v)_i = Σ_layers Σ_c D_{ci} · (x_{ci} V + [c = 0] v_b)        Jᵀ w: by W Σ_{c,i} w_i x_{ci} ⊗ D_{ci}, by b Σ_i w_i D_{0i}

Each product is one product of matrices per layer and channel, a third of a reverse pass with its forward, and the factors are as
large as the tape. See Grosse & Martens 2016 (arXiv:1602.01407) for the same factors, summed over points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pinn.field.algebra import JetAlgebra, affine, affine_gradient
from pinn.field.block import Block, member_blocks
from pinn.field.jet import Jet
from pinn.field.layout import Layout
from pinn.field.memory import large_empty
from pinn.field.request import Channel


class Factor(NamedTuple):
    """One layer of a Jacobian: names of its parameters, its input x, and the cotangents D of x W + b, shaped like jets."""

    weight: str
    bias: str
    x: Jet
    g_value: Tensor
    g_rest: Tensor


class FactorAlgebra:
    """The algebra that networks are written with, on jets and names of parameters; it remembers what goes through linear layers."""

    def __init__(self, carried: tuple[Channel, ...], parameters: Mapping[str, Tensor]):
        self.algebra, self.parameters = JetAlgebra(carried), parameters
        self.layers: list[tuple[str, str, Jet, Jet]] = []

    def dense(self, x: Jet, weight: str, bias: str, activation: str) -> Jet:
        """Return σ(x W + b)."""
        return self.algebra.activate(self.linear(x, weight, bias), activation)

    def linear(self, x: Jet, weight: str, bias: str) -> Jet:
        """Return x W + b."""
        z = self.algebra.linear(x, self.parameters[weight], self.parameters[bias])
        for tensor in (z.value, z.rest):
            tensor.requires_grad_()
        self.layers.append((weight, bias, x, z))
        return z

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b."""
        return self.algebra.add(a, b, factor)

    def multiply(self, a: Jet, b: Jet) -> Jet:
        """Return a · b."""
        return self.algebra.multiply(a, b)


class Factors:
    """J (points, params) of a scalar per point, or (members, points, params) each by the parameters of its own member.

    Parameters
    ----------
    layout : of the parameters of one network.
    factors : of all its layers.
    """

    def __init__(self, layout: Layout, factors: list[Factor]):
        self.layout, self.factors = layout, factors

    def dense(self) -> Tensor:
        """Return J, (points, params) or (members, points, params)."""
        shape = self.factors[0].x.value.shape[:-1]
        rows, written = large_empty(self.factors[0].x.value, *shape, self.layout.num_params), set[str]()

        def put(name: str, values: Tensor) -> None:
            target = rows[..., self.layout[name][0]].unflatten(-1, self.layout[name][1])
            (target.add_ if name in written else target.copy_)(values)
            written.add(name)

        for factor in self.factors:
            x = torch.cat([factor.x.value[None], factor.x.rest]).movedim(0, -1)
            g = torch.cat([factor.g_value[None], factor.g_rest]).movedim(0, -2)
            put(factor.weight, x @ g)
            put(factor.bias, factor.g_value)
        for name in set(self.layout.shapes) - written:
            rows[..., self.layout[name][0]] = 0.0
        return rows

    def blocks(self) -> tuple[Block, ...]:
        """Return J of a single network as one block."""
        return member_blocks(self.dense(), (0, len(self.factors[0].x.value)))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v (points,) for v (params,), or (members, points) for (members, params)."""
        parts, total = self.layout.unpack(vector), torch.zeros_like(self.factors[0].x.value[..., 0])
        for factor in self.factors:
            value, rest = affine(parts[factor.weight], parts[factor.bias], factor.x.value, factor.x.rest)
            total += value.mul_(factor.g_value).sum(-1)
            for t, g in zip(rest, factor.g_rest, strict=True):
                total += (t * g).sum(-1)
        return total

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,) for w (points,), or (members, params) for (members, points)."""
        product = vector.new_zeros(*vector.shape[:-1], self.layout.num_params)
        parts, weights = self.layout.unpack(product), vector[..., None]
        for factor in self.factors:
            x = factor.x
            g_weight, g_bias = affine_gradient(x.value, x.rest, factor.g_value * weights, factor.g_rest * weights)
            parts[factor.weight] += g_weight
            parts[factor.bias] += g_bias
        return product


def factorise(
    network: Any, layout: Layout, carried: tuple[Channel, ...], parameters: Mapping[str, Tensor], features: Jet, cotangent: Tensor
) -> Factors:
    """Return the factors of Σ cotangent · channels of a network, at every point.

    Parameters
    ----------
    parameters : by name, as `JetAlgebra` takes them, without tape.
    features : what the first layer sees.
    cotangent : (channels, points, outputs), or (channels, members, points, outputs).
    """
    varying = features._replace(rest=features.rest.expand(len(features.rest), *features.value.shape))
    algebra = FactorAlgebra(carried, parameters)
    with torch.enable_grad():
        out = network.apply({name: name for name in parameters}, varying, algebra)
        scalar = (out.value * cotangent[0]).sum() + (out.rest * cotangent[1:]).sum()
    ends = [tensor for *_, z in algebra.layers for tensor in (z.value, z.rest)]
    slopes = torch.autograd.grad(scalar, ends, allow_unused=True, materialize_grads=True)
    factors = []
    for k, (weight, bias, x, _) in enumerate(algebra.layers):
        x = Jet(x.value.detach(), x.rest.detach(), x.present)
        factors.append(Factor(weight, bias, x, slopes[2 * k], slopes[2 * k + 1]))
    return Factors(layout, factors)
