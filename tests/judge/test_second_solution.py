"""The error of fields in cells from a second solution: its size where it is believed, and where it must not be."""

from dataclasses import replace

import numpy as np
import pytest
from judged_fields import true_error

pytest.importorskip("torch")

from pinn.judge.second_solution import SLOWEST, Difference, Neighbours, estimate_by  # noqa: E402
from pinn.run.compose import Source, compose  # noqa: E402
from pinn.run.prepare import prepare, prepare_settings  # noqa: E402
from pinn.run.setup import set_up  # noqa: E402
from pinn.solver.cells import march, rounds  # noqa: E402

VARIABLE = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u"],
    "equations": {"e": "-diff((1 + x + 5*y**2)*u_x, x) - diff((1 + x + 5*y**2)*u_y, y) + 3*u_x = 0"},
    "conditions": {"walls": {"at": "boundary", "u": "exact"}},
    "exact": "exp(-30*((x - 0.4)**2 + (y - 0.6)**2)) + sin(3*x*y)",
    "manufactured": True,
}
SQUARE = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u"],
    "equations": {"e": "-laplacian(u) = 1"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
}
COOLED = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"e": "u_t = 0.1*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": 1}, "walls": {"at": "boundary", "u": 0}},
}
STEPPED = {
    "coordinates": {"x": [0, 1]},
    "unknowns": ["u"],
    "equations": {"e": "u_xx = (1 + tanh(1e9*(x - 0.3)))/2"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
}
ADVECTED = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"e": "u_t + u_x = 0"},
    "conditions": {"initial": {"at": "t = 0", "u": "tanh(40*(x - 0.3))"}, "inflow": {"at": "x = 0", "u": "tanh(40*(-t - 0.3))"}},
}


def square(x, y):
    """Series solution of -Δu = 1 on the unit square, zero on its walls."""
    found = np.zeros(len(x))
    for k in np.pi * np.arange(1, 200, 2):
        found += 4 / k**3 * np.sin(k * x) * (1 - (np.exp(-k * y) + np.exp(-k * (1 - y))) / (1 + np.exp(-k)))
    return found


def cooled(x, t):
    """Series solution of a rod of temperature 1 whose ends are held at 0 from the start."""
    return sum(4 / k * np.exp(-0.1 * k**2 * t) * np.sin(k * x) for k in np.pi * np.arange(1, 400, 2))


def stepped(x):
    return np.where(x > 0.3, (x - 0.3) ** 2 / 2, 0) - 0.245 * x


def advected(x, t):
    return np.tanh(40 * (x - t - 0.3))


def solved(problem, *words):
    """Return the setup, its last state, the solution and its estimate."""
    words = ["solver=least_squares", *words]
    prepared = (
        prepare(problem, words) if isinstance(problem, str) else prepare_settings(compose(Source("mine", problem=problem), words))
    )
    setup = set_up(prepared)
    *_, state = setup.states(setup.first_state(), None)
    solution = setup.solution(state)
    return setup, state, solution, estimate_by(prepared.problem, solution, setup.neighbours(state))


def error_against(problem, solution, truth):
    low, high = problem.box.T
    points = low + (high - low) * np.random.default_rng(0).random((20_000, problem.dim))
    true = truth(*points.T)
    return np.linalg.norm(solution(points)[:, 0] - true) / np.linalg.norm(true)


@pytest.mark.parametrize("problem, words", [
    ("wave_1d", ["accuracy=1e-2"]), ("wave_1d", ["accuracy=1e-4"]), ("wave_1d", ["accuracy=1e-7"]),
    ("kovasznay", ["accuracy=1e-4"]), pytest.param("kovasznay", ["accuracy=1e-7"], marks=pytest.mark.slow),
    ("helmholtz_2d", ["accuracy=1e-2"]), ("helmholtz_2d", ["accuracy=1e-7"]),
    ("poisson_1d", ["accuracy=1e-4", "network.degree=5"]), ("biharmonic", ["accuracy=1e-5", "network.degree=6"]),
    pytest.param("advection_diffusion", ["accuracy=1e-4"], marks=pytest.mark.slow),
    (VARIABLE, ["accuracy=1e-2", "network.degree=6"]), (VARIABLE, ["accuracy=1e-4"]), (VARIABLE, ["accuracy=1e-7"]),
])  # fmt: skip
def test_the_estimate_has_the_size_of_the_error(problem, words):
    setup, _, solution, found = solved(problem, *words)
    truth = true_error(setup.prepared.problem, solution)
    assert found.accepted, found.why
    for unknown, error in truth.items():
        assert 0.3 < found.relative_l2[unknown] / error < 3, (unknown, found.relative_l2[unknown], error)


@pytest.mark.parametrize("text, truth, words", [
    (SQUARE, square, ["solver.most_cells=4", "network.degree=4"]), (SQUARE, square, ["solver.most_cells=16", "network.degree=6"]),
    (COOLED, cooled, ["accuracy=1e-2", "solver.most_cells=8"]), (COOLED, cooled, ["solver.most_cells=3", "network.degree=6"]),
    (STEPPED, stepped, ["solver.most_cells=3", "network.degree=5"]), (STEPPED, stepped, ["solver.most_cells=4"]),
    (STEPPED, stepped, ["solver.most_cells=64"]),
    (ADVECTED, advected, ["solver.most_cells=2", "network.degree=6"]), pytest.param(ADVECTED, advected, ["solver.most_cells=8"], marks=pytest.mark.slow),
])  # fmt: skip
def test_rough_solutions_are_estimated_or_withheld_and_never_called_much_better_than_they_are(text, truth, words):
    setup, _, solution, found = solved(text, *words)
    error = error_against(setup.prepared.problem, solution, truth)
    assert not found.accepted or 0.3 < found.worst / error < 3, (found.worst, error)


@pytest.mark.parametrize("text, words", [
    (COOLED, ["accuracy=1e-2", "solver.most_cells=8"]), (STEPPED, ["solver.most_cells=4"]),
    (ADVECTED, ["solver.most_cells=2", "network.degree=6"]),
])  # fmt: skip
def test_what_more_features_do_not_resolve_is_withheld(text, words):
    _, _, _, found = solved(text, *words)
    assert not found.accepted and ("more features in the cells change" in found.why or "not satisfied" in found.why)
    assert found.record()["relative_l2"] is None and found.record()["unknowns"] == {}


@pytest.mark.parametrize("words", [["solver.cells={x: 2}"], ["accuracy=1e-3", "solver.cells={x: 2}", "network.degree=12"]])
def test_a_source_between_the_points_of_the_cells_is_noticed(words):
    """Both solutions miss it, and are as near to one another as can be."""
    source = "-400*sin(20*x) + 1000*exp(-((x - 0.3712)/0.0008)**2)"
    text = {
        **STEPPED,
        "equations": {"e": f"u_xx = {source}"},
        "conditions": {"l": {"at": "x = 0", "u": 0}, "r": {"at": "x = 1", "u": 0}},
    }
    *_, found = solved(text, *words)
    assert not found.accepted
    assert "not resolved between the points of the cells" in found.why or "not satisfied" in found.why


def test_the_estimated_error_is_a_field_with_the_sign_of_solution_minus_truth():
    setup, _, solution, found = solved(VARIABLE, "accuracy=1e-4")
    problem = setup.prepared.problem
    axes = (np.linspace(0, 1, 21), np.linspace(0, 1, 31))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    truth = (solution(points) - problem.exact_values(problem.values, points)).reshape(21, 31)
    assert found.on_grid(axes)["u"].shape == (21, 31)
    assert np.linalg.norm(found.on_grid(axes)["u"] - truth) < 0.1 * np.linalg.norm(truth)
    np.testing.assert_array_equal(found(points)[:, 0].reshape(21, 31), found.on_grid(axes)["u"])


def test_when_gauss_newton_fails_with_more_features_the_estimate_is_withheld(monkeypatch):
    setup, state, solution, found = solved("poisson_1d", "accuracy=1e-4", "network.degree=5")
    assert found.accepted
    real = march.gauss_newton
    monkeypatch.setattr(march, "gauss_newton", lambda *words: real(*words)._replace(has_converged=False))
    withheld = estimate_by(setup.prepared.problem, solution, setup.neighbours(state))
    assert (withheld.accepted, withheld.why) == (False, "with more or fewer features the equations are not satisfied")

    def fails(*words):
        raise MemoryError

    monkeypatch.setattr(march, "gauss_newton", fails)
    assert estimate_by(setup.prepared.problem, solution, setup.neighbours(state)).why == "MemoryError"


def test_where_equations_are_far_from_satisfied_no_more_features_are_tried(monkeypatch):
    """A rod that must have two temperatures at its ends, in one cell and slab."""
    setup, state, _, found = solved(COOLED, "accuracy=1e-2", "solver.most_cells=1", "solver.seconds=1e-9", "network.degree=4")
    assert state.field["residual"] > 0.1
    assert found.why == f"the equations are not satisfied, their residual is {state.field['residual']:.1e} of the solution"
    monkeypatch.setattr(rounds, "HOPELESS", 1e9)
    assert setup.neighbours(state)() == "with more or fewer features the equations are not satisfied"


def test_a_second_solution_that_has_no_room_is_not_tried():
    setup, state, _, _ = solved("poisson_1d", "accuracy=1e-4", "network.degree=5")
    small = replace(setup, room=1)
    assert small.neighbours(state)() == "more features in 8 cells at once need more memory than there is"
    assert setup.room >= 8


class Constant:
    def __init__(self, value):
        self.value = value

    def __call__(self, points, request=None):
        return np.full((len(points), 1), self.value)


@pytest.mark.parametrize("worse, accepted", [(1.5 - 0.5 / SLOWEST - 0.01, True), (1.5 - 0.5 / SLOWEST + 0.01, False), (-8.5, True)])
def test_differences_must_fall_from_one_to_the_next(worse, accepted):
    problem = prepare_settings(compose(Source("mine", problem=STEPPED), [])).problem
    ratio = 0.5 / (1.5 - worse)
    found = estimate_by(problem, Constant(1.5), lambda: Neighbours(Constant(2.0), {}, Constant(worse)))
    assert found.accepted is accepted
    if accepted:
        assert found.relative_l2["u"] == pytest.approx(0.25 / (1 - ratio))


class Waving:
    """x²/2 − x/2 and a wave of some size, with derivatives."""

    def __init__(self, size):
        self.size = size

    def __call__(self, points, request=(("u", ((0,),)),)):
        x, k = points[:, 0], 30 * np.pi
        wave = {0: np.sin(k * x), 1: k * np.cos(k * x), 2: -(k**2) * np.sin(k * x)}
        known = {0: (x**2 - x) / 2, 1: x - 0.5, 2: np.ones_like(x)}
        orders = [operator[0][0] for _, operator in request]
        return np.stack([known[order] + self.size * wave[order] for order in orders], axis=1)


@pytest.mark.parametrize("share, accepted", [(SLOWEST - 0.02, True), (SLOWEST + 0.02, False)])
def test_residuals_between_the_points_may_say_that_the_differences_fall_more_slowly_than_it_seems(share, accepted):
    problem = prepare_settings(compose(Source("mine", problem={**STEPPED, "equations": {"e": "u_xx = 1"}}), [])).problem
    near = Neighbours(Waving(share * 1e-3), {"e": 1e-20}, Waving(1.0))
    found = estimate_by(problem, Waving(1e-3), lambda: near)
    assert found.accepted is accepted and (accepted or "'e' is not resolved between the points" in found.why)
    resolved = estimate_by(problem, Waving(1e-3), lambda: near._replace(losses={"e": 100.0}))
    points = np.linspace(0, 1, 1001)[:, None]
    error = 1e-3 / np.sqrt(2) / np.sqrt(np.mean(Waving(0.0)(points) ** 2))
    assert resolved.relative_l2["u"] == pytest.approx((1 - share) * error, rel=0.02)
    assert not accepted or found.relative_l2["u"] == pytest.approx(error, rel=0.02)


@pytest.mark.parametrize("apart, accepted", [(8e-12, True), (8e-11, False)])
def test_rounding_that_has_grown_is_believed_whatever_its_ratio(apart, accepted):
    problem = prepare_settings(compose(Source("mine", problem=STEPPED), [])).problem
    found = estimate_by(problem, Constant(1.0), lambda: Neighbours(Constant(1 + apart), {}, Constant(1 + apart / 2)))
    assert found.accepted is accepted
    if accepted:
        assert found.relative_l2["u"] == pytest.approx(apart / (1 - SLOWEST), rel=1e-3)


def test_solutions_that_agree_to_rounding_or_are_not_finite():
    problem = prepare_settings(compose(Source("mine", problem=STEPPED), [])).problem
    same = estimate_by(problem, Constant(2.0), lambda: Neighbours(Constant(2.0), {}, Constant(2.0)))
    assert same.accepted and same.relative_l2["u"] == 1e-12
    lost = estimate_by(problem, Constant(2.0), lambda: Neighbours(Constant(np.nan), {}, Constant(2.0)))
    assert (lost.accepted, lost.why) == (False, "a solution with more or fewer features is not finite")
    np.testing.assert_array_equal(Difference(Constant(1.5), Constant(2.0), 0, 2.0)(np.zeros((3, 1))), [-1.0] * 3)


def test_a_value_at_one_point_that_is_zero_but_for_rounding_hides_nothing():
    ends = {"level": {"at": "x = 0", "u": 0}, "far": {"at": "x = 1", "u": 0}}
    problem = prepare_settings(
        compose(Source("mine", problem={**STEPPED, "equations": {"e": "u_xx = 1"}, "conditions": ends}), [])
    ).problem

    class Rounded(Waving):
        def __call__(self, points, *request):
            return super().__call__(points, *request) + 1e-17

    near = Neighbours(Rounded(1e-5), {"e": 100.0, "level": 1e-44, "far": 100.0}, Rounded(1.0))
    assert estimate_by(problem, Rounded(1e-3), lambda: near).accepted
