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
    with both engines. Weights are (inputs, outputs) and biases (outputs,), or one copy of each for every point,
    (points, inputs, outputs) and (points, outputs), that are all equal: then their gradients are those of every point on its own.

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
        rest = features.rest[[features.present.index(number) for number in present], :, start:stop]
        return Jet(features.value[:, start:stop], rest, present)

    def dense(self, x: Jet, weight: Tensor, bias: Tensor, activation: str) -> Jet:
        """Return σ(x W + b) for a jet x of (points, inputs), W (inputs, outputs) and b (outputs,), or one of each per point."""
        plan = composition(self.carried, x.present)
        step = EagerStep(plan, activation)
        if torch.is_grad_enabled():
            value, rest = _Dense.apply(step, weight, bias, x.value, x.rest)
        else:
            value, rest, _ = step.forward(*_affine(weight, bias, x.value, x.rest), tape=False)
        return Jet(value, rest, plan.outputs)

    def linear(self, x: Jet, weight: Tensor, bias: Tensor) -> Jet:
        """Return x W + b, with shapes as in `dense`."""
        value, rest = _Linear.apply(weight, bias, x.value, x.rest)
        return Jet(value, rest, x.present)

    def add(self, a: Jet, b: Jet, factor: float = 1.0) -> Jet:
        """Return a + factor · b of two jets with the same channels."""
        return Jet(torch.add(a.value, b.value, alpha=factor), torch.add(a.rest, b.rest, alpha=factor), a.present)

    def interpolate(self, a: Jet, b: Jet, factor: Tensor) -> Jet:
        """Return (1 − factor) · a + factor · b of two jets with the same channels and a trained factor, (1,) or (points, 1)."""
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
        return _affine(weight, bias, value, rest)

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_rest):
        return _affine_backward(*ctx.saved_tensors, g_value, g_rest, ctx.needs_input_grad[2:])


class _Dense(Function):
    """σ(x W + b) on a jet x; inputs and outputs as (value, rest)."""

    @staticmethod
    def forward(ctx, step, weight, bias, value, rest):
        value_out, rest_out, ctx.known = step.forward(*_affine(weight, bias, value, rest), tape=True)
        ctx.step = step
        ctx.save_for_backward(weight, value, rest)
        return value_out, rest_out

    @staticmethod
    @once_differentiable
    def backward(ctx, g_value, g_rest):
        weight, value, rest = ctx.saved_tensors
        cotangents = ctx.step.backward(ctx.known, g_value, g_rest, weight.dim() == 3)
        return None, *_affine_backward(weight, value, rest, *cotangents, ctx.needs_input_grad[3:])


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
