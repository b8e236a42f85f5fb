"""The inverse Hessian of L-BFGS in compact form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class LimitedMemory:
    """H = γI + [S γY] M [S γY]ᵀ from the last pairs s, y: three products with the history instead of a loop over it.

    Byrd, Nocedal and Schnabel (1994), doi:10.1007/BF01582063, eq. 3.1: with R the upper triangle of SᵀY, D its diagonal,
    H g = γ g + S w − γ Y u, where u = R⁻¹Sᵀg and w = R⁻ᵀ[(D + γYᵀY) u − γ Yᵀg]; γ = sᵀy / yᵀy of the last pair.

    Parameters
    ----------
    history : pairs kept.
    theta : for size, precision and device.
    memory : what an earlier one returned.
    """

    def __init__(self, history: int, theta: Tensor, memory: Mapping[str, Any] | None = None):
        self._history, self._like = history, theta
        self.reset()
        if memory:
            self._moves[: memory["stored"]], self._changes[: memory["stored"]] = memory["moves"], memory["changes"]
            self._products, self._squares = (memory[name].to(theta.device, copy=True) for name in ("products", "squares"))
            self._stored, self._next = memory["stored"], memory["next"]

    def reset(self) -> None:
        """Forget all pairs."""
        self._moves = self._like.new_zeros(self._history, self._like.numel())
        self._changes = torch.zeros_like(self._moves)
        self._products = self._like.new_zeros(self._history, self._history)
        self._squares = torch.zeros_like(self._products)
        self._stored = self._next = 0

    @property
    def is_fresh(self) -> bool:
        """Whether there are no pairs."""
        return self._stored == 0

    def _order(self) -> Tensor:
        """Return the slots from the oldest pair to the last."""
        slots = torch.arange(self._stored, device=self._like.device)
        return slots if self._stored < self._history else (slots + self._next) % self._history

    def times(self, gradient: Tensor) -> Tensor:
        """Return H g, (params,)."""
        if self.is_fresh:
            return gradient.clone()
        order, stored = self._order(), self._stored
        products, squares = self._products[order][:, order], self._squares[order][:, order]
        triangle, diagonal = products.triu(), products.diagonal()
        gamma = diagonal[-1] / squares[-1, -1]
        a = (self._moves[:stored] @ gradient)[order]
        b = (self._changes[:stored] @ gradient)[order]
        u = torch.linalg.solve_triangular(triangle, a[:, None], upper=True)[:, 0]
        right = diagonal * u + gamma * (squares @ u - b)
        w = torch.linalg.solve_triangular(triangle.T, right[:, None], upper=False)[:, 0]
        in_slots = torch.zeros_like(u).index_copy_(0, order, w), torch.zeros_like(u).index_copy_(0, order, u)
        return gamma * (gradient - in_slots[1] @ self._changes[:stored]) + in_slots[0] @ self._moves[:stored]

    def update(self, move: Tensor, change: Tensor, curvature: float) -> None:
        """Store a pair (params,) in the place of the oldest; pairs with hardly any curvature are left out."""
        eps = torch.finfo(move.dtype).eps
        if float(torch.dot(move, change)) <= eps * float(change.square().sum()):
            return
        slot, self._next = self._next, (self._next + 1) % self._history
        self._stored = min(self._stored + 1, self._history)
        self._moves[slot], self._changes[slot] = move, change
        self._products[slot], self._products[:, slot] = self._changes @ move, self._moves @ change
        self._squares[slot] = self._squares[:, slot] = self._changes @ change

    def memory(self) -> dict[str, Any]:
        """Return the pairs and their products."""
        return {
            "moves": self._moves[: self._stored],
            "changes": self._changes[: self._stored],
            "products": self._products,
            "squares": self._squares,
            "stored": self._stored,
            "next": self._next,
        }
