"""The algebra of jets: layers and products with a reverse pass written by hand.

The reverse of Faà di Bruno's formula shares the products of the forward between the channels, so it needs far fewer passes over
memory than the tape of the same forward.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.activation import ACTIVATIONS, Scaled
from pinn.field.jet import Jet, Plan, composition, leibniz
from pinn.field.request import Channel

Activation = Callable[[Tensor, int], Scaled]


class JetAlgebra:
    """What a network is made of, on jets with the channels ``carried``; `pinn.field.nested.ValueAlgebra` is the same on values.

    Both have ``dense``, ``linear``, ``add`` and ``multiply``; a network that uses only these works with both engines. Weights are
    (inputs, outputs) and biases (outputs,), or one copy of each for every point, (points, inputs, outputs) and (points, outputs),
    that are all equal: then their gradients are those of every point on its own.
    """

    def __init__(self, carried: tuple[Channel, ...]):
        self.carried = carried

    def dense(self, x: Jet, weight: Tensor, bias: Tensor, activation: str) -> Jet:
        """Return σ(x W + b)."""
        plan, function = composition(self.carried, x.present), ACTIVATIONS[activation]
        if torch.is_grad_enabled():
            value, rest = _Dense.apply(plan, function, weight, bias, x.value, x.rest)
        else:
            slopes, _, _, rest = _dense(plan, function, weight, bias, x.value, x.rest, max(plan.order, 1))
            value = slopes[0][1]
        return Jet(value, rest, tuple(range(plan.num_outputs)))

    def linear(self, x: Jet, weight: Tensor, bias: Tensor) -> Jet:
        """Return x W + b."""
        return Jet(*_Linear.apply(weight, bias, x.value, x.rest), x.present)

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b of two jets with the same channels."""
        return Jet(torch.add(a.value, b.value, alpha=factor), torch.add(a.rest, b.rest, alpha=factor), a.present)

    def multiply(self, a: Jet, b: Jet) -> Jet:
        """Return a · b of two jets with all channels."""
        stacks = (torch.cat([x.value[None], x.rest]) for x in (a, b))
        out = _Multiply.apply(leibniz(self.carried), *stacks)
        return Jet(out[0], out[1:], a.present)


class _Linear(Function):
    """x W + b on a jet x; inputs and outputs as (value, rest)."""

    @staticmethod
    def forward(ctx, weight, bias, value, rest):
        ctx.save_for_backward(weight, value, rest)
        return _affine(weight, bias, value, rest)

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_rest):
        return _affine_backward(*ctx.saved_tensors, g_value, g_rest, ctx.needs_input_grad[2:])


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
        slopes, per_point = [None, *ctx.slopes], weight.dim() == 3
        g_z, g_rest = _compose_backward(ctx.plan, slopes, ctx.nodes, ctx.combinations, g_value, g_out, per_point)
        return None, None, *_affine_backward(weight, value, rest, g_z, g_rest, ctx.needs_input_grad[4:])


def _dense(plan: Plan, activation: Activation, weight: Tensor, bias: Tensor, value: Tensor, rest: Tensor, order: int):
    """Return (slopes, nodes, combinations, channels of the output without the value)."""
    z, z_rest = _affine(weight, bias, value, rest)
    slopes = activation(z, order)
    out, nodes, combinations = _compose(plan, slopes, z_rest)
    return slopes, nodes, combinations, out


def _affine(weight: Tensor, bias: Tensor, value: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Return x W + b as (value, rest)."""
    weight, bias = (weight[0], bias[0]) if weight.dim() == 3 else (weight, bias)
    return torch.addmm(bias, value, weight), (rest.flatten(0, 1) @ weight).view(*rest.shape[:2], weight.shape[1])


def _affine_backward(
    weight: Tensor, value: Tensor, rest: Tensor, g_value: Tensor, g_rest: Tensor, needs: tuple[bool, bool]
) -> tuple[Tensor | None, ...]:
    """Return the cotangents of weight, bias, value and rest."""
    if weight.dim() == 3:
        x = torch.cat([value[None], rest.expand(len(rest), *value.shape)])
        g = torch.cat([g_value[None], g_rest])
        g_weight, g_bias, weight = torch.bmm(x.permute(1, 2, 0), g.transpose(0, 1)), g_value, weight[0]
    else:
        g_weight = torch.addmm(value.t() @ g_value, rest.flatten(0, 1).t(), g_rest.flatten(0, 1))
        g_bias = g_value.sum(0)
    g_x = g_value @ weight.t() if needs[0] else None
    g_x_rest = (g_rest.flatten(0, 1) @ weight.t()).view(rest.shape) if needs[1] else None
    return g_weight, g_bias, g_x, g_x_rest


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
    if not plan.num_outputs:
        return rest.new_empty(0, points, width), [], []
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
    plan: Plan, slopes: Scaled, nodes: list, combinations: list, g_value: Tensor, g_out: Tensor, per_point: bool
) -> tuple[Tensor, Tensor]:
    """Return the cotangents of z's value and of its present channels, from those of σ(z).

    Channels that do not vary with the point have one cotangent for all points, unless ``per_point``.
    """
    g = g_out.unbind(0)
    g_z = slopes[1][1] * g_value
    summed = bool(nodes) and nodes[0].shape[0] != len(g_value) and not per_point
    if len(plan.present) == plan.num_outputs:
        g_rest = slopes[1][1] * g_out
    else:
        g_rest = torch.stack([slopes[1][1] * g[number] for number in plan.present])
    if summed:
        g_rest = g_rest.sum(1, keepdim=True)
    g_nodes: list[Tensor | None] = [*g_rest.unbind(0), *[None] * len(plan.products)]
    slope_sums: list[Tensor | None] = [None] * (plan.order + 1)
    for n, number in enumerate(plan.present):
        slope_sums[1] = _add(slope_sums[1], g[number], nodes[n], 1.0)
    for (number, p, combination), (factor, total) in zip(plan.terms, combinations, strict=True):
        slope_sums[p] = _add(slope_sums[p], g[number], total, factor)
        scale, slope = slopes[p]
        pull = slope * g[number]
        if summed:
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
