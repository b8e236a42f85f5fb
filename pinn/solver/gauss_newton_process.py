"""The running stage of `pinn.solver.gauss_newton.GaussNewton`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from scipy.linalg import LinAlgError
from torch import Tensor

from pinn.problem.randomness import generator
from pinn.solver.linear_model import LinearModel
from pinn.solver.normal_equation import NormalEquation
from pinn.solver.sketch import SketchedEquation
from pinn.solver.stage import Step, Value

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
        self._damping: float = memory["damping"] if memory else settings.damping
        self._step: int = memory["step"] if memory else 0

    def advance(self, rows: Any) -> Step:
        """Take the step of a random subspace if there is one to take, else that among all parameters."""
        model, sketch, spent = LinearModel(rows, self.theta), self._settings.sketch, 0
        before, best = self._damping, None
        if sketch is not None and len(self.theta) >= 2 * sketch:
            best, spent = self._search(model, SketchedEquation(model.jacobian, sketch, generator(0, "sketch", self._step)))
        if best is None:
            self._damping = before
            best, more = self._search(model, NormalEquation(model.jacobian))
            spent += more
        self._step += 1
        if best is None:
            value = rows.evaluate(self.theta)
            return Step(float(value.loss), value.losses, spent + 1, "no further descent")
        self.theta = best.theta
        return Step(float(best.value.loss), best.value.losses, spent)

    def memory(self) -> dict[str, Any]:
        """Return the damping and the number of steps; θ holds everything else."""
        return {"damping": self._damping, "step": self._step}

    def _search(self, model: LinearModel, equation: NormalEquation | SketchedEquation) -> tuple[Trial | None, int]:
        """Go down the ladder of dampings while the model is to be believed, or up until it is; None if the loss does not fall."""
        best, damping, spent = self._try(model, equation, self._damping), self._damping, 1
        factor = 1 / self._settings.ladder if self._is_good(best) else self._settings.ladder
        while LEAST < damping * factor < LARGEST:
            trial, spent = self._try(model, equation, damping * factor), spent + 1
            if factor < 1 and not self._is_good(trial):
                break
            best, damping = trial, damping * factor
            if factor > 1 and self._is_good(best):
                break
        self._damping = damping
        return best if best is not None and best.ratio > 0 else None, spent

    def _try(self, model: LinearModel, equation: NormalEquation | SketchedEquation, damping: float) -> Trial | None:
        """Return the step with a damping in the equation's units, or None where its matrix is not positive definite to rounding."""
        try:
            move = equation.solve(-model.residual, damping)
        except LinAlgError:
            return None
        theta, value = model.moved(move)
        fall, foretold = model.loss - float(value.loss), model.foretold(move)
        return Trial(theta, value, fall / foretold if foretold > 0 and math.isfinite(fall) else -math.inf)

    def _is_good(self, trial: Trial | None) -> bool:
        return trial is not None and trial.ratio >= self._settings.accept
