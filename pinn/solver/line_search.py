"""Line search with the strong Wolfe conditions, safe against rounding and against points where the loss is not a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.solver.stage import Value

SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9


class Point(NamedTuple):
    """A point θ + step·direction and what is known there.

    Attributes
    ----------
    step : distance along the direction, in units of the direction.
    theta : parameters, (params,).
    value : loss, gradient and losses by term there.
    loss : the loss as a number; infinite where it is not finite.
    slope : derivative of the loss along the direction.
    """

    step: float
    theta: Tensor
    value: Value
    loss: float
    slope: float


@dataclass(frozen=True)
class Line:
    """The half line θ + step·direction together with the function on it.

    Two tests of descent are used: the loss fell by a fixed share of what the slope promised, or, where the difference of two
    losses is only rounding, the slope did (the approximate Wolfe conditions of Hager and Zhang, SIAM J. Optim. 16 (2005) 170,
    eq. 4.1).
    """

    evaluate: Callable[[Tensor], Value]
    origin: Point
    direction: Tensor

    def at(self, step: float) -> Point:
        """Evaluate the point at ``step``."""
        theta = torch.add(self.origin.theta, self.direction, alpha=step)
        value = self.evaluate(theta)
        loss, slope = float(value.loss), float(torch.dot(value.gradient, self.direction))
        finite = math.isfinite(loss) and math.isfinite(slope)
        return Point(step, theta, value, loss if finite else math.inf, slope)

    @property
    def rounding(self) -> float:
        """Differences of losses below this are rounding: eps^(2/3) of the loss."""
        return torch.finfo(self.origin.theta.dtype).eps ** (2 / 3) * abs(self.origin.loss)

    def descends(self, point: Point) -> bool:
        """Tell whether the loss fell enough, by its value or, within rounding, by its slope."""
        if point.loss <= self.origin.loss + SUFFICIENT_DECREASE * point.step * self.origin.slope:
            return True
        flat = abs(point.loss - self.origin.loss) <= self.rounding
        return flat and point.slope <= (2 * SUFFICIENT_DECREASE - 1) * self.origin.slope

    def is_flat_enough(self, point: Point) -> bool:
        """Tell whether the slope has lost most of its size."""
        return abs(point.slope) <= CURVATURE * abs(self.origin.slope)


def strong_wolfe(line: Line, step: float, max_evaluations: int) -> tuple[Point | None, int]:
    """Return a point that satisfies the strong Wolfe conditions and the number of evaluations spent.

    A bracket with the better end ``low`` shrinks by cubic interpolation (Nocedal and Wright, Numerical Optimization, algorithms
    3.5 and 3.6). When evaluations run out, the best point that descends is returned; None if there is none.

    Parameters
    ----------
    line : where to search; the slope at its origin must be negative.
    step : first step to try.
    max_evaluations : evaluations allowed.
    """
    low, high = line.origin, None
    for count in range(1, max_evaluations + 1):
        point = line.at(step)
        if not line.descends(point) or point.loss > low.loss + line.rounding:
            high = point
        elif line.is_flat_enough(point):
            return point, count
        else:
            turned = point.slope >= 0 if high is None else point.slope * (high.step - low.step) >= 0
            low, high, before = point, low if turned else high, low
        step = extrapolate(before, low) if high is None else interpolate(low, high)
        if high is not None and torch.equal(torch.add(line.origin.theta, line.direction, alpha=step), low.theta):
            break
    return (low, count) if low.step > 0 else (None, count)


def interpolate(low: Point, high: Point) -> float:
    """Return the step of the least cubic value between the ends of a bracket, kept a tenth of its length from them."""
    width = high.step - low.step
    if not math.isfinite(high.loss):
        return low.step + 0.1 * width
    step = cubic_minimum(low, high)
    first, last = sorted((low.step + 0.1 * width, low.step + 0.9 * width))
    return min(max(step, first), last) if math.isfinite(step) else low.step + 0.5 * width


def extrapolate(before: Point, point: Point) -> float:
    """Return a longer step: where the cubic through two points is least, between 2 and 10 times the last."""
    step = cubic_minimum(before, point)
    return min(max(step, 2 * point.step), 10 * point.step) if math.isfinite(step) else 10 * point.step


def cubic_minimum(a: Point, b: Point) -> float:
    """Return the minimum of the cubic with the losses and slopes of two points (Nocedal and Wright, eq. 3.59), or nan."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    below = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / below if below else math.nan
