"""The running stage of `pinn.solver.gauss_newton.GaussNewton`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.linalg import LinAlgError, blas, cho_factor, cho_solve
from torch import Tensor

from pinn.solver.stage import NonFinite, Step, Value

if TYPE_CHECKING:
    from pinn.solver.gauss_newton import GaussNewton

LEAST, LARGEST = 1e-16, 1e8
"""Range of the damping, in units of the mean of the diagonal of JᵀJ."""


class Trial(NamedTuple):
    """A step with one damping: the new parameters, the value there, and its fall of the loss over the foretold one."""

    theta: Tensor
    value: Value
    ratio: float


class GaussNewtonProcess:
    """One step for each `advance`; the loss never rises.

    Parameters
    ----------
    theta : where to begin, (params,); not changed.
    memory : what an earlier process had in mind.
    """

    def __init__(self, settings: GaussNewton, theta: Tensor, memory: Mapping[str, Any] | None):
        self.theta = theta.detach().clone()
        self._settings = settings
        self._damping = float(memory["damping"]) if memory else settings.damping

    def advance(self, rows: Any) -> Step:
        """Go down the ladder of dampings while the model is to be believed, or up until it is."""
        model = Model(rows, self.theta)
        best, damping, spent = self._try(model, self._damping), self._damping, 1
        factor = 1 / self._settings.ladder if self._is_good(best) else self._settings.ladder
        while LEAST < damping * factor < LARGEST:
            trial, spent = self._try(model, damping * factor), spent + 1
            if factor < 1 and not self._is_good(trial):
                break
            best, damping = trial, damping * factor
            if factor > 1 and self._is_good(best):
                break
        self._damping = damping
        if best is None or not best.ratio > 0:
            value = rows.evaluate(self.theta)
            return Step(float(value.loss), value.losses, spent + 1, "no further descent")
        self.theta = best.theta
        return Step(float(best.value.loss), best.value.losses, spent)

    def memory(self) -> dict[str, Any]:
        """Return the damping; θ holds everything else."""
        return {"damping": self._damping}

    def _is_good(self, trial: Trial | None) -> bool:
        return trial is not None and trial.ratio >= self._settings.accept

    @staticmethod
    def _try(model: Model, damping: float) -> Trial | None:
        """Return the step with a damping, or None where the matrix is not positive definite to rounding."""
        try:
            return model.step(damping)
        except LinAlgError:
            return None


class Model:
    """The linear model r + J d of the rows at θ.

    Raises
    ------
    NonFinite : residual or Jacobian is not finite.
    """

    def __init__(self, rows: Any, theta: Tensor):
        residual, matrix = rows.linearise(theta)
        self.rows, self.theta = rows, theta
        self.residual, self.jacobian = (part.cpu().double().numpy() for part in (residual, matrix.dense()))
        self.loss = float(self.residual @ self.residual)
        if not (math.isfinite(self.loss) and np.isfinite(self.jacobian).all()):
            raise NonFinite(theta, None)
        num_rows, num_params = self.jacobian.shape
        self._by_params = num_params <= num_rows
        self._normal = blas.dsyrk(1.0, self.jacobian.T, trans=0 if self._by_params else 1, lower=1)
        self._unit = float(np.trace(self._normal)) / num_params

    def step(self, damping: float) -> Trial:
        """Return the step with a damping, in units of the mean of the diagonal of JᵀJ.

        Raises
        ------
        LinAlgError : the matrix is not positive definite to rounding.
        """
        matrix = self._normal + damping * self._unit * np.eye(len(self._normal))
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
        if self._by_params:
            move = -cho_solve(factor, self.jacobian.T @ self.residual, check_finite=False)
        else:
            move = -self.jacobian.T @ cho_solve(factor, self.residual, check_finite=False)
        foretold = self.loss - float(np.sum((self.residual + self.jacobian @ move) ** 2))
        theta = self.theta + torch.as_tensor(move).to(self.theta)
        value = self.rows.evaluate(theta)
        fall = self.loss - float(value.loss)
        return Trial(theta, value, fall / foretold if foretold > 0 and math.isfinite(fall) else -math.inf)
