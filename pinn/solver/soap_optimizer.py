"""The steps of `pinn.solver.soap.Soap`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-8
"""Added to the root of the average square, as in Adam."""

SIDES = ("left", "right")


class SoapOptimizer(torch.optim.Optimizer):
    """One parameter vector θ, of which some consecutive pieces are matrices.

    Matrices of equal size are treated together. Averages are kept for all of θ: of the gradient as it is, of its square in the
    bases, where parameters that belong to no matrix stay as they are.

    Parameters
    ----------
    parameters : θ alone, (params,).
    shapes : of the pieces of θ from its beginning; more than two axes stand for as many matrices of the last two.
    rate, momentum, refresh : as `pinn.solver.soap.Soap` has them.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        shapes: Sequence[tuple[int, ...]],
        rate: float,
        momentum: tuple[float, float],
        refresh: int,
    ):
        super().__init__(parameters, {"lr": rate})
        (self._theta,), self._momentum, self._refresh = parameters, momentum, refresh
        self._home = torch.device("cpu") if self._theta.device.type == "mps" else self._theta.device  # mps knows no float64
        self._matrices = [Matrices(place.to(self._home), size) for size, place in places(shapes).items()]
        self._memory: dict[str, Any] = {}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move θ by the gradient it carries; the first one only makes the bases, in which it has hardly any entries."""
        gradient = torch.as_tensor(self._theta.grad).to(self._home, torch.float64)
        if not self._memory:
            self._begin(gradient)
            return
        memory = self._memory
        memory["step"] += 1
        memory["average"].lerp_(gradient, 1 - self._momentum[0])
        memory["squares"].lerp_(self._turned(gradient).square(), 1 - self._momentum[1])
        mean = memory["average"] / (1 - self._momentum[0] ** memory["step"])
        square = memory["squares"] / (1 - self._momentum[1] ** memory["step"])
        move = self._turned_back(self._turned(mean) / (square.sqrt() + EPSILON))
        self._theta.sub_(move.to(self._theta), alpha=self.param_groups[0]["lr"])
        self._learn(gradient)

    def _begin(self, gradient: Tensor) -> None:
        """Start the averages of products and the bases with the first gradient, the others with zero."""
        self._memory = {"step": 0, "average": torch.zeros_like(gradient), "squares": torch.zeros_like(gradient), "bases": []}
        for matrices in self._matrices:
            found = {}
            for side, product in zip(SIDES, matrices.products(gradient), strict=True):
                found[side] = product * (1 - self._momentum[1])
                found[f"{side} basis"] = torch.linalg.eigh(product)[1].flip(-1)
            self._memory["bases"].append(found)

    def _learn(self, gradient: Tensor) -> None:
        """Take a gradient into the averages of GGᵀ and GᵀG, and renew the bases when it is time."""
        memory = self._memory
        for matrices, found in zip(self._matrices, memory["bases"], strict=True):
            for side, product in zip(SIDES, matrices.products(gradient), strict=True):
                found[side].lerp_(product, 1 - self._momentum[1])
            if memory["step"] % self._refresh == 0:
                squares = matrices.of(memory["squares"])
                for axis, side in zip((-2, -1), SIDES, strict=True):
                    found[f"{side} basis"], order = renewed(found[side], found[f"{side} basis"])
                    squares = squares.gather(axis, order.unsqueeze(-1 if axis == -2 else -2).expand_as(squares))
                matrices.put(memory["squares"], squares)

    def _turned(self, vector: Tensor) -> Tensor:
        """Return QₗᵀMQᵣ for the matrices M of a vector (params,), and the rest as it is."""
        turned = vector.clone()
        for matrices, left, right in self._bases():
            matrices.put(turned, left.mT @ matrices.of(vector) @ right)
        return turned

    def _turned_back(self, vector: Tensor) -> Tensor:
        """Return QₗMQᵣᵀ: the inverse of `_turned`."""
        turned = vector.clone()
        for matrices, left, right in self._bases():
            matrices.put(turned, left @ matrices.of(vector) @ right.mT)
        return turned

    def _bases(self) -> Iterator[tuple[Matrices, Tensor, Tensor]]:
        for matrices, found in zip(self._matrices, self._memory["bases"], strict=True):
            yield matrices, found["left basis"], found["right basis"]

    def state_dict(self) -> dict[str, Any]:
        """Return all averages and bases; torch's own would give them the precision of θ when they are loaded."""
        return self._memory

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from averages and bases."""
        bases = [self._owned(found) for found in state_dict["bases"]] if state_dict else []
        self._memory = {**self._owned(state_dict), "bases": bases} if state_dict else {}

    def _owned(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value.to(self._home, copy=True) if isinstance(value, Tensor) else value for name, value in values.items()}


class Matrices:
    """Matrices of one size in a flat vector: ``place`` are the positions of their entries, (matrices, entries)."""

    def __init__(self, place: Tensor, size: tuple[int, int]):
        self._place, self._size = place, size

    def of(self, vector: Tensor) -> Tensor:
        """Return the matrices of a vector (params,)."""
        return vector[self._place].unflatten(-1, self._size)

    def put(self, vector: Tensor, values: Tensor) -> None:
        """Write matrices into a vector (params,)."""
        vector[self._place] = values.flatten(-2)

    def products(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return GGᵀ and GᵀG of all matrices G of a vector (params,)."""
        values = self.of(vector)
        return values @ values.mT, values.mT @ values


def places(shapes: Sequence[tuple[int, ...]]) -> dict[tuple[int, int], Tensor]:
    """Return where the entries of matrices lie in θ, (matrices, entries), by their size."""
    found: dict[tuple[int, int], list[Tensor]] = {}
    first = 0
    for shape in shapes:
        last = first + prod(shape)
        if len(shape) > 1 and last > first:
            found.setdefault((shape[-2], shape[-1]), []).append(torch.arange(first, last).view(-1, shape[-2] * shape[-1]))
        first = last
    return {size: torch.cat(parts) for size, parts in found.items()}


def renewed(product: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Return bases after a step of power iteration on averages P, and the order (matrices, n) in which it took the old vectors.

    Q from the factorisation QR = PQ, with the vectors in the order of falling qᵀPq (Vyas et al., algorithm 4): squares that belong
    to the old vectors are to be put into that order.
    """
    order = (basis * (product @ basis)).sum(-2).argsort(dim=-1, descending=True, stable=True)
    sorted_basis = basis.gather(-1, order.unsqueeze(-2).expand_as(basis))
    return torch.linalg.qr(product @ sorted_basis)[0], order
