import numpy as np
import pytest

from pinn.judge.stencils import chebyshev_nodes, difference_matrix, fornberg, gauss_rule


def smooth_nodes(cells):
    s = np.linspace(0, 1, cells + 1)
    return s + 0.08 * np.sin(2 * np.pi * s)


def observed_order(error, cells=(32, 64)):
    coarse, fine = (error(n) for n in cells)
    return np.log2(coarse / fine)


def test_fornberg_reproduces_the_classical_weights():
    nodes = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    np.testing.assert_allclose(fornberg(np.zeros(1), nodes, 1)[0] * 12, [1, -8, 0, 8, -1], atol=1e-14)
    np.testing.assert_allclose(fornberg(np.zeros(1), nodes, 2)[0] * 12, [-1, 16, -30, 16, -1], atol=1e-13)
    np.testing.assert_allclose(fornberg(np.zeros(1), nodes, 4)[0], [1, -4, 6, -4, 1], atol=1e-13)


@pytest.mark.parametrize("accuracy", [2, 4])
@pytest.mark.parametrize("derivative", [1, 2, 3, 4])
def test_order_on_smooth_nodes_with_walls(derivative, accuracy):
    def error(cells):
        x = smooth_nodes(cells)
        values = difference_matrix(x, derivative, accuracy) @ np.exp(2 * x)
        return np.linalg.norm(values - 2**derivative * np.exp(2 * x)) / np.sqrt(cells)

    assert error(64) < 2.0 ** (derivative + 6) * 64.0**-accuracy * 10**accuracy
    assert observed_order(error) > accuracy - 0.35


@pytest.mark.parametrize("accuracy", [2, 4])
@pytest.mark.parametrize("derivative", [0, 1, 2, 3])
def test_order_at_half_nodes(derivative, accuracy):
    def error(cells):
        x = smooth_nodes(cells)
        half = (x[1:] + x[:-1]) / 2
        exact = np.sin(2 * half + derivative * np.pi / 2) * 2**derivative
        return abs(difference_matrix(x, derivative, accuracy, at=half) @ np.sin(2 * x) - exact).max()

    assert observed_order(error, (64, 128)) > accuracy - 0.3


@pytest.mark.parametrize("accuracy", [2, 4, 6, 8])
def test_periodic_axes_wrap(accuracy):
    def error(cells):
        x = np.arange(cells) * 2 * np.pi / cells
        return abs(difference_matrix(x, 2, accuracy, period=2 * np.pi) @ np.sin(x) + np.sin(x)).max()

    assert observed_order(error, (12, 24)) == pytest.approx(accuracy, abs=0.25)
    x = np.arange(24) * 2 * np.pi / 24
    seam = difference_matrix(x, 0, 8, at=np.array([2 * np.pi, -0.1, 6.2]), period=2 * np.pi) @ np.cos(x)
    np.testing.assert_allclose(seam, np.cos([0, -0.1, 6.2]), atol=1e-5)


def test_too_few_periodic_nodes_are_refused():
    with pytest.raises(ValueError, match="at least"):
        difference_matrix(np.arange(4.0), 2, 8, period=4.0)


def test_full_width_on_chebyshev_nodes_is_spectral():
    x = chebyshev_nodes(20, -1, 2)
    assert abs(difference_matrix(x, 2, None) @ np.exp(x) - np.exp(x)).max() < 1e-10
    assert x[0] == -1 and x[-1] == 2 and np.all(np.diff(x) > 0)


def test_extrapolation_from_inner_nodes_keeps_the_order():
    def error(cells):
        x = np.linspace(0, 1, cells + 1)[1:-1]
        return abs(difference_matrix(x, 0, 4, at=np.array([0.0, 1.0])) @ np.exp(x) - np.exp([0.0, 1.0])).max()

    assert observed_order(error) == pytest.approx(4, abs=0.25)


def test_polynomials_are_differentiated_exactly():
    x = np.sort(np.random.default_rng(0).uniform(0, 1, 12))
    for derivative in range(3):
        exact = np.polynomial.Polynomial([1, -2, 3, 0.5]).deriv(derivative)(x)
        values = difference_matrix(x, derivative, 4) @ np.polynomial.Polynomial([1, -2, 3, 0.5])(x)
        np.testing.assert_allclose(values, exact, rtol=1e-7)


def test_gauss_rule_is_exact_for_polynomials_up_to_its_degree():
    place, weight = gauss_rule(np.array([0.0, 0.3, 1.0]), 3)
    assert weight @ place**5 == pytest.approx(1 / 6, abs=1e-15)
