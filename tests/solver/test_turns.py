"""Sweeps: which networks are trained when, at which rows, and how a solve goes from part to part."""

import itertools
import math
from functools import cache

import numpy as np
import pytest
import torch
from stand_in import HEAT, ODD, make_rows, saved

from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts, Windows, supports
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.terms import make_term
from pinn.solver.adam import Adam
from pinn.solver.gauss_newton import GaussNewton
from pinn.solver.lbfgs import LBFGS
from pinn.solver.least_squares import LeastSquares
from pinn.solver.part_of_rows import PartOfRows, part_of, rows_in
from pinn.solver.rows import Rows
from pinn.solver.rules import Plateau, Until
from pinn.solver.self_scaled_broyden import SelfScaledBroyden
from pinn.solver.soap import Soap
from pinn.solver.staged import Diverged, Staged, solve
from pinn.solver.sweep import Sweep

COLUMNS = {(0, 0.5): [0, 0.2, 0.5, 0.8, 1], (0.5, 1): [0, 0.3, 0.6, 0.9, 1]}
UNALIGNED = tuple({"x": x, "t": ends} for x, times in COLUMNS.items() for ends in itertools.pairwise(times))
WAYS = {
    "cuts": Cuts(cells={"x": 2, "t": 4}),
    "windows": Windows(cells={"x": 2, "t": 5}),
    "wide windows": Windows(cells={"t": 7}, reach=1.2),
    "narrow windows": Windows(cells={"t": 3}, reach=0.1),
    "unaligned windows": Windows(boxes=UNALIGNED, reach=0.1),
    "unaligned cuts": Cuts(boxes=UNALIGNED),
    "several levels": Windows(cells={"t": 12}, levels=2),
}
FREE = Until(plateau=None)


def field_of(decomposition, text=HEAT, **options):
    return DecomposedField(MLP(width=4, depth=2), read_problem(text), decomposition, **options)


def turns_of(decomposition, text=HEAT, along="t", **settings):
    problem = read_problem(text)
    return Sweep(along, **settings).turns(supports(decomposition, problem), problem.names)


@pytest.mark.parametrize("way", WAYS)
def test_networks_are_finished_when_all_that_they_see_takes_part(way):
    """At many points: who sees a point that waits is not finished; every point takes part, and time goes on."""
    turns, field = turns_of(WAYS[way]), field_of(WAYS[way])
    assert len(turns) > 1 and len({turn.name for turn in turns}) == len(turns)
    points, networks = field.seen(np.random.default_rng(0).uniform(size=(3000, 2)), None)
    seen = np.zeros((3000, len(field.places)), bool)
    seen[points, networks] = True
    begun, finished = np.zeros((2, len(field.places)), bool)
    waits, taken = np.zeros((2, 3000), bool)
    for turn in turns:
        assert not (turn.unknown & turn.waiting).any()
        assert not (turn.unknown & finished).any(), "what is finished stays"
        assert not turn.waiting[begun].any()
        finished = ~turn.unknown & ~turn.waiting
        assert not seen[waits][:, finished].any(), "a network was finished before all of its points took part"
        waits = seen[:, turn.waiting].any(1)
        taken |= ~waits & seen[:, turn.unknown].any(1)
        begun |= turn.unknown
    assert taken.all() and begun.all() and not turns[-1].waiting.any()


@pytest.mark.parametrize(("way", "unknown"), [("cuts", ["0-1", "2-3", "4-5", "6-7"]), ("narrow windows", ["0-1", "1-2"])])
def test_layers_in_order(way, unknown):
    """Under cuts one layer of both cells along x at a time, under windows two neighbours."""
    order = np.arange(8).reshape(2, 4).T.ravel() if way == "cuts" else np.arange(3)
    expected = [{int(order[k]) for k in map(int, each.split("-"))} for each in unknown]
    assert [set(np.flatnonzero(turn.unknown)) for turn in turns_of(WAYS[way])] == expected


@pytest.mark.parametrize("text", [HEAT, ODD], ids=["heat", "odd"])
@pytest.mark.parametrize(
    "way", [Cuts(cells=3), Windows(cells=4, reach=0.4), Cuts(cells=3, match="residual")], ids=["cuts", "windows", "residual"]
)
def test_rows_are_those_that_read_an_unknown_network_and_none_that_waits(way, text):
    """Parameters that are not numbers tell who reads them, also by integrals and looks elsewhere."""
    axis = "t" if text is HEAT else "y"
    field = field_of(way, text)
    rows = make_rows(text, field, interior=60, surface=30)
    parts, dropped = field.layout.num_params, 0
    for turn in turns_of(way, text, axis):

        def reading(networks, rows=rows):
            theta = torch.ones(parts, dtype=torch.float64)
            for place in itertools.compress(field.places, networks):
                theta[place] = math.nan
            return {name: values.isnan().numpy() for name, values in rows.unweighted(theta).items()}

        reads, waits = reading(turn.unknown), reading(turn.waiting)
        for term in rows.terms:
            expected = np.flatnonzero(reads[term.name] & ~waits[term.name])
            np.testing.assert_array_equal(rows_in(turn, field, term), expected)
            dropped += term.num_rows - len(expected)
    assert dropped > 0


@pytest.mark.parametrize("way", ["cuts", "windows", "several levels"])
def test_rows_over_a_part(way):
    field = field_of(WAYS[way])
    rows, theta, turn = make_rows(HEAT, field, interior=30, surface=20), field.initial(1), turns_of(WAYS[way])[1]
    part = part_of(turn, field)
    mine, values = PartOfRows(rows, part.places, theta), part.of(theta) + 0.1
    whole = part.into(theta, values)
    known = torch.ones(len(theta), dtype=bool).index_fill(0, part.places, False)
    assert torch.equal(whole[known], theta[known]) and torch.equal(part.of(whole), values)
    leaf = values.clone().requires_grad_(True)
    residual = mine.residual(leaf)
    expected = torch.stack([torch.autograd.grad(row, leaf, retain_graph=True)[0] for row in residual])
    value, (found, jacobian), (_, operator) = mine.evaluate(values), mine.linearise(values), mine.products(values)
    torch.testing.assert_close(found, rows.residual(whole).detach())
    torch.testing.assert_close(jacobian.dense(), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(value.gradient, 2 * expected.T @ residual.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(value.loss, residual.detach().square().sum())
    vector, weights = torch.randn(mine.num_params, dtype=theta.dtype), torch.randn(len(residual), dtype=theta.dtype)
    torch.testing.assert_close(operator @ vector, expected @ vector, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(operator.transpose_apply(weights), expected.T @ weights, rtol=1e-9, atol=1e-9)
    assert sum(math.prod(shape) for shape in mine.shapes) == mine.num_params == int(turn.unknown.sum()) * (12 + 20 + 5)
    linear = np.intersect1d(part.places.numpy(), field.layout.parts["linear"])
    np.testing.assert_array_equal(part.places.numpy()[mine.parts["linear"]], linear)
    assert sorted([*mine.parts["linear"], *mine.parts["hidden"]]) == list(range(mine.num_params))


def test_a_network_takes_over_what_the_one_before_it_has():
    field = field_of(WAYS["cuts"])
    turns = turns_of(WAYS["cuts"])
    theta = field.initial(0)
    for number, turn in enumerate(turns):
        moved = part_of(turn, field).begin(theta)
        for cell, place in enumerate(field.places):
            column, layer = divmod(cell, 4)
            source = field.places[cell - 1] if number and layer == number else place
            assert torch.equal(moved[place], theta[source]), (number, column, layer)
    double = turns_of(WAYS["several levels"])
    assert all((turn.guess[turn.unknown] <= np.flatnonzero(turn.unknown)).all() for turn in double)


def test_finer_levels_are_silent_at_first():
    way = Windows(cells={"x": 4, "t": 4}, levels=3)
    field, turns = field_of(way), turns_of(way, along="levels")
    assert [int(turn.unknown.sum()) for turn in turns] == [1, 4, 16] and turns[0].name == "level 1/3"
    theta = field.initial(0)
    begun = part_of(turns[0], field).begin(theta)
    points = np.random.default_rng(0).uniform(size=(9, 2))
    coarse, rest = begun.clone(), begun.clone()
    coarse[: field.levels[2].place.start] = 0
    rest[field.levels[2].place] = 0
    np.testing.assert_array_equal(field.solution(begun)(points), field.solution(coarse)(points))
    np.testing.assert_array_equal(field.solution(rest)(points), 0)
    assert all(torch.equal(part_of(turn, field).begin(theta), theta) for turn in turns[1:])
    rows = make_rows(HEAT, field)
    assert all(len(rows_in(turn, field, term)) == term.num_rows for turn in turns for term in rows.terms)


@pytest.mark.parametrize(
    ("way", "along", "message"),
    [
        (Cuts(cells={"t": 4}), "T", "solver.sweep unknown coordinate 'T'; coordinates: x, t"),
        (Cuts(cells={"x": 4}), "t", "solver.sweep has one turn only: take more cells along 't'"),
        (Windows(cells={"t": 2}), "t", "solver.sweep has one turn only: take more cells along 't'"),
        (Windows(cells={"t": 4}), "levels", "solver.sweep has one turn only: take decomposition=multilevel"),
    ],
)
def test_impossible_sweeps(way, along, message):
    with pytest.raises(BadInput, match=f"^{message}$"):
        turns_of(way, along=along)


def test_windows_around_a_ring_have_no_beginning():
    ring = {**HEAT, "conditions": {"initial": HEAT["conditions"]["initial"], "ring": {"periodic": "x"}}}
    with pytest.raises(BadInput, match="cannot go along 'x': windows go around it"):
        turns_of(Windows(cells={"x": 4}), ring, "x")
    assert len(turns_of(Cuts(cells={"x": 4}), ring, "x")) == 4


MARCH = Cuts(cells={"t": 3})
FIELD = field_of(MARCH)
PARTS = [part_of(turn, FIELD) for turn in turns_of(MARCH, together=True)]
TURNS = {turn.name: turn for turn in turns_of(MARCH, together=True)}
STAGES = {"adam": Adam(steps=6, rate=1e-2, warm_up=2), "broyden": SelfScaledBroyden(steps=5)}


@cache
def march(epoch, part):
    """Return the rows of a part."""
    points = Points(rule="uniform", interior=30, surface=9)
    sites = points.draw(FIELD.problem, 0, epoch) | FIELD.draw_interfaces(points, 0, epoch)
    terms = []
    for row in [*FIELD.problem.residuals, *FIELD.interfaces]:
        numbers = rows_in(TURNS[part], FIELD, make_term(FIELD.problem, row, sites[row.name]))
        if len(numbers):
            terms.append(make_term(FIELD.problem, row, sites[row.name].take(numbers)))
    return Rows(FIELD, terms)


def run(stages=STAGES, until=FREE, state=None, stop=None, **options):
    """Return the history and the last state."""
    history = []
    for last in solve(Staged(stages, until), march, FIELD.initial(0), state=state, parts=PARTS, **options):
        history.append((last.label, last.step, last.loss, tuple(last.losses.items()), last.evaluations, last.points["epoch"]))
        if last.total == stop:
            break
    return history, last


@cache
def uninterrupted(redraw):
    return run(redraw=redraw)


@pytest.mark.parametrize(("redraw", "stop"), [*itertools.product([None, 4], [1, 6, 7, 10, 11, 12, 17, 22, 29, 33, 40, 43])])
def test_going_on_in_the_middle_of_a_sweep_is_bitwise(redraw, stop):
    whole, end = uninterrupted(redraw)
    first, state = run(redraw=redraw, stop=stop)
    second, resumed = run(redraw=redraw, state=saved(state))
    assert first + second == whole and len(whole) == 4 * 11
    assert torch.equal(resumed.theta, end.theta) and resumed.is_final


@pytest.mark.parametrize(
    "stage",
    [Adam(steps=3), LBFGS(steps=3), SelfScaledBroyden(steps=3), GaussNewton(steps=3), Soap(steps=3), LeastSquares(steps=3)],
    ids=lambda stage: type(stage).__name__,
)
def test_only_the_networks_of_the_turn_move(stage):
    """Neither those that are finished, by Adam's momentum for instance, nor those that wait."""
    before, seen, ever = None, [], np.zeros(3, bool)
    for state in solve(Staged({"only": stage}, FREE), march, FIELD.initial(0), parts=PARTS):
        if state.step == 1:
            seen.append(state.part)
        elif before is not None:
            moved = (state.theta != before).view(3, -1).any(1).numpy()
            may = [state.part in ("together", f"t {k + 1}/3") for k in range(3)]
            assert not (moved & ~np.array(may)).any()
            ever |= moved
        before = state.theta.clone()
    assert seen == ["t 1/3", "t 2/3", "t 3/3", "together"] and ever.all()


def test_terms_are_those_of_the_part():
    history, _ = uninterrupted(None)
    terms = {label.partition(" ")[2]: [name for name, _ in losses] for label, _, _, losses, *_ in history}
    assert terms["t 1/3"] == ["heat", "initial", "walls"]
    assert terms["t 3/3"] == ["heat", "walls", "interfaces.u"]
    assert terms["together"] == ["heat", "initial", "walls", "interfaces.u"]


def test_a_plateau_ends_a_stage_of_one_part_and_a_small_loss_the_part():
    history, _ = run({"adam": Adam(steps=50, rate=1e-9), "lbfgs": LBFGS(steps=2)}, Until(plateau=Plateau(steps=3, ratio=0.5)))
    counts = [(label, len(list(rows))) for label, rows in itertools.groupby(history, lambda row: row[0])]
    assert counts == [(f"{stage} {part}", num) for part in TURNS for stage, num in (("adam", 4), ("lbfgs", 2))]
    history, state = run(until=Until(loss=1e9, plateau=None))
    assert [row[:2] for row in history] == [(f"adam {part}", 1) for part in TURNS]
    assert state.is_final and state.reason.startswith("loss ")
    for stop in (1, 3):
        first, state = run(until=Until(loss=1e9, plateau=None), stop=stop)
        assert first + run(until=Until(loss=1e9, plateau=None), state=saved(state))[0] == history


def test_every_part_has_its_share_of_the_seconds(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("pinn.solver.staged.time.perf_counter", lambda: float(next(ticks)))
    history, state = run({"adam": Adam(steps=7), "lbfgs": LBFGS(steps=90)}, Until(seconds=40, plateau=None))
    counts = [(label, len(list(rows))) for label, rows in itertools.groupby(history, lambda row: row[0])]
    assert counts == [each for part in TURNS for each in ((f"adam {part}", 7), (f"lbfgs {part}", 3))]
    assert state.is_final and state.reason == "40 seconds are over" and state.seconds == 40


def test_a_small_error_ends_the_solve():
    history, state = run(until=Until(error=0.5, check=4, plateau=None), judge=lambda theta: 0.1)
    assert len(history) == 4 and state.is_final


def test_divergence_keeps_all_of_theta(monkeypatch):
    rows, count = march(epoch=0, part="t 2/3"), itertools.count()
    inner = rows.evaluate
    monkeypatch.setattr(rows, "evaluate", lambda theta: inner(theta if next(count) < 3 else theta * math.nan))
    with pytest.raises(Diverged, match="at step 14 in stage 'adam t 2/3'") as caught:
        run()
    good = caught.value.state
    assert good.part == "t 2/3" and good.theta.shape == (FIELD.num_params,) and good.theta.isfinite().all()
    assert torch.equal(saved(good).theta[FIELD.places[0]], run(stop=11)[1].theta[FIELD.places[0]])


def test_candidates_are_asked_for_by_part():
    asked = []

    def choose(epoch, theta, part):
        asked.append((epoch, part))
        return {}

    def draw(epoch, part, chosen=None):
        return march(epoch, part)

    for _ in solve(Staged({"adam": Adam(steps=6)}, FREE), draw, FIELD.initial(0), redraw=4, choose=choose, parts=PARTS[:2]):
        pass
    assert asked == [(1, "t 1/3"), (2, "t 2/3")]
