"""Jets: a function of the coordinates together with chosen partial derivatives, pushed through layers together.

A jet is one tensor for the value and one stack for all other channels, so a linear layer is two matrix products whatever
the number of derivatives. Layers and products carry their own reverse pass: with Faà di Bruno's terms shared between the
channels it needs far fewer passes over memory than the tape of the same forward.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.activation import ACTIVATIONS, Scaled
from pinn.field.request import Channel, below, largest_order, minus
from pinn.problem.tree import Index

Activation = Callable[[Tensor, int], Scaled]


class Jet(NamedTuple):
    """Channels of a function of the coordinates.

    ``value`` (points, width); ``rest`` (len(present), points or 1, width), 1 when the channels do not vary with the point;
    ``present`` the numbers of these channels in the space, all others are zero.
    """

    value: Tensor
    rest: Tensor
    present: tuple[int, ...]


class Plan(NamedTuple):
    """Faà di Bruno's formula for one set of channels as a straight-line programme.

    Node n is the n-th present channel for n < num_inputs, then the products in order. ``products`` lists pairs of nodes.
    ``terms`` lists (channel, p, ((node, factor), ...)): the channel gets σ⁽ᵖ⁾ times the combination. The term of first order,
    σ' times the same channel of the input, is understood for every present channel. ``channel`` counts without the value.
    """

    num_inputs: int
    num_outputs: int
    order: int
    present: tuple[int, ...]
    products: tuple[tuple[int, int], ...]
    terms: tuple[tuple[int, int, tuple[tuple[int, float], ...]], ...]


@lru_cache(maxsize=4096)
def partitions(index: Index) -> dict[tuple[Index, ...], int]:
    """Return Faà di Bruno's terms of ∂^index σ(z): {(β₁ ≤ … ≤ βₚ): count} stands for count · σ⁽ᵖ⁾ · z_β₁ ⋯ z_βₚ."""
    axis = next((i for i, order in enumerate(index) if order), None)
    if axis is None:
        return {(): 1}
    unit = tuple(int(i == axis) for i in range(len(index)))
    found: dict[tuple[Index, ...], int] = {}
    for factors, count in partitions(minus(index, unit)).items():
        raised = [(*factors[:j], _plus(factors[j], unit), *factors[j + 1 :]) for j in range(len(factors))]
        for term in [(*factors, unit), *raised]:
            key = tuple(sorted(term))
            found[key] = found.get(key, 0) + count
    return found


def _plus(index: Index, other: Index) -> Index:
    return tuple(a + b for a, b in zip(index, other, strict=True))


@lru_cache(maxsize=1024)
def composition(carried: tuple[Channel, ...], present: tuple[int, ...]) -> Plan:
    """Return the plan of σ(z) for a jet z with these channels, of which only ``present`` are not zero."""
    nodes = {(carried[number + 1][0][0],): n for n, number in enumerate(present)}
    products: list[tuple[int, int]] = []

    def node(factors: tuple[Index, ...]) -> int:
        if factors not in nodes:
            pair = (node(factors[:-1]), node(factors[-1:]))
            products.append(pair)
            nodes[factors] = len(present) + len(products) - 1
        return nodes[factors]

    terms = []
    for number, channel in enumerate(carried[1:]):
        sums: dict[int, dict[int, float]] = {}
        for index, weight in channel:
            for factors, count in partitions(index).items():
                if len(factors) > 1 and all((factor,) in nodes for factor in factors):
                    row = sums.setdefault(len(factors), {})
                    row[node(factors)] = row.get(node(factors), 0.0) + weight * count
        terms += [(number, p, tuple(row.items())) for p, row in sorted(sums.items())]
    return Plan(len(present), len(carried) - 1, largest_order(carried), present, tuple(products), tuple(terms))


@lru_cache(maxsize=1024)
def leibniz(carried: tuple[Channel, ...]) -> tuple[tuple[int, int, int, float], ...]:
    """Return (channel, channel of a, channel of b, factor) of the product a·b beyond a·(value of b); the value is channel 0."""
    place = {channel[0][0]: number for number, channel in enumerate(carried) if len(channel) == 1}
    found: dict[tuple[int, int, int], float] = {}
    for number, channel in enumerate(carried):
        for index, weight in channel:
            for lower, count in below(index):
                if lower in (index, (0,) * len(index)):
                    continue
                key = (number, place[lower], place[minus(index, lower)])
                found[key] = found.get(key, 0.0) + weight * count
    ends = [(number, 0, number, 1.0) for number in range(1, len(carried))]
    return (*ends, *((*key, factor) for key, factor in found.items()))


def _combine(nodes: list[Tensor], combination: tuple[tuple[int, float], ...]) -> tuple[float, Tensor]:
    """Return (factor, tensor) with factor · tensor the combination."""
    (first, factor), *others = combination
    total = nodes[first]
    for n, other in others:
        total = torch.add(total, nodes[n], alpha=other / factor)
    return factor, total


def _compose(plan: Plan, slopes: Scaled, rest: Tensor) -> tuple[Tensor, list[Tensor], list[tuple[float, Tensor]]]:
    """Return the channels of σ(z) without the value, the nodes and the combinations; ``rest`` are the present channels of z."""
    points, width = slopes[0][1].shape
    nodes = list(rest.unbind(0))
    for a, b in plan.products:
        nodes.append(nodes[a] * nodes[b])
    if plan.num_inputs == plan.num_outputs and rest.shape[1] == points:
        out = slopes[1][1] * rest
        written = set(plan.present)
    else:
        out = rest.new_empty(plan.num_outputs, points, width)
        written = set(plan.present)
        for n, number in enumerate(plan.present):
            torch.mul(slopes[1][1], nodes[n], out=out[number])
    combinations = [_combine(nodes, combination) for *_, combination in plan.terms]
    for (number, p, _), (factor, total) in zip(plan.terms, combinations, strict=True):
        scale, slope = slopes[p]
        if number in written:
            out[number].addcmul_(slope, total, value=scale * factor)
        else:
            torch.mul(slope, total if scale * factor == 1 else total * (scale * factor), out=out[number])
            written.add(number)
    for number in set(range(plan.num_outputs)) - written:
        out[number].zero_()
    return out, nodes, combinations


def _compose_backward(
    plan: Plan, slopes: Scaled, nodes: list[Tensor], combinations: list[tuple[float, Tensor]], g_value: Tensor, g_out: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the cotangents of z's value and of its present channels, from those of σ(z)."""
    g = g_out.unbind(0)
    g_z = slopes[1][1] * g_value
    rows = nodes[0].shape[0] != g_value.shape[0]
    if len(plan.present) == plan.num_outputs:
        g_rest = slopes[1][1] * g_out
    else:
        g_rest = torch.stack([slopes[1][1] * g[number] for number in plan.present])
    if rows:
        g_rest = g_rest.sum(1, keepdim=True)
    g_nodes: list[Tensor | None] = [*g_rest.unbind(0), *[None] * len(plan.products)]
    slope_sums: list[Tensor | None] = [None] * (plan.order + 1)
    for n, number in enumerate(plan.present):
        slope_sums[1] = _add(slope_sums[1], g[number], nodes[n], 1.0)
    for (number, p, combination), (factor, total) in zip(plan.terms, combinations, strict=True):
        slope_sums[p] = _add(slope_sums[p], g[number], total, factor)
        scale, slope = slopes[p]
        pull = slope * g[number]
        if rows:
            pull = pull.sum(0, keepdim=True)
        for n, weight in combination:
            g_nodes[n] = pull * (scale * weight) if g_nodes[n] is None else g_nodes[n].add_(pull, alpha=scale * weight)
    for n in reversed(range(len(plan.products))):
        a, b = plan.products[n]
        pull = g_nodes[plan.num_inputs + n]
        if a == b:
            g_nodes[a] = _add(g_nodes[a], pull, nodes[a], 2.0)
        else:
            g_nodes[a] = _add(g_nodes[a], pull, nodes[b], 1.0)
            g_nodes[b] = _add(g_nodes[b], pull, nodes[a], 1.0)
    for p in range(1, plan.order + 1):
        if slope_sums[p] is not None:
            scale, slope = slopes[p + 1]
            g_z.addcmul_(slope, slope_sums[p], value=scale)
    return g_z, g_rest


def _add(total: Tensor | None, a: Tensor, b: Tensor, factor: float) -> Tensor:
    """Return total + factor · a · b, in place where there is a total."""
    if total is not None:
        return total.addcmul_(a, b, value=factor)
    return a * b if factor == 1 else (a * b).mul_(factor)


class _Dense(Function):
    """σ(x W + b) on a jet x; inputs and outputs as (value, rest)."""

    @staticmethod
    def forward(ctx, plan, activation, weight, bias, value, rest):
        slopes, nodes, combinations, out = _dense(plan, activation, weight, bias, value, rest, plan.order + 1)
        ctx.plan, ctx.slopes, ctx.nodes, ctx.combinations = plan, slopes[1:], nodes, combinations
        ctx.save_for_backward(weight, value, rest)
        return slopes[0][1], out

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_out):
        weight, value, rest = ctx.saved_tensors
        g_z, g_rest = _compose_backward(ctx.plan, [None, *ctx.slopes], ctx.nodes, ctx.combinations, g_value, g_out)
        flat = g_rest.flatten(0, 1)
        g_weight = torch.addmm(value.t() @ g_z, rest.flatten(0, 1).t(), flat)
        g_x = g_z @ weight.t() if ctx.needs_input_grad[4] else None
        g_x_rest = (flat @ weight.t()).view(rest.shape) if ctx.needs_input_grad[5] else None
        return None, None, g_weight, g_z.sum(0), g_x, g_x_rest


def _dense(plan: Plan, activation: Activation, weight: Tensor, bias: Tensor, value: Tensor, rest: Tensor, order: int):
    """Return (slopes, nodes, combinations, channels of the output without the value)."""
    slopes = activation(torch.addmm(bias, value, weight), order)
    z_rest = (rest.flatten(0, 1) @ weight).view(*rest.shape[:2], -1)
    out, nodes, combinations = _compose(plan, slopes, z_rest)
    return slopes, nodes, combinations, out


class _Multiply(Function):
    """Leibniz's rule on two stacks (channels, points, width) with the value first."""

    @staticmethod
    def forward(ctx, rule, a, b):
        ctx.rule = rule
        ctx.save_for_backward(a, b)
        out = a * b[:1]
        for number, i, j, factor in rule:
            out[number].addcmul_(a[i], b[j], value=factor)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        g_a, g_b = g * b[:1], torch.zeros_like(b)
        g_b[0] = (g * a).sum(0)
        for number, i, j, factor in ctx.rule:
            g_a[i].addcmul_(g[number], b[j], value=factor)
            g_b[j].addcmul_(g[number], a[i], value=factor)
        return None, g_a, g_b


class JetAlgebra:
    """What a network is made of, on jets with the channels ``carried``; `pinn.field.nested.ValueAlgebra` is the same on values.

    Both have ``dense``, ``linear``, ``add`` and ``multiply``; a network that uses only these works with both engines.
    """

    def __init__(self, carried: tuple[Channel, ...]):
        self.carried = carried

    def dense(self, x: Jet, weight: Tensor, bias: Tensor, activation: str) -> Jet:
        """Return σ(x W + b); weight (inputs, outputs), bias (outputs,)."""
        plan, function = composition(self.carried, x.present), ACTIVATIONS[activation]
        if torch.is_grad_enabled():
            value, rest = _Dense.apply(plan, function, weight, bias, x.value, x.rest)
        else:
            slopes, _, _, rest = _dense(plan, function, weight, bias, x.value, x.rest, plan.order)
            value = slopes[0][1]
        return Jet(value, rest, tuple(range(plan.num_outputs)))

    def linear(self, x: Jet, weight: Tensor, bias: Tensor) -> Jet:
        """Return x W + b."""
        return Jet(torch.addmm(bias, x.value, weight), x.rest @ weight, x.present)

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b of two jets with the same channels."""
        return Jet(torch.add(a.value, b.value, alpha=factor), torch.add(a.rest, b.rest, alpha=factor), a.present)

    def multiply(self, a: Jet, b: Jet) -> Jet:
        """Return a · b of two jets with all channels."""
        stacks = (torch.cat([x.value[None], x.rest]) for x in (a, b))
        out = _Multiply.apply(leibniz(self.carried), *stacks)
        return Jet(out[0], out[1:], a.present)
