"""The search for a few numbers."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from pinn.solver import fit

X = np.linspace(0, 2, 30)
NOISE = 0.05 * np.random.default_rng(0).standard_normal(30)


def misfit(parameters):
    rate, size = parameters
    if not -50 < rate < 50:
        raise FloatingPointError("no solution")
    return size * np.exp(-rate * X) - (2.5 * np.exp(-1.3 * X) + NOISE)


def test_it_ends_where_an_established_solver_ends():
    *_, found = fit.search(misfit, fit.begin(misfit, np.array([0.1, 0.3])), 100)
    expected = least_squares(misfit, [1.0, 2.0], xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    np.testing.assert_allclose(found.parameters, expected, rtol=1e-6)
    assert "not change any more" in found.reason


def test_steps_never_make_misfits_larger():
    costs = [state.cost for state in fit.search(misfit, fit.begin(misfit, np.array([4.0, 9.0])), 100)]
    assert all(after <= before for before, after in zip(costs[:-1], costs[1:], strict=True))


def test_trials_without_a_solution_are_given_up():
    def narrow(parameters):
        if parameters[0] > 1.5:
            raise FloatingPointError("no solution")
        return misfit(parameters)

    *_, found = fit.search(narrow, fit.begin(narrow, np.array([-2.0, 1.0])), 100)
    assert found.parameters[0] == pytest.approx(1.3, abs=0.1)


def test_observations_that_are_matched_exactly_end_it():
    def exact(parameters):
        return misfit(parameters) + NOISE

    *_, found = fit.search(exact, fit.begin(exact, np.array([0.5, 1.0])), 100)
    np.testing.assert_allclose(found.parameters, [1.3, 2.5], rtol=1e-9)


def test_going_on_from_a_state_gives_the_same_steps():
    straight = [state.parameters.copy() for state in fit.search(misfit, fit.begin(misfit, np.array([0.1, 0.3])), 100)]
    first = next(iter(fit.search(misfit, fit.begin(misfit, np.array([0.1, 0.3])), 100)))
    again = fit.begin(misfit, first.parameters)
    again.damping, again.radius, again.first = first.damping, first.radius, first.first
    np.testing.assert_array_equal(next(iter(fit.search(misfit, again, 99))).parameters, straight[1])


def test_slopes_are_those_of_the_formula():
    rate, size = parameters = np.array([1.1, 2.0])
    expected = np.stack([-size * X * np.exp(-rate * X), np.exp(-rate * X)], axis=1)
    np.testing.assert_allclose(fit.slopes(misfit, parameters), expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(fit.slopes(misfit, parameters, misfit(parameters)), expected, atol=1e-3)


def test_numbers_far_from_their_start_are_reached_in_few_steps():
    def far(parameters):
        return np.array([parameters[0] - 1000.0, 3 * (parameters[1] + 500.0)])

    *_, found = fit.search(far, fit.begin(far, np.zeros(2)), 100)
    np.testing.assert_allclose(found.parameters, [1000, -500])
    assert found.solves < 50  # steps of length one would be a thousand


def test_a_long_trial_without_a_solution_shortens_the_radius_and_not_the_damping():
    def narrow(parameters):
        if not 0 < parameters[0] < 3:
            raise FloatingPointError("no solution")
        return np.log(parameters) - np.log(0.01)

    *_, found = fit.search(narrow, fit.begin(narrow, np.array([2.0])), 100)
    assert found.parameters[0] == pytest.approx(0.01)
