import numpy as np
import pytest
from judged_fields import heat, shipped

from pinn.judge.choose import reference
from pinn.judge.classical import METHODS, Point, _compared, classical
from pinn.judge.reference import no_reference
from pinn.judge.settings import FiniteDifferenceReference


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
    found = _compared(lines, error=1e-3, seconds=0.6)
    assert found.seconds_at_equal_error == pytest.approx(0.1) and found.method_at_equal_error == "order 2"
    assert found.error_at_equal_time == 1e-2
    nothing = _compared(lines, error=1e-9, seconds=1e-3)
    assert nothing.seconds_at_equal_error is None and nothing.error_at_equal_time is None
    assert _compared(lines, error=np.nan, seconds=1.0).seconds_at_equal_error is None


def test_without_a_reference_there_is_no_line():
    assert classical(heat(), no_reference("none"), 1e-3, 1.0).why


def rough_reference():
    return reference(heat(), FiniteDifferenceReference(cache=False, target=1e-3))


def test_near_the_bar_of_the_reference_errors_are_upper_bounds():
    problem, rough = heat(), rough_reference()
    found = classical(problem, rough, error=1e-12, seconds=10.0, limit=1.0)
    truth = classical(problem, reference(problem), error=1e-12, seconds=10.0, limit=1.0)
    assert found.floor == rough.bar == found.record()["floor"] and truth.floor == 0.0
    true_errors = {(point.method, point.cells): point.error for point in truth.lines}
    assert any(point.limited for point in found.lines) and not all(point.limited for point in found.lines)
    for point in found.lines:
        true = true_errors.get((point.method, point.cells))
        if true is not None:
            assert point.error >= true if point.limited else point.error == pytest.approx(true, rel=0.35)
    assert {"limited"} <= set(found.record()["lines"][0])


def test_nothing_is_claimed_below_the_bar_of_the_reference():
    rough = rough_reference()
    found = classical(heat(), rough, error=rough.bar / 10, seconds=10.0, limit=1.0)
    assert found.seconds_at_equal_error is None and found.limited_at_equal_error
    assert found.limited_at_equal_time and found.error_at_equal_time >= rough.bar
    known = classical(heat(), reference(heat()), error=1e-6, seconds=10.0, limit=1.0)
    assert known.seconds_at_equal_error and not known.limited_at_equal_error and not known.limited_at_equal_time


def test_a_hidden_point_may_be_the_faster_one():
    lines = (Point("order 2", 8, 5.0, 1e-6), Point("order 8", 8, 0.1, 2e-6, True))
    found = _compared(lines, error=1.5e-6, seconds=1.0)
    assert found.seconds_at_equal_error == 5.0 and found.limited_at_equal_error
