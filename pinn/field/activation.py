"""Activation functions with their derivatives up to fifth order.

Every function here maps a tensor ``z`` and an ``order`` to a list of pairs ``(factor, tensor)``, the p-th of which stands for
σ⁽ᵖ⁾(z) = factor · tensor; the first two factors are 1. Keeping the factor apart saves a pass over memory each time.
Only methods of tensors are used, so importing this module does not import torch.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from pinn.problem.settings import BadInput, nearest

LARGEST_ORDER = 5
Scaled = list[tuple[float, Any]]


def tanh(z: Any, order: int) -> Scaled:
    """Hyperbolic tangent a; with s = σ' = 1 − a² and q = a s the others are σ'' = −2q,

    σ''' = 4(s − 1.5s²), σ⁗ = −8(q − 3qs), σ⁽⁵⁾ = 16(s − 7.5q²).
    """
    a = z.tanh()
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


def sin(z: Any, order: int) -> Scaled:
    """Sine."""
    sine = z.sin()
    if order == 0:
        return [(1.0, sine)]
    cosine = z.cos()
    return [((1.0, 1.0, -1.0, -1.0)[p % 4], (sine, cosine)[p % 2]) for p in range(order + 1)]


def sigmoid(z: Any, order: int) -> Scaled:
    """Logistic function σ; σ' = σ − σ², σ'' = σ'(1 − 2σ), σ''' = σ' − 6σ'², σ⁗ = σ''(1 − 12σ'), σ⁽⁵⁾ = σ' − 30σ''²."""
    a = z.sigmoid()
    found = [a]
    if order >= 1:
        found.append(a.addcmul(a, a, value=-1.0))
    if order >= 2:
        found.append(found[1].addcmul(found[1], a, value=-2.0))
    if order >= 3:
        found.append(found[1].addcmul(found[1], found[1], value=-6.0))
    if order >= 4:
        found.append(found[2].addcmul(found[2], found[1], value=-12.0))
    if order >= 5:
        found.append(found[1].addcmul(found[2], found[2], value=-30.0))
    return [(1.0, derivative) for derivative in found]


def softplus(z: Any, order: int) -> Scaled:
    """Softplus log(1 + eᶻ), whose derivative is the logistic function."""
    value = z.abs().neg_().exp_().log1p_().add_(z.clamp(min=0.0))
    return [(1.0, value), *(sigmoid(z, order - 1) if order else ())]


def swish(z: Any, order: int) -> Scaled:
    """Swish or SiLU z σ(z) with the logistic σ; its p-th derivative is z σ⁽ᵖ⁾ + p σ⁽ᵖ⁻¹⁾."""
    inner = [tensor for _, tensor in sigmoid(z, order)]
    rest = ((inner[p - 1] * p).addcmul_(z, inner[p]) for p in range(1, order + 1))
    return [(1.0, z * inner[0]), *((1.0, derivative) for derivative in rest)]


def gelu(z: Any, order: int) -> Scaled:
    """Gaussian error linear unit z Φ(z) (exact, not its tanh approximation); derivatives from Φ' = φ, φ' = −z φ."""
    below = (z * sqrt(0.5)).erf_().add_(1.0).mul_(0.5)
    found = [z * below]
    if order >= 1:
        square = z * z
        density = (square * -0.5).exp_().mul_(1.0 / sqrt(2.0 * pi))
        found.append(below.addcmul(z, density))
    if order >= 2:
        found.append((2.0 - square).mul_(density))
    if order >= 3:
        found.append((square - 4.0).mul_(z).mul_(density))
    if order >= 4:
        found.append((7.0 - square).mul_(square).sub_(4.0).mul_(density))
    if order >= 5:
        found.append((square - 11.0).mul_(square).add_(18.0).mul_(z).mul_(density))
    return [(1.0, derivative) for derivative in found]


ACTIVATIONS = {"tanh": tanh, "sin": sin, "gelu": gelu, "swish": swish, "softplus": softplus, "sigmoid": sigmoid}
OTHER_NAMES = {"silu": "swish", "sine": "sin", "logistic": "sigmoid"}


def check_activation(name: str) -> str:
    """Return the name of the activation as it stands in `ACTIVATIONS`, or raise `BadInput` (``relu``: with the reason)."""
    name = OTHER_NAMES.get(name, name)
    if name in ACTIVATIONS:
        return name
    if name in ("relu", "leaky_relu", "elu", "relu6"):
        raise BadInput(f"{name} has no continuous second derivative, so it cannot solve a differential equation; use tanh")
    raise BadInput(f"must be one of {', '.join(ACTIVATIONS)}, got '{name}'{nearest(name, ACTIVATIONS)}")
