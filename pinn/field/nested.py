"""The second engine: derivatives by differentiating repeatedly on the tape.

It needs nothing of a network but its values, so it takes any `torch.nn.Module`, and it is what `pinn.field.jet` is tested against.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu, softplus

from pinn.field.embedding import Part
from pinn.field.request import Channel
from pinn.problem.formulas.tree import Index

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "gelu": gelu,
    "swish": silu,
    "softplus": lambda z: softplus(z, threshold=40.0),
    "sigmoid": torch.sigmoid,
}


class ValueAlgebra:
    """What a network is made of, on plain tensors (points, width); ``parts`` as in `pinn.field.algebra.JetAlgebra`."""

    def __init__(self, parts: tuple[Part, ...] = ()):
        self.parts = parts

    def select(self, features: Tensor, coordinate: int) -> Tensor:
        """Return the features of one coordinate."""
        part = self.parts[coordinate]
        return features[:, part.start : part.stop]

    def dense(self, x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
        """Return σ(x W + b), (points, outputs), for x (points, inputs), W (inputs, outputs) and b (outputs,)."""
        return ACTIVATIONS[activation](torch.addmm(bias, x, weight))

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Return x W + b, with shapes as in `dense`."""
        return torch.addmm(bias, x, weight)

    def add(self, a: Tensor, b: Tensor, factor: float = 1.0) -> Tensor:
        """Return a + factor · b of equal shapes."""
        return torch.add(a, b, alpha=factor)

    def interpolate(self, a: Tensor, b: Tensor, factor: Tensor) -> Tensor:
        """Return (1 − factor) · a + factor · b of equal shapes, for a factor (1,)."""
        return torch.lerp(a, b, factor)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a · b of equal shapes."""
        return a * b


def differentiate(function: Callable[[Tensor], Tensor], points: Tensor, carried: tuple[Channel, ...], tape: bool) -> Tensor:
    """Return the channels of a function of the coordinates, (channels, points, outputs).

    Every derivative is computed once, also when several channels are built from it. The tape is switched on here, so
    the caller may have switched it off.

    Parameters
    ----------
    function : maps x (points, dim) to (points, outputs), point by point.
    tape : whether the result can be differentiated further.
    """
    with torch.enable_grad():
        x = points.detach().requires_grad_()
        outputs = function(x).unbind(1)
        columns = [_Derivatives(output, x) for output in outputs]
        stack = [torch.stack([_sum(column, channel) for column in columns], 1) for channel in carried]
        result = torch.stack(stack)
    return result if tape else result.detach()


class _Derivatives:
    """Partial derivatives of one output (points,) by the coordinates, each gradient computed once."""

    def __init__(self, output: Tensor, x: Tensor):
        self.x = x
        self.known: dict[Index, Tensor] = {(0,) * x.shape[1]: output}
        self.gradients: dict[Index, Tensor] = {}

    def __getitem__(self, index: Index) -> Tensor:
        """Return the partial derivative with these orders, (points,)."""
        if index not in self.known:
            lowers = [(axis, _lowered(index, axis)) for axis in range(len(index)) if index[axis]]
            axis, lower = next((pair for pair in lowers if pair[1] in self.gradients), lowers[-1])
            self.known[index] = self._gradient(lower)[:, axis]
        return self.known[index]

    def _gradient(self, index: Index) -> Tensor:
        if index not in self.gradients:
            value = self[index]
            if value.requires_grad:
                (gradient,) = torch.autograd.grad(value.sum(), self.x, create_graph=True, allow_unused=True, materialize_grads=True)
            else:
                gradient = torch.zeros_like(self.x)
            self.gradients[index] = gradient
        return self.gradients[index]


def _lowered(index: Index, axis: int) -> Index:
    return (*index[:axis], index[axis] - 1, *index[axis + 1 :])


def _sum(derivatives: _Derivatives, channel: Channel) -> Tensor:
    (index, weight), *others = channel
    total = derivatives[index] if weight == 1 else derivatives[index] * weight
    for index, weight in others:
        total = torch.add(total, derivatives[index], alpha=weight)
    return total
