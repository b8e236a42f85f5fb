"""The algebra of jets: layers and products with a reverse pass written by hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from pinn.field.embedding import Part
from pinn.field.jet import Jet, ProductRule, composition, leibniz
from pinn.field.request import Channel
from pinn.field.step import EagerStep


class JetAlgebra:
    """What a network is made of, on jets with the channels ``carried``; `pinn.field.nested.ValueAlgebra` is the same on values.

    Both have ``dense``, ``linear``, ``add``, ``multiply``, ``interpolate`` and ``select``; a network that uses only these works
    with both engines. Jets are (points, width) with weights (inputs, outputs) and biases (outputs,), or those of equally many
    points for each of several equal networks: (members, points, width) with weights (members, inputs, outputs) and biases
    (members, outputs).

    Parameters
    ----------
    carried : channels, from `pinn.field.request.channels`.
    parts : which features belong to which coordinate, see `pinn.field.embedding.Embedding.parts`; only ``select`` needs them.
    """

    def __init__(self, carried: tuple[Channel, ...], parts: tuple[Part, ...] = ()):
        self.carried, self.parts = carried, parts

    def select(self, features: Jet, coordinate: int) -> Jet:
        """Return the features of one coordinate, with the channels that these have."""
        start, stop, present = self.parts[coordinate]
        rest = features.rest[[features.present.index(number) for number in present], ..., start:stop]
        return Jet(features.value[..., start:stop], rest, present)

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
        return Jet(value, rest, plan.outputs)

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b of two jets with the same channels."""
        return Jet(torch.add(a.value, b.value, alpha=factor), torch.add(a.rest, b.rest, alpha=factor), a.present)

    def interpolate(self, a: Jet, b: Jet, factor: Tensor) -> Jet:
        """Return (1 − factor) · a + factor · b of two jets with the same channels and a trained factor, (1,) or (members, 1)."""
        factor = factor[..., None]
        return Jet(torch.lerp(a.value, b.value, factor), torch.lerp(a.rest, b.rest, factor), a.present)

    def multiply(self, a: Jet, b: Jet) -> Jet:
        """Return a · b of two jets, whose channels may differ."""
        stacks = (torch.cat([x.value[None], x.rest]) for x in (a, b))
        rule = leibniz(self.carried, a.present, b.present)
        out = _Multiply.apply(rule, *stacks)
        return Jet(out[0], out[1:], rule.outputs)


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
    """Leibniz's rule on two stacks (channels, …, points, width) with the value first."""

    @staticmethod
    def forward(ctx, rule: ProductRule, a, b):
        ctx.rule = rule
        ctx.save_for_backward(a, b)
        out = a * b[:1]
        if 1 + len(rule.outputs) > len(a):
            out = a.new_zeros(1 + len(rule.outputs), *a.shape[1:]).index_copy_(0, _numbers(rule.places, a), out)
        for number, i, j, factor in rule.terms:
            out[number].addcmul_(a[i], b[j], value=factor)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        own = g if len(g) == len(a) else g.index_select(0, _numbers(ctx.rule.places, a))
        g_a, g_b = own * b[:1], torch.zeros_like(b)
        g_b[0] = (own * a).sum(0)
        for number, i, j, factor in ctx.rule.terms:
            g_a[i].addcmul_(g[number], b[j], value=factor)
            g_b[j].addcmul_(g[number], a[i], value=factor)
        return None, g_a, g_b


def _numbers(places: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.tensor(places, device=like.device)
