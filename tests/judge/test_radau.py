import numpy as np
import pytest
import scipy.sparse as sparse

from pinn.judge.radau import Radau
from pinn.judge.refusal import NoConvergence, NoReference


class Small:
    """F(t, y, y') = mass y' - f(t, y) with a dense Jacobian."""

    def __init__(self, mass, right, slope, linear=False):
        self.mass, self.right, self.slope, self.linear = np.asarray(mass, float), right, slope, linear

    def residual(self, step, times, values, rates):
        columns = [self.right(t, y) for t, y in zip(times, values.T, strict=True)]
        return self.mass @ rates - np.array(columns).T

    def jacobian(self, step, times, values, rates):
        return sparse.csc_matrix(-self.slope(times[-1], values[:, -1])), sparse.csc_matrix(self.mass)


def end_error(system, start, end, steps, exact, **keys):
    march = Radau(system, **keys)
    return abs(march.march(np.linspace(0, end, steps + 1), np.asarray(start, float))[-1] - exact).max(), march


def test_order_five_on_a_nonlinear_equation():
    system = Small(np.eye(1), lambda t, y: -2 * t * y**2, lambda t, y: np.diag(-4 * t * y))
    errors = [end_error(system, [1.0], 2.0, n, 0.2, tolerance=1e-14)[0] for n in (8, 16, 32)]
    assert np.log2(errors[1] / errors[2]) == pytest.approx(5, abs=0.3)
    assert errors[2] < 1e-7


def test_linear_systems_need_one_factorisation():
    matrix = np.array([[0.0, 1.0], [-1.0, 0.0]])
    system = Small(np.eye(2), lambda t, y: matrix @ y, lambda t, y: matrix, linear=True)
    error, march = end_error(system, [0.0, 1.0], 1.0, 20, np.array([np.sin(1), np.cos(1)]))
    assert error < 1e-9 and march.num_factorisations == 1


def test_stiff_relaxation_is_damped():
    system = Small(np.eye(1), lambda t, y: -1e6 * (y - np.cos(t)), lambda t, y: np.array([[-1e6]]))
    error, _ = end_error(system, [0.0], 1.0, 20, np.cos(1.0))
    assert error < 1e-5


def test_index_two_without_consistent_multiplier():
    """x' = v, v' = -lambda x + forcing with the constraint v = cos t determines lambda; x = sin t."""
    mass = np.diag([1.0, 1.0, 0.0])

    def right(t, y):
        x, v, multiplier = y
        return np.array([v, multiplier, v - np.cos(t)])

    slope = np.array([[0, 1, 0], [0, 0, 1], [0, 1, 0]], float)
    system = Small(mass, right, lambda t, y: slope)
    error, _ = end_error(system, [0.0, 1.0, 0.0], 1.0, 16, np.array([np.sin(1), np.cos(1), -np.sin(1)]))
    assert error < 2e-5


def test_blow_up_is_reported():
    system = Small(np.eye(1), lambda t, y: y**2, lambda t, y: np.diag(2 * y))
    with pytest.raises(NoConvergence):
        end_error(system, [1.0], 2.0, 10, 0.0)


def test_singular_systems_are_refused():
    zero = np.zeros((2, 2))
    system = Small(np.diag([1.0, 0.0]), lambda t, y: zero @ y, lambda t, y: zero, linear=True)
    with pytest.raises(NoReference, match="singular"):
        end_error(system, [1.0, 1.0], 1.0, 4, 0.0)


def test_changing_steps():
    system = Small(np.eye(1), lambda t, y: -(y**2), lambda t, y: np.diag(-2 * y))
    times = np.linspace(0, 1, 30) ** 2
    assert Radau(system).march(times, np.ones(1))[-1, 0] == pytest.approx(0.5, abs=1e-7)
