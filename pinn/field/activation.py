"""Activation functions with their derivatives up to fifth order.

An activation is two functions. ``bases(z, order)`` are the transcendental functions of a tensor z that its derivatives are made of.
``derivatives(bases, order)`` are the derivatives of order 0 … ``order`` as pairs ``(factor, tensor)``, σ⁽ᵖ⁾(z) = factor · tensor,
the first two factors being 1; keeping the factor apart saves a pass over memory each time. It uses nothing but products and
sums, by methods that tensors have and that `pinn.field.loops` can turn into C. Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, NamedTuple

from pinn.problem.settings import BadInput, nearest

LARGEST_ORDER = 5
"""Of the derivatives that every activation has: four for equations, and one more for the gradient."""

Scaled = list[tuple[float, Any]]


class Activation(NamedTuple):
    """An activation function σ with its derivatives."""

    bases: Callable[[Any, int], tuple[Any, ...]]
    derivatives: Callable[[tuple[Any, ...], int], Scaled]

    def __call__(self, z: Any, order: int) -> Scaled:
        """Return the derivatives of order 0 … ``order`` at a tensor z."""
        return self.derivatives(self.bases(z, order), order)


def _tanh(bases: tuple[Any, ...], order: int) -> Scaled:
    """With a = tanh z, s = 1 − a², q = a s: s, −2q, 4(s − 1.5s²), −8(q − 3qs), 16(s − 7.5q²)."""
    (a,) = bases
    found = [(1.0, a)]
    if order >= 1:
        s = (a * a).neg_().add_(1.0)
        found.append((1.0, s))
    if order >= 2:
        q = a * s
        found.append((-2.0, q))
    if order >= 3:
        found.append((4.0, s.addcmul(s, s, value=-1.5)))
    if order >= 4:
        found.append((-8.0, q.addcmul(q, s, value=-3.0)))
    if order >= 5:
        found.append((16.0, s.addcmul(q, q, value=-7.5)))
    return found


def _sin(bases: tuple[Any, ...], order: int) -> Scaled:
    return [((1.0, 1.0, -1.0, -1.0)[p % 4], bases[p % 2]) for p in range(order + 1)]


def _sigmoid(bases: tuple[Any, ...], order: int) -> Scaled:
    """With a the logistic function of z: d₁ = a − a², d₂ = d₁(1 − 2a), d₁ − 6d₁², d₂(1 − 12d₁), d₁ − 30d₂²."""
    found = [bases[-1]]
    if order >= 1:
        found.append(found[0].addcmul(found[0], found[0], value=-1.0))
    if order >= 2:
        found.append(found[1].addcmul(found[1], found[0], value=-2.0))
    if order >= 3:
        found.append(found[1].addcmul(found[1], found[1], value=-6.0))
    if order >= 4:
        found.append(found[2].addcmul(found[2], found[1], value=-12.0))
    if order >= 5:
        found.append(found[1].addcmul(found[2], found[2], value=-30.0))
    return [(1.0, derivative) for derivative in found]


def _softplus_bases(z: Any, order: int) -> tuple[Any, ...]:
    value = z.abs().neg().exp().log1p().add(z.clamp(min=0.0))
    return (value, z.sigmoid()) if order else (value,)


def _softplus(bases: tuple[Any, ...], order: int) -> Scaled:
    """Return log(1 + eᶻ) and the derivatives of its derivative, the logistic function."""
    return [(1.0, bases[0]), *(_sigmoid(bases, order - 1) if order else ())]


def _swish(bases: tuple[Any, ...], order: int) -> Scaled:
    """Return z a and its derivatives z a⁽ᵖ⁾ + p a⁽ᵖ⁻¹⁾, with a the logistic function."""
    z, inner = bases[0], [tensor for _, tensor in _sigmoid(bases, order)]
    rest = [(inner[p - 1] * float(p)).addcmul(z, inner[p], value=1.0) for p in range(1, order + 1)]
    return [(1.0, z * inner[0]), *((1.0, derivative) for derivative in rest)]


def _gelu_bases(z: Any, order: int) -> tuple[Any, ...]:
    below = (z * sqrt(0.5)).erf().add(1.0).mul(0.5)
    return (z, below, (z * z * -0.5).exp().mul(1.0 / sqrt(2.0 * pi))) if order else (z, below)


def _gelu(bases: tuple[Any, ...], order: int) -> Scaled:
    """Return z Φ(z), not its tanh approximation, and the derivatives that follow from Φ' = φ, φ' = −z φ."""
    z, below = bases[:2]
    found = [z * below]
    if order >= 1:
        density, square = bases[2], z * z
        found.append(below.addcmul(z, density, value=1.0))
    if order >= 2:
        found.append((square * -1.0).add_(2.0).mul_(density))
    if order >= 3:
        found.append((square * 1.0).add_(-4.0).mul_(z).mul_(density))
    if order >= 4:
        found.append((square * -1.0).add_(7.0).mul_(square).add_(-4.0).mul_(density))
    if order >= 5:
        found.append((square * 1.0).add_(-11.0).mul_(square).add_(18.0).mul_(z).mul_(density))
    return [(1.0, derivative) for derivative in found]


ACTIVATIONS = {
    "tanh": Activation(lambda z, order: (z.tanh(),), _tanh),
    "sin": Activation(lambda z, order: (z.sin(), z.cos()) if order else (z.sin(),), _sin),
    "gelu": Activation(_gelu_bases, _gelu),
    "swish": Activation(lambda z, order: (z, z.sigmoid()), _swish),
    "softplus": Activation(_softplus_bases, _softplus),
    "sigmoid": Activation(lambda z, order: (z.sigmoid(),), _sigmoid),
}
OTHER_NAMES = {"silu": "swish", "sine": "sin", "logistic": "sigmoid"}


def check_activation(name: str) -> str:
    """Return the name of the activation as it stands in `ACTIVATIONS`, or raise `BadInput` (``relu``: with the reason)."""
    name = OTHER_NAMES.get(name, name)
    if name in ACTIVATIONS:
        return name
    if name in ("relu", "leaky_relu", "elu", "relu6"):
        raise BadInput(f"{name} has no continuous second derivative, so it cannot solve a differential equation; use tanh")
    raise BadInput(f"must be one of {', '.join(ACTIVATIONS)}, got '{name}'{nearest(name, ACTIVATIONS)}")
