"""The running stage of `pinn.solver.spring.Spring`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pinn.solver.linear_model import LinearModel
from pinn.solver.normal_equation import NormalEquation
from pinn.solver.stage import Step, Value

if TYPE_CHECKING:
    from pinn.solver.spring import Spring

HALVINGS = 30
"""Most halvings of a step."""


class SpringProcess:
    """One step for each `advance`; the loss at the points of the step never rises.

    Parameters
    ----------
    theta : where to begin, (params,); not changed.
    memory : what an earlier process had in mind.
    """

    def __init__(self, settings: Spring, theta: Tensor, memory: Mapping[str, Any] | None):
        self.theta = theta.detach().clone()
        self._settings = settings
        self._direction = memory["direction"].cpu().numpy().copy() if memory else np.zeros(len(theta))

    def advance(self, rows: Any) -> Step:
        """Go along the new direction; without descent, forget the old ones, or end where there are none."""
        model, before = LinearModel(rows, self.theta), self._direction
        self._direction = direction(model, self._settings.momentum * before, self._settings.damping)
        found, spent = self._search(model)
        if found is None:
            self._direction, value = np.zeros_like(before), rows.evaluate(self.theta)
            return Step(float(value.loss), value.losses, spent + 1, "" if before.any() else "no further descent")
        self.theta, value = found
        return Step(float(value.loss), value.losses, spent)

    def memory(self) -> dict[str, Any]:
        """Return the last direction, float64."""
        return {"direction": torch.as_tensor(self._direction)}

    def _search(self, model: LinearModel) -> tuple[tuple[Tensor, Value] | None, int]:
        """Return θ and its value before halving the step makes it worse, and evaluations; None if the loss falls nowhere."""
        best, least, spent = None, model.loss, 0
        while spent <= HALVINGS:
            theta, value = model.moved(self._settings.rate * 0.5**spent * self._direction)
            spent += 1
            if float(value.loss) < least:
                best, least = (theta, value), float(value.loss)
            elif best is not None:
                break
        return best, spent


def direction(model: LinearModel, memory: np.ndarray, damping: float) -> np.ndarray:
    """Return the d (params,) with the least |r + J d|² + λ|d − m|² for m = ``memory``; λ in units of the mean diagonal of JᵀJ."""
    return memory + NormalEquation(model.jacobian).solve(-model.residual - model.jacobian @ memory, damping)
