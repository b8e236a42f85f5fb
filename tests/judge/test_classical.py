import numpy as np
import pytest
from judged_fields import heat, shipped

from pinn.judge.classical import METHODS, Point, _compared, classical
from pinn.judge.reference import no_reference, reference


def test_lines_fall_and_high_orders_win():
    problem = shipped("poisson_2d")
    found = classical(problem, reference(problem), error=1e-6, seconds=10.0, limit=6.0)
    for method in METHODS:
        line = [point.error for point in found.lines if point.method == method]
        assert len(line) >= 2 and line[-1] < line[0]
    assert found.method_at_equal_error in ("order 8", "chebyshev") and found.seconds_at_equal_error < 2.0
    assert found.error_at_equal_time < 1e-6
    assert {"order", "seconds_at_equal_error", "error_at_equal_time", "lines"} <= set(found.record())


def test_comparison_is_interpolated_between_grids():
    lines = (Point("order 2", 8, 0.01, 1e-2), Point("order 2", 16, 1.0, 1e-4), Point("order 4", 8, 0.5, 1e-2))
    found = _compared(lines, error=1e-3, seconds=0.6, why="")
    assert found.seconds_at_equal_error == pytest.approx(0.1) and found.method_at_equal_error == "order 2"
    assert found.error_at_equal_time == 1e-2
    nothing = _compared(lines, error=1e-9, seconds=1e-3, why="")
    assert nothing.seconds_at_equal_error is None and nothing.error_at_equal_time is None
    assert _compared(lines, error=np.nan, seconds=1.0, why="").seconds_at_equal_error is None


def test_without_a_reference_there_is_no_line():
    assert classical(heat(), no_reference("none"), 1e-3, 1.0).why
