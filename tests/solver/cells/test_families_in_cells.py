"""Families in cells: which values are solved at, how far that goes, and going on from a state that was saved."""

import numpy as np
import pytest
from heat_family import HEAT

torch = pytest.importorskip("torch")

from pinn.field.nodes import MOST  # noqa: E402
from pinn.problem.families import Member  # noqa: E402
from pinn.problem.language import read_problem  # noqa: E402
from pinn.run.prepare import prepare_settings  # noqa: E402
from pinn.run.setup import set_up  # noqa: E402
from pinn.solver.cells.families import FALL, Known  # noqa: E402
from pinn.solver.state import State  # noqa: E402


def prepared(text, *words):
    from pinn.run.compose import Source, compose

    return prepare_settings(compose(Source("family", problem=text), ["solver=least_squares", *words]))


def solved(setup, state=None):
    *_, last = setup.states(state or setup.first_state(), None)
    return last


def played(surprise, tolerance, num_parameters=2):
    """Let the choice of values run, with a formula in place of solutions."""
    known = Known(num_parameters)
    while (index := known.next(tolerance)) is not None:
        known.add(index, surprise(index))
    return known


def test_values_are_added_where_solutions_are_unexpected():
    known = played(lambda index: 0.1 ** index[0] * 0.001 ** index[1], 1e-4)
    highest = np.max(known.indices, axis=0)
    assert highest[0] >= 4 and highest[1] <= 3 and known.rest <= 1e-4
    for index in known.indices:
        for axis in range(2):
            smaller = tuple(number - (axis == other) for other, number in enumerate(index))
            assert min(smaller) < 0 or smaller in known.indices[: known.indices.index(index)]


def test_one_solution_that_happens_to_be_foretold_ends_nothing():
    known = played(lambda index: 0.0 if index[0] == 2 else 0.5 ** index[0], 1e-3, 1)
    assert len(known.indices) > 9 and known.surprises[2] == FALL * known.surprises[1]


def test_what_does_not_get_smaller_stops_at_the_most_values():
    known = played(lambda index: 0.1, 1e-3, 1)
    assert len(known.indices) == MOST and known.rest == pytest.approx(0.1)


def test_the_heat_equation_for_all_conductivities():
    setup = set_up(prepared(HEAT, "accuracy=1e-4"))
    state = solved(setup)
    assert state.is_final and "determine all others" in state.reason and 6 <= len(state.field["indices"]) <= 14
    solution, points = setup.solution(state), np.random.default_rng(0).uniform([0, 0], [1, 0.5], (500, 2))
    for a in np.random.default_rng(1).uniform(0.1, 1, 9):
        exact = np.exp(-(np.pi**2) * a * points[:, 1]) * np.sin(np.pi * points[:, 0])
        found = Member(setup.prepared.problem, solution, [np.log(a)])(points)[:, 0]
        assert np.linalg.norm(found - exact) < 3e-5 * np.linalg.norm(exact)
    described = setup.description(state)
    assert described["num_parameters"] == len(state.theta) and len(described["nodes"]["values"]) == len(state.field["indices"])


def test_a_saved_state_goes_on_to_the_last_bit(tmp_path):
    setup = set_up(prepared(HEAT, "accuracy=1e-3"))
    whole, states = solved(setup), []
    for number, state in enumerate(setup.states(setup.first_state(), None)):
        if number == 4:
            torch.save(state.to_dict(), tmp_path / "state.pt")
            states.append(len(state.field["indices"]))
            break
    again = State.from_dict(torch.load(tmp_path / "state.pt"))
    other = set_up(setup.prepared)
    rest = solved(other, again)
    assert 0 < states[0] < len(rest.field["indices"])
    assert torch.equal(rest.theta, whole.theta) and rest.field["surprises"] == whole.field["surprises"]


def test_a_limit_of_values_is_said():
    state = solved(set_up(prepared(HEAT, "accuracy=1e-6", "solver.most_values=3")))
    assert len(state.field["indices"]) == 3 and state.reason.startswith("at most 3 values")
    state = solved(set_up(prepared(HEAT, "accuracy=1e-6", "solver.seconds=1e-6")))
    assert len(state.field["indices"]) == 1 and "seconds are over" in state.reason


def test_nonlinear_members_with_two_parameters():
    """u' = −c·u², u(0) = b has the solution b/(1 + b·c·x)."""
    text = {
        "coordinates": {"x": [0, 1]}, "parameters": {"b": [0.5, 1.5], "c": {"normal": [1, 0.1]}}, "unknowns": ["u"],
        "equations": {"decay": "u_x = -c*u**2"}, "conditions": {"start": "u(x=0) = b"},
    }  # fmt: skip
    setup = set_up(prepared(text, "accuracy=1e-4"))
    solution = setup.solution(solved(setup))
    rng = np.random.default_rng(0)
    x, b, c = rng.uniform(0, 1, 200), rng.uniform(0.5, 1.5, 200), rng.normal(1, 0.1, 200)
    np.testing.assert_allclose(solution(np.stack([x, b, c], axis=1))[:, 0], b / (1 + b * c * x), atol=2e-4)
    assert read_problem(text).parameters[1].distribution == "normal"
