import math

import pytest
import torch
from objectives import Function, rosenbrock

from pinn.solver.line_search import CURVATURE, SUFFICIENT_DECREASE, Line, Point, cubic_minimum, strong_wolfe

SHAPES = {
    "parabola": lambda x: (x - 1) ** 2,
    "quartic": lambda x: (x - 3) ** 4 + x,
    "valley": lambda x: -x / (x**2 + 2),
    "steep": lambda x: torch.exp(8 * (x - 1)) - 20 * x,
    "waves": lambda x: (x - 1) ** 2 + 0.05 * torch.sin(60 * x) - 0.5 * x,
    "cliff": lambda x: torch.where(x < 2, (x - 1.5) ** 2, torch.full_like(x, math.nan)),
    "root": lambda x: (2 - torch.sqrt(1.7 - x) - x) ** 2,
}


def line_of(shape):
    function = Function(lambda theta: SHAPES[shape](theta).sum(), 1)
    theta = torch.zeros(1, dtype=torch.float64)
    value = function.evaluate(theta)
    direction = -value.gradient
    origin = Point(0.0, theta, value, float(value.loss), float(-value.gradient.square().sum()))
    return function, Line(function.evaluate, origin, direction)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", [1e-6, 1e-3, 0.1, 1.0, 10.0, 1e4])
def test_strong_wolfe_conditions_hold(shape, first):
    function, line = line_of(shape)
    function.evaluations = 0
    point, count = strong_wolfe(line, first, 60)
    assert count == function.evaluations <= 25
    assert point is not None
    assert point.loss <= line.origin.loss + SUFFICIENT_DECREASE * point.step * line.origin.slope
    assert abs(point.slope) <= CURVATURE * abs(line.origin.slope)
    again = function.evaluate(line.origin.theta + point.step * line.direction)
    assert float(again.loss) == point.loss
    assert torch.equal(again.gradient, point.value.gradient)


def test_no_descent_is_told():
    function, line = line_of("parabola")
    wrong = Line(function.evaluate, line.origin._replace(slope=-1.0), -line.direction)
    point, count = strong_wolfe(wrong, 1.0, 12)
    assert point is None
    assert count == 12


def test_a_line_on_which_nothing_is_finite():
    function = Function(lambda theta: torch.where(theta == 0, theta + 1, theta * math.nan).sum(), 1)
    theta = torch.zeros(1, dtype=torch.float64)
    value = function.evaluate(theta)
    origin = Point(0.0, theta, value, 1.0, -1.0)
    assert strong_wolfe(Line(function.evaluate, origin, -value.gradient), 1.0, 10) == (None, 10)


def test_rounding_does_not_stop_it_before_the_slope_is_small():
    """Near the minimum of 1 + x²·1e-17 no difference of losses can be seen, but slopes can."""
    function = Function(lambda theta: 1 + 1e-17 * (theta - 1).square().sum(), 1)
    theta = torch.zeros(1, dtype=torch.float64)
    value = function.evaluate(theta)
    direction = torch.ones(1, dtype=torch.float64)
    point, _ = strong_wolfe(Line(function.evaluate, Point(0.0, theta, value, 1.0, -2e-17), direction), 0.3, 20)
    assert point is not None
    assert abs(point.slope) <= CURVATURE * 2e-17


def test_the_cubic_is_exact():
    def point(x):
        return Point(x, None, None, x**3 - 6 * x**2 + 9 * x, 3 * x**2 - 12 * x + 9)

    for a, b in ((0.5, 5.0), (5.0, 0.5), (2.0, 4.0)):
        assert abs(cubic_minimum(point(a), point(b)) - 3) < 1e-12


def test_a_long_valley_takes_few_evaluations():
    function = Function(rosenbrock, 2)
    theta = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    value = function.evaluate(theta)
    line = Line(
        function.evaluate, Point(0.0, theta, value, float(value.loss), float(-value.gradient.square().sum())), -value.gradient
    )
    point, count = strong_wolfe(line, 1.0, 25)
    assert count <= 8
    assert point.loss < 5
