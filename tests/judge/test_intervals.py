"""Confidence intervals of unknown numbers."""

import math

import numpy as np
import pytest

from pinn.judge.intervals import intervals
from pinn.problem.unknowns import Unknown

PLAIN = [Unknown("a", (), scale=2.0, start=1.0), Unknown("b", (), scale=0.5, start=1.0)]


def line(rng, noise, stated):
    """Return what `intervals` says of a straight line a + b x through noisy values, whose truth is a = 1, b = 1."""
    x = np.linspace(-1, 2, 12)
    values = 1 + x + noise * rng.standard_normal(12)
    jacobian = np.stack([2.0 * np.ones(12), 0.5 * x], axis=1) / noise
    solved, *_ = np.linalg.lstsq(jacobian, (values - 1 - x) / noise, rcond=None)
    return solved, intervals(PLAIN, solved, jacobian @ solved - (values - 1 - x) / noise, jacobian, stated)


def test_standard_errors_are_those_of_linear_regression():
    x = np.linspace(-1, 2, 12)
    design = np.stack([np.ones(12), x], axis=1)
    expected = 0.1 * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    _, known = line(np.random.default_rng(0), 0.1, True)
    found = [known.of[name].standard_error for name in "ab"]
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    assert known.correlation[0, 1] == pytest.approx(-x.mean() / math.sqrt(np.mean(x**2)), rel=1e-8)
    low, high = known.of["a"].low, known.of["a"].high
    assert high - low == pytest.approx(2 * 1.959964 * expected[0], rel=1e-5)


@pytest.mark.parametrize("stated", [True, False])
def test_intervals_hold_the_truth_as_often_as_they_say(stated):
    rng, held = np.random.default_rng(1), 0
    for _ in range(2000):
        _, known = line(rng, 0.1, stated)
        held += known.of["b"].low <= 1 <= known.of["b"].high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_numbers_that_act_alike_cannot_be_told_apart():
    jacobian = np.stack([np.arange(5.0), 3 * np.arange(5.0)], axis=1)
    known = intervals(PLAIN, np.zeros(2), np.full(5, 0.1), jacobian, True)
    assert known.undetermined == "the observations cannot tell a and b apart: other values of them fit as well"
    assert known.of["a"].standard_error == math.inf


def test_a_number_that_no_observation_sees_is_named():
    jacobian = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    known = intervals(PLAIN, np.zeros(2), np.full(5, 0.1), jacobian, True)
    assert known.undetermined == "the observations do not determine b"
    assert math.isfinite(known.of["a"].standard_error)


def test_as_many_observations_as_numbers_say_nothing_of_the_error_unless_the_noise_is_stated():
    jacobian = np.array([[1.0, 0.2], [0.1, 1.0]])
    assert "nothing is known of their errors" in intervals(PLAIN, np.zeros(2), np.zeros(2), jacobian, False).undetermined
    assert not intervals(PLAIN, np.zeros(2), np.zeros(2), jacobian, True).undetermined


def test_intervals_of_bounded_and_positive_numbers_stay_where_these_are():
    unknowns = [Unknown("a", (), start=1.0, positive=True), Unknown("b", (), start=9.9, bounds=(0.0, 10.0))]
    known = intervals(unknowns, np.zeros(2), np.ones(9), np.eye(9, 2) * 0.5, True)
    assert 0 < known.of["a"].low < 1 < known.of["a"].high
    assert 0 < known.of["b"].low < 9.9 < known.of["b"].high < 10
    assert known.of["a"].standard_error == pytest.approx(2.0, rel=1e-6)
