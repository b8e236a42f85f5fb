import io
import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from objectives import Function, quadratic
from stand_in import HEAT, make_field, make_rows

from pinn.problem.settings import BadInput
from pinn.solver.adam import Adam
from pinn.solver.lbfgs import LBFGS
from pinn.solver.rules import Plateau, Until
from pinn.solver.self_scaled_broyden import SelfScaledBroyden
from pinn.solver.staged import Diverged, Staged, solve
from pinn.solver.state import State

FIELD = make_field(width=6, depth=2)
START = FIELD.initial(0)
FREE = Until(plateau=None)
STAGES = {"adam": Adam(steps=12, rate=1e-2, warm_up=3), "lbfgs": LBFGS(steps=14, history=5), "broyden": SelfScaledBroyden(steps=13)}


def heat(epoch):
    return make_rows(HEAT, FIELD, interior=30, surface=8, epoch=epoch)


def run(stages, *, until=FREE, state=None, stop=None, **options):
    """Return the history of (stage, step, loss, losses) and the last state; stop after so many steps in all."""
    history = []
    for last in solve(Staged(stages, until), heat, START, state=state, **options):
        history.append((last.stage, last.step, last.loss, tuple(last.losses.values()), last.evaluations, last.points["epoch"]))
        if last.total == stop:
            break
    return history, last


def saved(state):
    """Through a file and back, as a checkpoint goes."""
    file = io.BytesIO()
    torch.save(state.to_dict(), file)
    file.seek(0)
    return State.from_dict(torch.load(file, weights_only=True))


@cache
def uninterrupted(redraw):
    return run(STAGES, redraw=redraw)


@pytest.mark.parametrize(("redraw", "stop"), [*itertools.product([None, 5], [1, 7, 12, 13, 20, 26, 27, 33]), (1, 30), (1, 5)])
def test_resume_is_bitwise(redraw, stop):
    whole, end = uninterrupted(redraw)
    first, state = run(STAGES, redraw=redraw, stop=stop)
    kept = saved(state)
    second, resumed = run(STAGES, redraw=redraw, state=kept)
    assert first + second == whole
    assert torch.equal(resumed.theta, end.theta)
    assert resumed.is_final
    assert len(whole) == 39


@pytest.mark.parametrize("name", STAGES)
def test_resume_in_the_middle_of_many_stops(name):
    stages = {name: STAGES[name]}
    whole, end = run(stages)
    pieces, state = [], None
    for stop in (3, 4, 9, None):
        some, state = run(stages, state=state, stop=stop)
        state = saved(state)
        pieces += some
    assert pieces == whole
    assert torch.equal(state.theta, end.theta)


def test_a_finished_state_goes_no_further():
    _, end = run({"adam": STAGES["adam"]})
    assert list(solve(Staged({"adam": STAGES["adam"]}, FREE), heat, START, state=saved(end))) == []


def test_states_are_copied_only_when_asked():
    copies, references = [], []
    for state in solve(Staged({"broyden": SelfScaledBroyden(steps=4)}, FREE), heat, START):
        copies.append(state.copy())
        references.append(state)
    assert all(reference is references[0] for reference in references)
    assert [copy.step for copy in copies] == [1, 2, 3, 4]
    assert len({float(copy.theta.sum()) for copy in copies}) == 4
    assert [len(copy.memory["hessian"]["weights"]) for copy in copies[:3]] == [3, 6, 9]


def test_another_format_is_refused():
    values = State("adam", START).to_dict()
    with pytest.raises(ValueError, match="format 99"):
        State.from_dict({**values, "format": 99})


@pytest.mark.parametrize("stop", [1, 12, 13, 17, 30])
def test_points_chosen_by_the_parameters_are_chosen_once(stop):
    """Choices are asked for at every new epoch, and a resumed solve has those of its checkpoint."""
    asked, sizes = [], []

    def choose(epoch, theta):
        asked.append(epoch)
        sizes.append(float(theta.norm()))
        return {"heat": torch.tensor([epoch, int(1e9 * theta[0].abs()) % 1000])}

    def draw(epoch, chosen=None):
        return heat(epoch if chosen is None else 1000 * int(chosen["heat"][0]) + int(chosen["heat"][1]))

    def run(state=None, stop=None):
        history = []
        for last in solve(Staged(STAGES, FREE), draw, START, redraw=5, state=state, choose=choose):
            history.append((last.total, last.loss))
            if last.total == stop:
                break
        return history, last

    whole, end = run()
    assert asked == [1, 2, 5, 6, 7]
    assert min(sizes) > 0 and len(set(sizes)) == 5, "the parameters of the moment are asked about"
    first, state = run(stop=stop)
    second, resumed = run(state=saved(state))
    assert first + second == whole
    assert torch.equal(resumed.theta, end.theta)
    assert asked == [1, 2, 5, 6, 7] * 2


@pytest.mark.parametrize(("redraw", "epochs"), [(None, [0] * 18), (4, [0] * 4 + [1] * 4 + [2] * 4 + [3] * 6)])
def test_points_change_by_counter_and_stay_where_they_must(redraw, epochs):
    history, _ = run({"adam": Adam(steps=12), "lbfgs": LBFGS(steps=6)}, redraw=redraw)
    assert [row[-1] for row in history] == epochs


def test_new_points_are_used():
    history = run({"adam": Adam(steps=12)}, redraw=4)[0], run({"adam": Adam(steps=12)})[0]
    assert [a[2] == b[2] for a, b in zip(*history, strict=True)] == [True] * 4 + [False] * 8


def test_fixed_points_are_asked_for():
    with pytest.raises(BadInput, match="LBFGS needs fixed points; set points.redraw=null"):
        next(solve(Staged({"only": LBFGS()}), heat, START, redraw=1))


def test_settings_of_the_solver():
    with pytest.raises(BadInput, match="stages needs at least one stage"):
        Staged({})
    with pytest.raises(BadInput, match="stages.first must be settings of a stage, got 'adam'"):
        Staged({"first": "adam"})
    with pytest.raises(BadInput, match="rate must be greater than 0"):
        Adam(rate=0)
    with pytest.raises(BadInput, match="plateau has no setting 'step'; it has steps, ratio; did you mean 'steps'"):
        Until(plateau={"step": 5})
    with pytest.raises(BadInput, match="plateau.ratio must be at most 1"):
        Until(plateau={"ratio": 2})
    assert Until(plateau={"steps": "1e2"}).plateau == Plateau(steps=100)
    with pytest.raises(BadInput, match="'other', which does not exist; stages: adam"):
        next(solve(Staged({"adam": Adam()}), heat, START, state=State("other", START)))


def test_loss_rule_ends_the_solve():
    history, state = run(STAGES, until=Until(loss=0.05, plateau=None))
    assert state.is_final
    assert state.reason.startswith("loss ")
    assert history[-1][2] <= 0.05 < history[-2][2]


def test_plateau_ends_the_stage_only():
    until = Until(plateau={"steps": 3, "ratio": 0.5})
    history, state = run({"adam": Adam(steps=50, rate=1e-6), "lbfgs": LBFGS(steps=3)}, until=until)
    assert [row[0] for row in history].count("adam") == 4
    assert [row[0] for row in history].count("lbfgs") == 3
    assert state.reason == "all 3 steps are done"
    rest, again = run({"adam": Adam(steps=50, rate=1e-6), "lbfgs": LBFGS(steps=3)}, until=until, stop=2)
    assert rest + run({"adam": Adam(steps=50, rate=1e-6), "lbfgs": LBFGS(steps=3)}, until=until, state=saved(again))[0] == history


def test_seconds_end_the_solve_and_change_nothing_before(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("pinn.solver.staged.time.perf_counter", lambda: float(next(ticks)))
    history, state = run(STAGES, until=Until(seconds=10, plateau=None))
    assert state.is_final
    assert state.reason == "10 seconds are over"
    assert state.seconds == 10
    assert history == run(STAGES)[0][: len(history)]


def test_consumers_do_not_cost_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("pinn.solver.staged.time.perf_counter", lambda: now[0])
    seconds = []
    for state in solve(Staged({"adam": Adam(steps=3)}, FREE), heat, START):
        seconds.append(state.seconds)
        now[0] += 100
    assert seconds == [0, 0, 0]


def test_error_rule_asks_the_judge_now_and_then():
    asked = []

    def judge(theta):
        asked.append(theta.clone())
        return 1.0 / len(asked)

    history, state = run({"adam": Adam(steps=30)}, until=Until(error=0.34, check=4, plateau=None), judge=judge)
    assert len(asked) == 3
    assert len(history) == 12
    assert state.reason == "error 0.333 is at most 0.34"
    assert state.error == 1 / 3
    errors = [
        s.error for s in solve(Staged({"adam": Adam(steps=6)}, Until(check=4, plateau=None)), heat, START, judge=lambda theta: 2.0)
    ]
    assert errors == [None, None, None, 2.0, None, 2.0]
    with pytest.raises(BadInput, match="error needs a reference"):
        next(solve(Staged({"adam": Adam()}, Until(error=0.1)), heat, START))


def poisoned(rows, after, term=1):
    """Return a draw whose rows turn to nan in one term once so many evaluations are done."""
    inner, count = rows.evaluate, [0]

    def evaluate(theta):
        count[0] += 1
        value = inner(theta)
        return value if count[0] <= after else value._replace(loss=value.loss * math.nan)

    rows.evaluate = evaluate
    rows.locate = lambda theta: (rows.names[term], np.array([0.25, 0.0]))
    return lambda epoch: rows


def test_divergence_names_the_term_and_keeps_the_last_good_state():
    draw = poisoned(heat(0), 5)
    with pytest.raises(Diverged) as caught:
        for state in solve(Staged({"adam": Adam(steps=50)}, FREE), draw, START):
            last = state.copy()
    error = caught.value
    assert str(error) == "diverged at step 5 in stage 'adam': term 'initial' at (0.25, 0) is not finite"
    assert (error.term, error.stage, error.step, error.state.step) == ("initial", "adam", 5, 4)
    assert not torch.equal(error.state.theta, last.theta)
    plain = [s.copy() for s in solve(Staged({"adam": Adam(steps=4)}, FREE), heat, START)]
    good = plain[-1]
    assert not torch.equal(last.theta, good.theta)
    saved(error.state)


def test_divergence_at_the_start_has_no_good_state():
    for stage in STAGES.values():
        with pytest.raises(Diverged, match="at step 0 in stage 'only': term 'initial'") as caught:
            next(solve(Staged({"only": stage}, FREE), poisoned(heat(0), 0), START))
        assert caught.value.state is None


def test_divergence_at_new_points_keeps_the_place_that_was_good_at_the_old_ones():
    rows = [heat(0), poisoned(heat(1), 0)(1)]
    with pytest.raises(Diverged, match="at step 4") as caught:
        for state in solve(Staged({"broyden": STAGES["broyden"]}, FREE), lambda epoch: rows[epoch], START, redraw=4):
            last = state.copy()
    assert torch.equal(caught.value.state.theta, last.theta)
    assert caught.value.state.step == 4


@pytest.mark.parametrize("name", ["lbfgs", "broyden"])
def test_line_searches_survive_what_is_not_finite(name):
    """The loss breaks down during a search: the search shrinks, finds nothing, and the stage ends where all was finite."""
    draw = poisoned(heat(0), 8)
    history = [s.copy() for s in solve(Staged({name: STAGES[name]}, FREE), draw, START)]
    assert history[-1].reason == "no further descent in float64"
    assert math.isfinite(history[-1].loss)
    assert torch.isfinite(history[-1].theta).all()


@pytest.mark.parametrize("stage", [LBFGS(steps=2000), SelfScaledBroyden(steps=2000)])
def test_single_precision_ends_by_itself(stage):
    _, matrix, least = quadratic(20, 1e3)
    single = Function(lambda theta: 0.5 * ((theta - least.float()) @ matrix.float()) @ (theta - least.float()) + 1, 20)
    solver = Staged({"only": stage}, FREE)
    states = [state.copy() for state in solve(solver, lambda epoch: single, torch.zeros(20))]
    assert states[-1].reason == "no further descent in float32"
    assert states[-1].theta.dtype == torch.float32
    assert abs(states[-1].loss - 1) < 1e-6
    rest = list(solve(solver, lambda epoch: single, torch.zeros(20), state=saved(states[-4])))
    assert len(rest) == 3, "the count of idle steps is in the checkpoint"


def test_rates_of_adam():
    adam = Adam(steps=1000, rate=0.1, warm_up=10, last=0.01)
    rates = [adam.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 11)
    assert max(rates) == rates[10] == 0.1
    assert rates[-1] == pytest.approx(0.001)
    assert all(b <= a for a, b in zip(rates[10:-1], rates[11:], strict=True))
    falling = Adam(steps=1000, rate=0.1, warm_up=0, decay="exponential", last=0.01)
    assert falling.rate_at(0) == 0.1
    assert falling.rate_at(999) == pytest.approx(0.001)
    assert falling.rate_at(500) / falling.rate_at(499) == pytest.approx(falling.rate_at(2) / falling.rate_at(1))
    assert {Adam(warm_up=0, decay="none").rate_at(step) for step in (0, 5, 5000)} == {5e-3}


def test_adam_as_published():
    """Kingma and Ba (2015), algorithm 1, written out."""
    function, _, _ = quadratic(5)
    stage = Adam(steps=20, rate=0.01, warm_up=0, decay="none")
    process = stage.start(function, torch.zeros(5, dtype=torch.float64))
    theta = m = v = torch.zeros(5, dtype=torch.float64)
    for t in range(1, 21):
        gradient = function.evaluate(theta).gradient
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        theta = theta - 0.01 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        process.advance(function)
    assert torch.allclose(process.theta, theta, rtol=1e-12)


def test_a_small_heat_problem_is_solved():
    """Far fewer points and parameters than the default; the error falls well below a per cent."""
    rows = make_rows(HEAT, make_field(width=8, depth=2), interior=64, surface=16, weights={"walls": 100.0, "initial": 100.0})
    solver = Staged({"adam": Adam(steps=100), "broyden": SelfScaledBroyden(steps=200)})
    *_, state = solve(solver, lambda epoch: rows, rows.field.initial(0))
    x = np.random.default_rng(0).uniform(size=(200, 2))
    exact = np.exp(-0.4 * np.pi**2 * x[:, 1]) * np.sin(np.pi * x[:, 0])
    found = rows.field.solution(state.theta)(x)[:, 0]
    assert np.linalg.norm(found - exact) / np.linalg.norm(exact) < 2e-3
