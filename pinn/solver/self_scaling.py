"""The dense inverse Hessian of the self-scaled Broyden family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

WAITING = 12
"""Squares that wait to be added to the matrix together, since products of few columns take nearly as long as those of many; of four
times as many the last digits of H suffer, and solutions near rounding are ten times less accurate."""


class SelfScaling:
    """H ← [H − Hy yᵀH/(yᵀHy) + φ (yᵀHy) v vᵀ]/τ + ρ s sᵀ with v = ρ s − Hy/(yᵀHy) and ρ = 1/yᵀs.

    The scaling τ and the member φ of the family are those of Al-Baali (1998), doi:10.1023/A:1018315205474, as used for networks by
    Urbán, Stefanou and Pons (2025), doi:10.1016/j.jcp.2024.113656. The first update starts from H = (yᵀs / yᵀy) I. H is kept as
    a multiple of a matrix and some squares that are not added yet.

    Parameters
    ----------
    theta : for size, precision and device.
    memory : what an earlier one returned.
    """

    def __init__(self, theta: Tensor, memory: Mapping[str, Any] | None = None):
        self._matrix: Tensor | None = None
        self._vectors, self._weights = theta.new_zeros((WAITING, len(theta))), theta.new_zeros(WAITING)
        self._scale, self._waiting = 1.0, 0
        if memory:
            self._matrix = memory["matrix"].to(theta.device, copy=True)
            self._scale, self._waiting = memory["scale"], len(memory["weights"])
            self._vectors[: self._waiting], self._weights[: self._waiting] = memory["vectors"], memory["weights"]

    @property
    def is_fresh(self) -> bool:
        """Whether H is still the identity."""
        return self._matrix is None

    def reset(self) -> None:
        """Make H the identity."""
        self._matrix, self._scale, self._waiting = None, 1.0, 0

    def times(self, gradient: Tensor) -> Tensor:
        """Return H g, (params,)."""
        if self._matrix is None:
            return gradient.clone()
        vectors, weights = self._vectors[: self._waiting], self._weights[: self._waiting]
        return (self._matrix @ gradient).mul_(self._scale).addmv_(vectors.T, weights * (vectors @ gradient))

    def update(self, move: Tensor, change: Tensor, curvature: float) -> None:
        """Learn from a pair (params,); updates whose numbers overflow or vanish are left out."""
        inner = float(torch.dot(move, change))
        if self._matrix is None:
            scale = inner / float(torch.dot(change, change))
            if not (math.isfinite(scale) and scale > 0):
                return
            self._matrix = torch.eye(len(move), dtype=move.dtype, device=move.device).mul_(scale)
            curvature = curvature / scale
        image = self.times(change)
        energy = float(torch.dot(change, image))
        choice = choose(inner, energy, curvature, len(move))
        if choice is not None:
            self._add(choice.tau, *squares(choice, image, move, inner, energy))

    def _add(self, tau: float, vectors: Tensor, weights: Tensor) -> None:
        """Divide H by τ and add weighted squares of vectors (number, params)."""
        assert self._matrix is not None
        start, self._waiting = self._waiting, self._waiting + len(vectors)
        self._scale /= tau
        self._weights[:start] /= tau
        self._vectors[start : self._waiting], self._weights[start : self._waiting] = vectors, weights
        if self._waiting + len(vectors) > WAITING:
            known = self._vectors[: self._waiting]
            self._matrix.addmm_((self._weights[: self._waiting, None] * known).T, known, beta=self._scale)
            self._scale, self._waiting = 1.0, 0

    def memory(self) -> dict[str, Any]:
        """Return the matrix, if there is one, and what waits to be added to it."""
        if self._matrix is None:
            return {}
        waiting = {"vectors": self._vectors[: self._waiting], "weights": self._weights[: self._waiting]}
        return {"matrix": self._matrix, "scale": self._scale, **waiting}


class Choice(NamedTuple):
    """Scaling τ and member φ of the family; 1 is BFGS, 0 is DFP."""

    tau: float
    phi: float


def squares(choice: Choice, image: Tensor, move: Tensor, inner: float, energy: float) -> tuple[Tensor, Tensor]:
    """Return vectors (3, params) and signs (3,): the sum of their squares is what H/τ changes by.

    Parameters
    ----------
    image, move : Hy and s. inner, energy : yᵀs and yᵀHy.
    """
    tau, phi = choice
    v = move / inner - image / energy
    vectors = torch.stack([image / math.sqrt(energy * tau), v * math.sqrt(abs(phi) * energy / tau), move / math.sqrt(inner)])
    return vectors, torch.tensor([-1.0, math.copysign(1.0, phi), 1.0], dtype=move.dtype, device=move.device)


def choose(inner: float, energy: float, curvature: float, num_params: int) -> Choice | None:
    """Return τ and φ, or None where the numbers allow no safe update.

    Parameters
    ----------
    inner : yᵀs. energy : yᵀHy. curvature : sᵀH⁻¹s. All positive.
    num_params : length of s.
    """
    if not (inner > 0 and energy > 0 and curvature > 0):
        return None
    b, h = curvature / inner, energy / inner
    a = max(0.0, b * h - 1)
    if not (math.isfinite(a) and b > 0 and h > 0):
        return None
    if a < 1e-12:
        return Choice(min(1.0, 1 / b), 1.0)
    least = min(1.0, h * (1 - math.sqrt(a / (1 + a))))
    if least <= 0:
        return None
    theta = max((least - 1) / a, min(1 / least, (1 - b) / b))
    sigma = 1 + a * theta
    if sigma <= 0:
        return None
    spread = sigma ** (1 / (1 - num_params)) if num_params > 1 else 1.0
    bound = min(1.0, 1 / b)
    tau = min(bound * spread, sigma) if theta <= 0 else bound * min(spread, 1 / theta)
    return Choice(tau, (1 - theta) / sigma)
