"""The loop over rounds: going on from any of them to the last bit, and what ends it early."""

import io

import pytest
import torch
from cell_problems import error, make_march, read, shipped, solve

from pinn.solver.cells import rounds
from pinn.solver.cells.march import PATIENCE
from pinn.solver.state import State

BURGERS = (
    {"x": [-1, 1], "t": [0, 0.5]},
    {"burgers": "u_t + u*u_x = 0.05*u_xx"},
    {"initial": {"at": "t = 0", "u": "-sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
)
SWINGS = ({"t": [0, 0.4]}, {"law": "u_tt + 3600*u = 0"}, {"start": {"at": "t = 0", "u": 1, "u_t": 0}})


def short(**options):
    return make_march(read(*BURGERS), 1e-4, degree=8, **options)


def trace(march, state, seconds=None):
    """What every round left behind, written and read as checkpoints are."""
    return [saved(each) for each in rounds.solve(march, state, seconds)]


def saved(state):
    file = io.BytesIO()
    torch.save(state.to_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


MARCHES = [
    short,
    lambda: make_march(shipped("wave_1d"), 1e-6),
    lambda: make_march(shipped("heat_periodic")),
    lambda: make_march(read(*SWINGS), 1e-5, degree=8),
]


@pytest.mark.parametrize("make", MARCHES, ids=["burgers", "wave", "ring", "swings"])
def test_going_on_from_any_round_changes_no_bit(make):
    march = make()
    states = trace(march, rounds.first_state(march))
    assert len(states) >= 3
    for number, kept in enumerate(states[:-1]):
        rest = trace(make(), State.from_dict(kept))
        assert len(rest) == len(states) - number - 1
        for found, expected in zip(rest, states[number + 1 :], strict=True):
            assert torch.equal(found["theta"], expected["theta"])
            for name in ("loss", "losses", "step", "total", "evaluations", "reason", "is_final"):
                assert found[name] == expected[name], name
    assert states[-1]["is_final"] and not any(state["is_final"] or state["reason"] for state in states[:-1])


def test_a_round_tells_of_losses_steps_and_cells():
    march = short()
    state = solve(march)
    assert set(state.losses) == {"burgers", "initial", "walls"} and max(state.losses.values()) < 1e-4
    assert state.evaluations > state.total == state.step and state.stage == rounds.STAGE
    found, slabs = rounds.description(march, state), rounds.solution(march, state).slabs
    counts = [slab.field.cover.num_cells for slab in slabs]
    assert found["cells"] == {"slabs": len(slabs), "in_all": sum(counts), "at_once": max(counts)}
    assert found["num_parameters"] == sum(slab.field.num_params for slab in slabs) == len(state.theta)
    assert found["remarks"] == []


@pytest.mark.parametrize("name", ["heat_periodic", "oscillator"])
def test_rows_are_those_of_the_slabs_that_are_kept(name):
    """Every attempt has rows; those of attempts that were given up do not count."""
    march = make_march(shipped(name))
    progress, expected, attempts = march.begin(), 0, 0
    while not march.is_done(progress):
        before, attempts = len(progress.slabs), attempts + 1
        attempt = march.advance(progress)
        expected += attempt.system.num_rows * (len(progress.slabs) - before)
    assert attempts > len(progress.slabs)
    assert rounds.description(march, solve(march))["num_rows"] == expected


def test_before_the_end_the_slabs_that_are_done_are_the_solution():
    march, looked = make_march(shipped("wave_1d"), 1e-6), 0
    for state in rounds.solve(march, rounds.first_state(march)):
        if state.field["num_done"]:
            found = rounds.solution(march, state)
            assert len(found.slabs) == state.field["num_done"]
            assert found.slabs[-1].field.cover.domain[1, 1] == state.field["begin"]
            looked += 1
    assert looked > 2


def test_when_the_time_is_over_the_rest_is_solved_on_the_cells_that_there_are():
    march = make_march(shipped("wave_1d"))
    state, whole = solve(march, seconds=1e-9), solve(march)
    assert state.reason == "1e-09 seconds are over: the rest is solved on the cells that there are"
    assert state.total < whole.total
    assert rounds.solution(march, state).slabs[-1].field.cover.domain[1, 1] == 1
    assert 1e-11 < error(march, state) < 10


def test_seconds_that_suffice_change_nothing():
    march = short()
    assert solve(march, seconds=1e6).reason == solve(march).reason == "every cell resolves the solution to 0.0001"


@pytest.mark.parametrize("make", [lambda: short(most=2), lambda: make_march(shipped("poisson_multiscale"), most=2)])
def test_when_no_more_cells_are_allowed_the_result_is_what_these_give(make):
    march = make()
    state = solve(march)
    assert state.reason.startswith("at most 2 cells: ") and state.reason.endswith(" stays unresolved")
    assert rounds.description(march, state)["cells"]["at_once"] <= 2
    assert rounds.description(march, state)["remarks"]


def test_where_cutting_does_not_help_the_solve_ends_with_a_remark(monkeypatch):
    monkeypatch.setattr("pinn.solver.cells.march.HELPS", 1e-9)
    state = solve(make_march(shipped("poisson_multiscale"), 1e-12, degree=4))
    assert state.reason.startswith("further cutting does not help: ") and state.total == 1 + PATIENCE // 2


def test_a_final_state_has_no_further_rounds():
    march = make_march(shipped("heat_1d"))
    assert trace(march, solve(march)) == []
