"""Random weight factorisation: weights W are trained as V · diag(exp s), a scale for every neuron.

It changes what is trained, not what the network can be: θ holds V and s, and at the start V is chosen so that W is what it would
have been. Every neuron then has a learning rate of its own, which training adapts (Wang, Wang, Seidman & Perdikaris 2022,
arXiv:2210.01274). Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.field.block import Block, member_blocks
from pinn.field.layout import Layout, Shape
from pinn.problem.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Factorisation(Settings):
    """How weights are factorised.

    Parameters
    ----------
    mean : of s at the start, which is normal; 0.5 or 1 in the paper. None: weights are trained as they are.
    deviation : of s at the start; 0.1 in the paper.
    """

    mean: float | None = None
    deviation: float = setting(0.1, at_least=0)

    def layout(self, effective: Layout) -> Layout:
        """Return the layout of θ: the network's own parameters, then ``scale.LAYER`` (outputs,) for every weight."""
        if self.mean is None:
            return effective
        scales: dict[str, Shape] = {_scale(name): effective.shapes[name][-1:] for name in _weights(effective)}
        return Layout(effective.shapes | scales)

    def draw(self, parameters: Mapping[str, np.ndarray], effective: Layout, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the parts of θ by name that stand for the network's own parameters, with random scales."""
        drawn = dict(parameters)
        if self.mean is None:
            return drawn
        for name in _weights(effective):
            scale = rng.normal(self.mean, self.deviation, effective.shapes[name][-1])
            drawn |= {name: drawn[name] / np.exp(scale), _scale(name): scale}
        return drawn


class FactorisedParameters:
    """The map from θ (params,) with scales to the network's own parameters (effective,).

    Parameters
    ----------
    effective : layout of the network's own parameters.
    device : of θ.
    """

    def __init__(self, effective: Layout, device: Any):
        import torch

        self.num_effective = effective.num_params
        weights = _weights(effective)
        self.num_scales = sum(effective.shapes[name][-1] for name in weights)
        scale_of, used = np.full(self.num_effective, self.num_scales), 0  # those without a scale share one that is no parameter
        for name in weights:
            place, shape = effective[name]
            scale_of[place] = np.tile(np.arange(used, used + shape[-1]), shape[0])
            used += shape[-1]
        self.scale_of = torch.as_tensor(scale_of, device=device)

    def __call__(self, theta: Tensor) -> Tensor:
        """Return the network's own parameters, differentiable in ``theta``."""
        return theta[: self.num_effective] * self._factors(theta)

    def pull(self, theta: Tensor, gradient: Tensor) -> Tensor:
        """Return gradients by θ, (..., params), from those by the network's own parameters, (..., effective)."""
        factors = self._factors(theta)
        by_scale = gradient.new_zeros(*gradient.shape[:-1], self.num_scales + 1)
        by_scale.index_add_(-1, self.scale_of, gradient * (theta[: self.num_effective] * factors))
        return _joined(gradient * factors, by_scale[..., :-1])

    def push(self, theta: Tensor, direction: Tensor) -> Tensor:
        """Return how the network's own parameters, (effective,), change along a direction of θ, (params,)."""
        scales = _joined(direction[self.num_effective :], direction.new_zeros(1)).index_select(0, self.scale_of)
        return (direction[: self.num_effective] + theta[: self.num_effective] * scales) * self._factors(theta)

    def _factors(self, theta: Tensor) -> Tensor:
        """Return exp s for every one of the network's own parameters, 1 where there is no scale."""
        scales = theta[self.num_effective :].exp()
        return _joined(scales, scales.new_ones(1)).index_select(0, self.scale_of)


class FactorisedChannels:
    """Channels of a network as a function of factorised parameters.

    Parameters
    ----------
    channels : the same as a function of the network's own parameters, such as `pinn.field.field.TaylorChannels`.
    """

    def __init__(self, channels: Any, parameters: FactorisedParameters):
        self.channels, self.parameters = channels, parameters

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, unknowns)."""
        return self.channels(self.parameters(theta))

    def linearise(self, theta: Tensor) -> LinearFactorised:
        """Return the same with its derivatives by θ (params,)."""
        return LinearFactorised(self.channels.linearise(self.parameters(theta)), self.parameters, theta)


class LinearFactorised:
    """Channels (channels, points, unknowns) at one θ, ``values``, with their derivatives by it."""

    def __init__(self, channels: Any, parameters: FactorisedParameters, theta: Tensor):
        self.values, self._channels, self._parameters, self._theta = channels.values, channels, parameters, theta

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,), for a cotangent shaped like the channels."""
        return self._parameters.pull(self._theta, self._channels.pull(cotangent))

    def jacobian(self, cotangent: Tensor) -> FactorisedJacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        return FactorisedJacobian(self._channels.jacobian(cotangent), self._parameters, self._theta)


class FactorisedJacobian:
    """The Jacobian by factorised parameters, made of that by the network's own ones."""

    def __init__(self, jacobian: Any, parameters: FactorisedParameters, theta: Tensor):
        self._jacobian, self._parameters, self._theta = jacobian, parameters, theta

    def dense(self) -> Tensor:
        """Return J, (points, params)."""
        return self._parameters.pull(self._theta, self._jacobian.dense())

    def blocks(self) -> tuple[Block, ...]:
        """Return J as one block."""
        values = self.dense()
        return member_blocks(values, (0, len(values)))

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        return self._jacobian @ self._parameters.push(self._theta, vector)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        return self._parameters.pull(self._theta, self._jacobian.transpose_apply(vector))


def _joined(*parts: Tensor) -> Tensor:
    import torch

    return torch.cat(parts, -1)


def _weights(effective: Layout) -> list[str]:
    return [name for name in effective.shapes if name.endswith(".weight")]


def _scale(weight: str) -> str:
    return f"scale.{weight.removesuffix('.weight')}"
