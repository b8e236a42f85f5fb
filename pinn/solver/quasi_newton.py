"""Descent along −H g with a line search, whatever keeps the inverse Hessian H."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from pinn.solver.line_search import Line, Point, strong_wolfe
from pinn.solver.stage import NonFinite, Objective, Step, Value

IDLE_STEPS = 50
"""Steps without a new least loss after which a stage ends: it walks about in rounding."""


class InverseHessian(Protocol):
    """A symmetric positive definite approximation H of the inverse Hessian, (params, params)."""

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has been learnt yet, so that H is the identity."""

    def times(self, gradient: Tensor) -> Tensor:
        """Return H g, (params,)."""

    def update(self, move: Tensor, change: Tensor, curvature: float) -> None:
        """Learn from s = ``move`` and y = ``change`` of the gradient, (params,) each, and the curvature sᵀH⁻¹s; yᵀs is positive."""

    def reset(self) -> None:
        """Forget everything."""

    def memory(self) -> dict[str, Any]:
        """Return all that is needed to go on."""


class QuasiNewtonProcess:
    """One direction and one line search for each `advance`; the loss never rises by more than rounding.

    The value at θ is kept, so a step that accepts the first trial costs one evaluation. Points at which the loss is not finite
    are treated as too far away. When no descent is found, H is forgotten and the gradient tried before giving up; it also ends when
    only rounding changes the loss.

    Parameters
    ----------
    hessian : the inverse Hessian, with its memory already in it.
    rows : what is made small.
    theta : where to begin, (params,); not changed.
    max_evaluations : evaluations allowed for one line search.
    memory : what an earlier process had in mind; its value belongs to ``rows``.
    """

    def __init__(
        self, hessian: InverseHessian, rows: Objective, theta: Tensor, max_evaluations: int, memory: Mapping[str, Any] | None
    ):
        self.theta = theta.detach().clone()
        self._hessian, self._max_evaluations = hessian, max_evaluations
        self._rows: Objective | None = None
        self._value: Value | None = None
        self._before: float | None = None
        self._least, self._idle = math.inf, 0
        if memory:
            self._rows, self._before, self._least, self._idle = rows, *(memory[name] for name in ("before", "least", "idle"))
            self._value = Value(*(memory[name].to(theta.device, copy=True) for name in Value._fields))

    def advance(self, rows: Objective) -> Step:
        """Move to a lower loss; the loss returned is that after the move."""
        value, spent = self._see(rows)
        best, evaluations = self._search(rows, value)
        spent += evaluations
        if best is None and not self._hessian.is_fresh:
            self._hessian.reset()
            best, evaluations = self._search(rows, value)
            spent += evaluations
        if best is None:
            return Step(float(value.loss), value.losses, spent, self._exhausted)
        self._before = float(value.loss)
        self.theta, self._value = best.theta, best.value
        self._least, self._idle = (best.loss, 0) if best.loss < self._least else (self._least, self._idle + 1)
        return Step(best.loss, best.value.losses, spent, self._exhausted if self._idle >= IDLE_STEPS else "")

    def _see(self, rows: Objective) -> tuple[Value, int]:
        """Return the value at θ and the number of evaluations it took: one if ``rows`` are new."""
        if rows is self._rows and self._value is not None:
            return self._value, 0
        value = rows.evaluate(self.theta)
        if not math.isfinite(float(value.loss)) or not bool(value.gradient.isfinite().all()):
            raise NonFinite(self.theta, None if self._value is None else self.theta)
        self._rows, self._value, self._before = rows, value, None
        self._least, self._idle = float(value.loss), 0
        return value, 1

    def _search(self, rows: Objective, value: Value) -> tuple[Point | None, int]:
        direction = self._hessian.times(value.gradient).neg_()
        slope = float(torch.dot(value.gradient, direction))
        if not -math.inf < slope < 0:
            return None, 0
        origin = Point(0.0, self.theta, value, float(value.loss), slope)
        line = Line(rows.evaluate, origin, direction)
        best, evaluations = strong_wolfe(line, self._first_step(origin, direction), self._max_evaluations)
        if best is not None:
            change = best.value.gradient - value.gradient
            if float(torch.dot(change, direction)) > 0:
                self._hessian.update(best.step * direction, change, -best.step * best.step * slope)
        return best, evaluations

    def _first_step(self, origin: Point, direction: Tensor) -> float:
        """Return the step at which a parabola with this slope falls as far as the last step did, but at most 1.

        Nocedal and Wright, Numerical Optimization, eq. 3.60. The unit step is mostly too long
        for the self-scaled update.
        """
        if self._hessian.is_fresh:
            return min(1.0, 1.0 / float(direction.norm()))
        if self._before is None or self._before <= origin.loss:
            return 1.0
        return min(1.0, 2.02 * (origin.loss - self._before) / origin.slope)

    @property
    def _exhausted(self) -> str:
        return f"no further descent in {str(self.theta.dtype).removeprefix('torch.')}"

    def memory(self) -> dict[str, Any]:
        """Return the value at θ, what is known of losses, and the memory of H; nothing before the first step."""
        if self._value is None:
            return {}
        losses = {"before": self._before, "least": self._least, "idle": self._idle}
        return {**self._value._asdict(), **losses, "hessian": self._hessian.memory()}
