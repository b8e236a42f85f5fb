"""The running stage of `pinn.solver.least_squares.LeastSquares`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import lstsq
from torch import Tensor

from pinn.problem.settings import BadInput
from pinn.solver.block_least_squares import by_network, solve
from pinn.solver.stage import NonFinite, Step

if TYPE_CHECKING:
    from pinn.solver.least_squares import LeastSquares
    from pinn.solver.rows import Rows

SHARE = 4
"""One in so many features is used to choose a factor."""

SHORTEST = 2.0**-10
"""Least part of a step that is tried where the whole step does not lower the loss."""

LITTLE = 0.9
"""A step that leaves more than this part of the loss is the last."""


class LeastSquaresProcess:
    """One linear solve for each `advance`; the loss never rises.

    Parameters
    ----------
    theta : where to begin, (params,); not changed.
    memory : what an earlier process had in mind.
    """

    def __init__(self, settings: LeastSquares, rows: Rows, theta: Tensor, memory: Mapping[str, Any] | None):
        parts = rows.parts
        if not len(parts["linear"]):
            raise BadInput("needs a field with a linear last layer; this network has none", "solver")
        self.theta = theta.detach().clone()
        self._settings = settings
        self._linear, self._hidden = (torch.as_tensor(parts[name], device=theta.device) for name in ("linear", "hidden"))
        self._is_scaled = bool(memory and memory["is_scaled"])

    def advance(self, rows: Any) -> Step:
        """Solve once; the first time choose a factor of the hidden parameters before."""
        spent = 0
        if not self._is_scaled:
            spent += self._choose_factor(rows)
        value = rows.evaluate(self.theta)
        if not math.isfinite(float(value.loss)):
            raise NonFinite(self.theta, None)
        move = self._move(rows, self.theta, self._linear)
        part = 1.0
        while part >= SHORTEST:
            theta = self._moved(self.theta, self._linear, part * move)
            new, spent = rows.evaluate(theta), spent + 1
            if float(new.loss) < float(value.loss):
                self.theta = theta
                is_last = part == 1.0 and float(new.loss) > LITTLE * float(value.loss)
                return Step(float(new.loss), new.losses, spent, "the squares are least" if is_last else "")
            part /= 2
        return Step(float(value.loss), value.losses, spent, "no further descent")

    def memory(self) -> dict[str, Any]:
        """Return whether the factor is chosen; θ holds everything else."""
        return {"is_scaled": self._is_scaled}

    def _choose_factor(self, rows: Rows) -> int:
        """Multiply the hidden parameters by the factor with the least residual; returns the number of solves."""
        factors, losses = self._settings.factors, []
        some = self._linear[::SHARE] if len(factors) > 1 else self._linear
        candidates = [self._moved(self.theta, self._hidden, (factor - 1) * self.theta[self._hidden]) for factor in factors]
        for theta in candidates if len(factors) > 1 else []:
            losses.append(float(rows.evaluate(self._moved(theta, some, self._move(rows, theta, some))).loss))
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break
        best = int(np.nanargmin(losses)) if losses and not np.isnan(losses).all() else 0
        self.theta, self._is_scaled = candidates[best], True
        return len(losses)

    def _move(self, rows: Rows, theta: Tensor, columns: Tensor) -> Tensor:
        """Return the step of some parameters that makes the linearised residual least, (columns,)."""
        residual, matrix = rows.linearise(theta)
        rank = max(self._settings.rank, torch.finfo(theta.dtype).eps)
        networks = by_network(matrix, rows.networks, columns)
        if networks is not None:
            right = -residual.cpu().double().numpy()
            if not (np.isfinite(right).all() and all(np.isfinite(each.values).all() for each in networks)):
                raise NonFinite(theta, None)
            middles = np.stack([middle for _, middle in rows.networks])
            return torch.as_tensor(solve(networks, right, middles, rank)).to(theta)
        part = matrix.columns_of(columns).cpu().double().numpy()
        size = np.linalg.norm(part, axis=0)
        size[size == 0] = 1.0
        right = -residual.cpu().double().numpy()
        if not (np.isfinite(part).all() and np.isfinite(right).all()):
            raise NonFinite(theta, None)
        found = lstsq(part / size, right, cond=rank, lapack_driver="gelsy", overwrite_a=True, check_finite=False)[0]
        return torch.as_tensor(found / size).to(theta)

    @staticmethod
    def _moved(theta: Tensor, columns: Tensor, move: Tensor) -> Tensor:
        return theta.index_add(0, columns, move)
