"""What happens to a jet at an activation, by tensor operations: Faà di Bruno's formula and its reverse.

The reverse shares the products of the forward between the channels, so it needs far fewer passes over memory than the tape of
the same forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pinn.field.activation import ACTIVATIONS, Scaled
from pinn.field.jet import Plan


class EagerStep:
    """σ on a jet z, by tensor operations on any device.

    Parameters
    ----------
    plan : from `pinn.field.jet.composition`.
    activation : name of σ.
    """

    def __init__(self, plan: Plan, activation: str):
        self.plan, self.activation = plan, ACTIVATIONS[activation]

    def forward(self, z: Tensor, rest: Tensor, tape: bool) -> tuple[Tensor, Tensor, Any]:
        """Return the value (…, points, width), the other channels (outputs, …, points, width), and what `backward` needs.

        Parameters
        ----------
        z : value of the argument, (…, points, width).
        rest : its present other channels, (channels, …, points or 1, width), 1 where they do not vary with the point.
        tape : whether `backward` will be called.
        """
        slopes = self.activation(z, self.plan.order + tape)
        out, nodes, combinations = _compose(self.plan, slopes, rest)
        return slopes[0][1], out, (slopes[1:], nodes, combinations)

    def backward(self, saved: Any, g_value: Tensor, g_out: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cotangents of z's value and of its present channels, from those of σ(z).

        Channels that do not vary with the point have one cotangent for all points.
        """
        slopes, nodes, combinations = saved
        return _compose_backward(self.plan, [(1.0, None), *slopes], nodes, combinations, g_value, g_out)


def _combine(nodes: list[Tensor], combination: tuple[tuple[int, float], ...]) -> tuple[float, Tensor]:
    """Return (factor, tensor) with factor · tensor the combination."""
    (first, factor), *others = combination
    total = nodes[first]
    for n, other in others:
        total = torch.add(total, nodes[n], alpha=other / factor)
    return factor, total


def _compose(plan: Plan, slopes: Scaled, rest: Tensor) -> tuple[Tensor, list[Tensor], list[tuple[float, Tensor]]]:
    """Return the channels of σ(z) without the value, the nodes and the combinations; ``rest`` are the present channels of z."""
    shape = slopes[0][1].shape
    if not plan.num_outputs:
        return rest.new_empty(0, *shape), [], []
    nodes = list(rest.unbind(0))
    for a, b in plan.products:
        nodes.append(nodes[a] * nodes[b])
    if plan.num_inputs == plan.num_outputs and rest.shape[1:] == shape:
        out = slopes[1][1] * rest
        written = set(plan.places)
    else:
        out = rest.new_empty(plan.num_outputs, *shape)
        written = set(plan.places)
        for n, number in enumerate(plan.places):
            torch.mul(slopes[1][1], nodes[n], out=out[number])
    combinations = [_combine(nodes, combination) for *_, combination in plan.terms]
    for (number, p, _), (factor, total) in zip(plan.terms, combinations, strict=True):
        scale, slope = slopes[p]
        if number in written:
            out[number].addcmul_(slope, total, value=scale * factor)
        else:
            torch.mul(slope, total if scale * factor == 1 else total * (scale * factor), out=out[number])
            written.add(number)
    return out, nodes, combinations


def _compose_backward(
    plan: Plan, slopes: Scaled, nodes: list, combinations: list, g_value: Tensor, g_out: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the cotangents of z's value and of its present channels."""
    g = g_out.unbind(0)
    g_z = slopes[1][1] * g_value
    summed = bool(nodes) and nodes[0].shape != g_value.shape
    if len(plan.places) == plan.num_outputs:
        g_rest = slopes[1][1] * g_out
    else:
        g_rest = torch.stack([slopes[1][1] * g[number] for number in plan.places])
    if summed:
        g_rest = g_rest.sum(-2, keepdim=True)
    g_nodes = dict(enumerate(g_rest.unbind(0)))
    slope_sums: dict[int, Tensor] = {}
    for n, number in enumerate(plan.places):
        _accumulate(slope_sums, 1, g[number], nodes[n], 1.0)
    for (number, p, combination), (factor, total) in zip(plan.terms, combinations, strict=True):
        _accumulate(slope_sums, p, g[number], total, factor)
        scale, slope = slopes[p]
        pull = slope * g[number]
        if summed:
            pull = pull.sum(-2, keepdim=True)
        for n, weight in combination:
            g_nodes[n] = g_nodes[n].add_(pull, alpha=scale * weight) if n in g_nodes else pull * (scale * weight)
    for n in reversed(range(plan.num_inputs, len(nodes))):
        a, b = plan.products[n - plan.num_inputs]
        if a == b:
            _accumulate(g_nodes, a, g_nodes[n], nodes[a], 2.0)
        else:
            _accumulate(g_nodes, a, g_nodes[n], nodes[b], 1.0)
            _accumulate(g_nodes, b, g_nodes[n], nodes[a], 1.0)
    for p, slope_sum in slope_sums.items():
        scale, slope = slopes[p + 1]
        g_z.addcmul_(slope, slope_sum, value=scale)
    return g_z, g_rest


def _accumulate(totals: dict[int, Tensor], key: int, a: Tensor, b: Tensor, factor: float) -> None:
    """Add factor · a · b to a total, in place where there is one."""
    if key in totals:
        totals[key].addcmul_(a, b, value=factor)
    else:
        totals[key] = a * b if factor == 1 else (a * b).mul_(factor)
