import numpy as np
import pytest

from pinn.judge.error_bar import SMALLEST_BAR, error_bar, rounding_error
from pinn.judge.linear import factorise

TRUTH = np.ones(50)


def three(order, constant, drift=0.0):
    return [TRUTH * (1 + constant * 2.0 ** (-order * k) + drift * 2.0 ** (-(order + 2) * k)) for k in range(3)]


@pytest.mark.parametrize("order", [2, 4])
def test_observed_bar_contains_the_truth_and_is_not_much_larger(order):
    grids = three(order, 1e-2, 1e-3)
    bar = error_bar(*grids, order)
    truth = abs(grids[2][0] - 1)
    assert bar.state == "observed" and abs(bar.order - order) < 0.3
    assert truth < bar.bar < 2.5 * truth


def test_an_order_too_high_is_as_suspicious_as_one_too_low():
    assert error_bar(*three(4.0, 1e-2), 2).state == "not asymptotic"
    assert error_bar(*three(1.0, 1e-2), 2).state == "not asymptotic"
    assert error_bar(*three(0.2, 1e-2), 2).state == "none"
    high, low = error_bar(*three(4.0, 1e-2), 2), error_bar(*three(1.0, 1e-2), 2)
    assert high.bar == pytest.approx(6 * high.differences[1]) and low.bar == pytest.approx(3 * low.differences[1])


def test_unresolved_grids_are_not_called_observed():
    assert error_bar(*three(2.0, 0.5), 2).state == "not asymptotic"


def test_rounding_and_the_smallest_bar():
    rng = np.random.default_rng(0)
    grids = [TRUTH + 1e-15 * rng.standard_normal(50) for _ in range(3)]
    bar = error_bar(*grids, 4)
    assert bar.state == "roundoff" and bar.bar == SMALLEST_BAR
    assert error_bar(*three(4, 1e-9), 4, rounding=1e-8).bar >= 3e-8


def test_zero_and_infinite_solutions():
    zero = np.zeros(4)
    assert error_bar(zero, zero, zero, 2).state == "roundoff"
    assert error_bar(np.full(4, np.inf), zero, np.ones(4), 2).state == "none"


def test_weights_enter_the_norm():
    weights = np.where(np.arange(50) < 25, 1.0, 0.0)
    grids = [g + np.where(np.arange(50) < 25, 0.0, 5.0 * k) for k, g in enumerate(three(2, 1e-2))]
    assert error_bar(*grids, 2, weights=weights).state == "observed"


def test_rounding_error_sees_bad_conditioning():
    good, bad = np.diag([1.0, 1.0]), np.array([[1.0, 1.0], [1.0, 1.0 + 1e-8]])
    import scipy.sparse as sparse

    sizes = [
        rounding_error(sparse.csc_matrix(m), factorise(sparse.csc_matrix(m)), np.ones(2), np.random.default_rng(1))
        for m in (good, bad)
    ]
    assert sizes[0] < 1e-15 and sizes[1] > 1e-9
