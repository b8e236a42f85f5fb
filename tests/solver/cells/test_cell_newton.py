"""Gauss-Newton on covers: it goes down, fast near the end, and says where it came to."""

import numpy as np
import pytest
from by_hand import make_field, read

from pinn.solver.cells.newton import LITTLE, gauss_newton
from pinn.solver.cells.system import Step, System

LOGISTIC = ({"x": [0, 2]}, {"law": "u_x = u*(1 - u)"}, {"start": {"at": "x = 0", "u": 0.5}})


def always(tolerance):
    """The same tolerance for all coefficients."""
    return lambda coefficients: tolerance


def logistic(cells=2, degree=16):
    problem = read(*LOGISTIC)
    field = make_field(problem, [cells], degree)
    return System(problem, field, problem.residuals), field


class Watched:
    """A system that keeps the norm before and after each step."""

    def __init__(self, system):
        self.system, self.before, self.after, self.moves = system, [], [], []

    def step(self, coefficients):
        found = self.system.step(coefficients)
        self.before.append(found.norm)
        self.moves.append(np.linalg.norm(found.move))
        self.after.append([])
        return found

    def norm(self, coefficients):
        self.after[-1].append(self.system.norm(coefficients))
        return self.after[-1][-1]


def test_the_solution_of_an_equation_that_is_not_linear():
    system, field = logistic()
    found = gauss_newton(system, np.zeros(field.shape), False, always(1e-12), 25)
    x = np.linspace(0, 2, 50)[:, None]
    values = field.jets(found.coefficients, x, (("u", ((0,),)),))
    np.testing.assert_allclose(values, 1 / (1 + np.exp(-x)), atol=1e-12)
    assert found.has_converged and found.norm < 1e-11 and found.steps < 10


def test_the_last_steps_are_quadratic():
    system, field = logistic()
    watched = Watched(system)
    gauss_newton(watched, np.zeros(field.shape), False, always(1e-12), 25)
    moves = [move for move in watched.moves if 1e-7 < move < 0.3]
    assert len(moves) >= 3
    orders = np.diff(np.log(moves))[1:] / np.diff(np.log(moves))[:-1]
    assert (orders > 1.6).all(), moves


def test_no_step_makes_the_rows_larger():
    """From far away whole steps would, so that some are cut."""
    problem = read({"x": [0, 1]}, {"law": "u_xx = 5*u**3 - 20*sin(3*u)"}, {"ends": {"at": "boundary", "u": "x"}})
    field, is_cut = make_field(problem, [2], 8), False
    for seed in range(4):
        watched = Watched(System(problem, field, problem.residuals))
        found = gauss_newton(watched, 3 * np.random.default_rng(seed).standard_normal(field.shape), False, always(1e-10), 60)
        pairs = [(before, after[-1]) for before, after in zip(watched.before, watched.after, strict=True) if before > 1e-8]
        assert len(pairs) > 3 and all(after < before for before, after in pairs)
        assert found.norm < watched.before[0]
        is_cut |= any(len(after) > 1 for after in watched.after)
    assert is_cut


def test_a_loose_tolerance_stops_earlier():
    system, field = logistic()
    steps = [gauss_newton(system, np.zeros(field.shape), False, always(tolerance), 25).steps for tolerance in (1e-1, 1e-3, 1e-9)]
    assert steps[0] < steps[1] < steps[2]


def test_a_rate_that_is_known_saves_a_step():
    """After a step of size s the next is foreseen to be rate · s², so that from near the end one step is enough."""
    system, field = logistic()
    first = gauss_newton(system, np.zeros(field.shape), False, always(1e-12), 25)
    near = first.coefficients * (1 + 1e-7)
    alone, told = (gauss_newton(system, near, False, always(1e-10), 25, rate) for rate in (None, first.rate))
    assert first.rate is not None and (alone.steps, told.steps) == (2, 1)
    assert np.abs(told.coefficients - alone.coefficients).max() < 1e-10


def test_one_step_is_all_for_a_linear_problem():
    problem = read({"x": [0, 1]}, {"law": "u_x = u"}, {"start": {"at": "x = 0", "u": 1}})
    field = make_field(problem, [2], 12)
    found = gauss_newton(System(problem, field, problem.residuals), np.zeros(field.shape), True, always(1e-12), 25)
    assert (found.steps, found.has_converged) == (1, True)
    assert field.jets(found.coefficients, np.ones((1, 1)), (("u", ((0,),)),))[0, 0] == pytest.approx(np.e, abs=1e-12)


def test_too_few_steps_are_said():
    system, field = logistic()
    found = gauss_newton(system, np.zeros(field.shape), False, always(1e-12), 2)
    assert (found.steps, found.has_converged) == (2, False)


def test_rows_that_nothing_makes_smaller_are_the_end():
    """No function solves this; the least rows are found, and that they are not small is told."""
    problem = read({"x": [0, 1]}, {"law": "u_x = u**2 + 1"}, {"ends": {"at": "boundary", "u": 0}})
    field = make_field(problem, [2], 6)
    found = gauss_newton(System(problem, field, problem.residuals), np.zeros(field.shape), False, always(1e-14), 50)
    assert found.has_converged and found.norm > 0.1


def test_a_step_that_goes_up_is_not_taken():
    class Uphill:
        """Rows that grow whichever way one goes, from the second step on."""

        steps = 0

        def step(self, coefficients):
            self.steps += 1
            return Step(np.ones_like(coefficients), 1.0)

        def norm(self, coefficients):
            return 0.5 * LITTLE if self.steps == 1 else 2.0

    found = gauss_newton(Uphill(), np.zeros((1, 1, 2)), False, always(1e-12), 9)
    np.testing.assert_array_equal(found.coefficients, 1)
    assert (found.steps, found.norm, found.has_converged) == (2, 1.0, True)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite(bad):
    system, field = logistic()
    start = np.zeros(field.shape)
    start[1, 0, 2] = bad
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="not finite"):
        gauss_newton(system, start, False, always(1e-10), 5)
