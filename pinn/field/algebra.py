"""The algebra of jets: layers and products with a reverse pass written by hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.jet import Jet, composition, leibniz
from pinn.field.request import Channel
from pinn.field.step import EagerStep


class JetAlgebra:
    """What a network is made of, on jets with the channels ``carried``; `pinn.field.nested.ValueAlgebra` is the same on values.

    Both have ``dense``, ``linear``, ``add`` and ``multiply``; a network that uses only these works with both engines. Jets are
    (points, width) with weights (inputs, outputs) and biases (outputs,), or those of equally many points for each of several
    equal networks: (members, points, width) with weights (members, inputs, outputs) and biases (members, outputs).
    """

    def __init__(self, carried: tuple[Channel, ...]):
        self.carried = carried

    def dense(self, x: Jet, weight: Tensor, bias: Tensor, activation: str) -> Jet:
        """Return σ(x W + b)."""
        return self.activate(self.linear(x, weight, bias), activation)

    def linear(self, x: Jet, weight: Tensor, bias: Tensor) -> Jet:
        """Return x W + b."""
        if torch.is_grad_enabled():
            value, rest = _Linear.apply(weight, bias, x.value, x.rest)
        else:
            value, rest = affine(weight, bias, x.value, x.rest)
        return Jet(value, rest, x.present)

    def activate(self, z: Jet, activation: str) -> Jet:
        """Return σ(z)."""
        plan = composition(self.carried, z.present)
        step = EagerStep(plan, activation)
        if torch.is_grad_enabled():
            value, rest = _Activate.apply(step, z.value, z.rest)
        else:
            value, rest, _ = step.forward(z.value, z.rest, tape=False)
        return Jet(value, rest, tuple(range(plan.num_outputs)))

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
        return affine(weight, bias, value, rest)

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_rest):
        weight, value, rest = ctx.saved_tensors
        by_weight, by_bias, by_value, by_rest = ctx.needs_input_grad
        g_weight, g_bias = affine_gradient(value, rest, g_value, g_rest) if by_weight or by_bias else (None, None)
        return g_weight, g_bias, g_value @ weight.mT if by_value else None, _times(g_rest, weight.mT) if by_rest else None


class _Activate(Function):
    """σ(z) on a jet z; inputs and outputs as (value, rest)."""

    @staticmethod
    def forward(ctx, step, value, rest):
        value_out, rest_out, ctx.known = step.forward(value, rest, tape=True)
        ctx.step = step
        return value_out, rest_out

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_rest):
        return None, *ctx.step.backward(ctx.known, g_value, g_rest)


def affine(weight: Tensor, bias: Tensor, value: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Return x W + b as (value, rest), for x given as (value, rest)."""
    if weight.dim() == 3:
        return torch.baddbmm(bias[:, None], value, weight), _times(rest, weight)
    return torch.addmm(bias, value, weight), _times(rest, weight)


def affine_gradient(value: Tensor, rest: Tensor, g_value: Tensor, g_rest: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cotangents of weight and bias of `affine` from those of its result."""
    if value.dim() == 3:
        g_weight = torch.bmm(value.mT, g_value)
        for x, g in zip(rest, g_rest, strict=True):
            g_weight.baddbmm_(x.mT, g)
    else:
        g_weight = torch.addmm(value.t() @ g_value, rest.flatten(0, 1).t(), g_rest.flatten(0, 1))
    return g_weight, g_value.sum(-2)


def _times(channels: Tensor, weight: Tensor) -> Tensor:
    """Return every channel times the same matrix, or those of every member times its own."""
    if weight.dim() == 2:
        return (channels.flatten(0, 1) @ weight).view(*channels.shape[:2], weight.shape[1])
    out = channels.new_empty(*channels.shape[:-1], weight.shape[-1])
    for x, to in zip(channels, out, strict=True):
        torch.bmm(x, weight, out=to)
    return out


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
