from dataclasses import replace

import numpy as np
import pytest
from judged_fields import from_text, shipped

from pinn.judge.choose import reference
from pinn.judge.classical import classical
from pinn.judge.refusal import NoReference
from pinn.judge.scattered.density import Density
from pinn.judge.scattered.least_squares import WeightedRows
from pinn.judge.scattered.rows import Scatter, discretised
from pinn.judge.scattered.solve import degree_for, solve
from pinn.judge.scattered.space import Space
from pinn.judge.scattered.windows import FIRST_NODES, scattered_bar
from pinn.judge.settings import FiniteDifferenceReference

BOX = {"x": [-1, 1], "y": [-1, 1]}
HOLE = {"hole": {"ball": {"center": [0.1, 0], "radius": 0.3}}}
SMOOTH = "sin(2*x)*cos(y) + x*y"
QUICK = FiniteDifferenceReference(target=1e-4, cache=False, seconds=600)


def around_a_hole(**text):
    return from_text(**{"coordinates": BOX, "unknowns": ["u"], "shapes": HOLE, "domain": "not hole", **text})


def manufactured(equation, conditions, exact=SMOOTH, **text):
    named = {"e": equation} if isinstance(equation, str) else equation
    return around_a_hole(equations=named, conditions=conditions, exact=exact, manufactured=True, **text)


HELD = {"walls": {"at": "boundary", "u": "exact"}}
CASES = {
    "poisson": manufactured("laplacian(u) = 0", HELD),
    "mixed": manufactured(
        "div((2 + sin(x))*grad(u)) + u_x = u",
        {"walls": {"at": "boundary and not hole", "u_n + u": "exact"}, "rim": {"at": "hole", "u_n": "exact"}},
    ),
    "nonlinear": manufactured("laplacian(u) = u**3", HELD),
    "plate": manufactured("laplacian(laplacian(u)) = 0", {"walls": {"at": "boundary", "u": "exact", "u_n": "exact"}}),
    "pair": manufactured(
        {"a": "laplacian(u) = v", "b": "laplacian(v) = u_x"},
        {"walls": {"at": "boundary", "u": "exact", "v": "exact"}},
        {"u": SMOOTH, "v": "cos(x + 2*y)"},
        unknowns=["u", "v"],
    ),
    "stokes": manufactured(
        {"mx": "p_x = laplacian(u)", "my": "p_y = laplacian(v)", "continuity": "u_x + v_y = 0"},
        {"walls": {"at": "boundary", "u": "exact", "v": "exact"}, "gauge": "p(x=0.9, y=0.9) = exp(0.9)*sin(0.9)"},
        {"u": "sin(x)*cos(y)", "v": "-cos(x)*sin(y)", "p": "exp(x)*sin(y)"},
        unknowns=["u", "v", "p"],
    ),
    "heat": manufactured(
        "u_t = laplacian(u)",
        {
            "start": {"at": "t = 0", "u": "exact"},
            "walls": {"at": "boundary and not hole", "u": "exact"},
            "rim": {"at": "hole", "u_n": "exact"},
        },
        f"exp(-t)*({SMOOTH})",
        coordinates={**BOX, "t": [0, 0.5]},
    ),
    "ball": from_text(
        coordinates={"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]},
        unknowns=["u"],
        shapes={"ball": {"ball": {"center": [0, 0, 0], "radius": 0.9}}},
        domain="ball",
        equations={"e": "laplacian(u) = 0"},
        conditions={"walls": {"at": "boundary", "u": "exact"}},
        exact="exp(x)*sin(y) + z",
    ),
}


def density_of(problem, largest):
    return Density(Space(problem), largest)


def true_errors(problem, found):
    points = found.layout.space.evenly(800, "truth")
    times = found.times[-1:]
    full = found.layout.space.full(points)
    if problem.time:
        full[:, problem.names.index(problem.time)] = times[0]
    truth = problem.exact_values(problem.values, full)
    values = np.stack([each[0] for each in found.at(points, times).values()], axis=1)
    return np.linalg.norm(values - truth, axis=0) / np.linalg.norm(truth, axis=0)


@pytest.mark.parametrize("name", CASES)
def test_errors_fall_at_the_order_of_the_method(name):
    problem = CASES[name]
    order, largest = (2, 0.45) if name == "ball" else (4, 0.22)
    ratio = 1.5 if name == "ball" else 2.0
    density, degree = density_of(problem, largest), degree_for(problem, order)
    errors = [true_errors(problem, solve(density, finer, round(8 * finer), degree)) for finer in (1.0, ratio)]
    rates = np.log(errors[0] / errors[1]) / np.log(ratio)
    assert (rates > (1.5 if name == "plate" else order - 1.0)).all() and (errors[1] < 2e-3).all(), (errors, rates)


@pytest.mark.parametrize("name", ["poisson", "mixed", "heat"])
def test_the_bar_of_a_reference_contains_the_truth(name):
    problem = CASES[name]
    found = reference(problem, QUICK)
    assert found.kind == "finite_difference" and found.scattered and found.state == "observed"
    assert found.bar <= 1e-4 and len(found.grids) == 3
    low, high = problem.box.T
    points = low + (high - low) * np.random.default_rng(3).random((2000, problem.dim))
    points = points[problem.inside(points)]
    truth = problem.exact_values(problem.values, points)
    apart = np.linalg.norm(found(points) - truth) / np.linalg.norm(truth)
    assert apart < found.bar < 1e3 * apart


def test_the_first_nodes_are_as_dense_as_is_asked_for():
    """Twice as dense along each axis, with twice as many steps, three to four times as many nodes; the bar holds there, too."""
    problem, usual = CASES["heat"], np.sqrt(FIRST_NODES[2])
    settings = replace(QUICK, target=1e-1, order=2)
    first, denser = (reference(problem, replace(settings, cells=cells)) for cells in (None, round(2 * usual)))
    ratios = np.divide(denser.grids, first.grids)
    assert ratios.min() > 2.5 and ratios.max() < 5, ratios
    points = problem.box[:, 0] + np.ptp(problem.box, axis=1) * np.random.default_rng(3).random((2000, problem.dim))
    points = points[problem.inside(points)]
    truth = problem.exact_values(problem.values, points)
    assert np.linalg.norm(denser(points) - truth) < denser.bar * np.linalg.norm(truth)


def test_interfaces_have_nodes_on_both_sides():
    for name, largest, bound in (("two_materials", 0.15, 2e-5), ("composite_rod", 0.1, 3e-5)):
        problem = shipped(name)
        found = solve(density_of(problem, largest), 2.0, 16, degree_for(problem, 4))
        assert len(found.layout.clouds) == 2
        assert true_errors(problem, found).max() < bound


def test_a_corner_that_points_inwards():
    problem = around_a_hole(
        shapes={"ell": {"polygon": {"vertices": [[0, 0], [1, 0], [1, -1], [-1, -1], [-1, 1], [0, 1]]}}},
        domain="ell",
        equations={"poisson": "-laplacian(u) = 1"},
        conditions={"walls": {"at": "boundary", "u": 0}},
    )
    found = solve(density_of(problem, 0.12), 2.0, 1, degree_for(problem, 4))
    diagonal = np.linspace(-0.5, -0.2, 601)
    top = found.at(np.stack([diagonal, diagonal], axis=1), np.zeros(1))["u"].max()
    assert top == pytest.approx(0.1494124, abs=2e-5)  # the highest value of the torsion function of the L-shape


def test_weighted_rows_are_the_least_squares_of_a_dense_matrix():
    problem = CASES["stokes"]
    layout = Scatter(density_of(problem, 0.3), 1.0, 3)
    system = discretised(layout)
    matrix = system.affine_matrices[0]
    rows = WeightedRows(system)
    load = np.random.default_rng(0).standard_normal(system.num_rows)
    weights = rows.weights(matrix)
    dense, *_ = np.linalg.lstsq(weights[:, None] * matrix.toarray(), weights * load, rcond=None)
    np.testing.assert_allclose(rows(matrix, check=True).solve(load), dense, rtol=0, atol=1e-9 * np.abs(dense).max())
    momentum = system.compiled[0].block
    own = matrix.toarray()[momentum.rows][:, : layout.num_nodes]
    np.testing.assert_allclose(weights[momentum.rows], 1 / np.linalg.norm(own, axis=1))


def test_what_is_left_undetermined_is_refused():
    problem = around_a_hole(
        equations={"e": "laplacian(u) + max(x - 5, 0)*u = 0"},
        conditions={"walls": {"at": "boundary", "u_n": 0}},
    )
    with pytest.raises(NoReference, match="singular"):
        solve(density_of(problem, 0.3), 1.0, 1, 3)


def test_contradictions_are_refused():
    problem = around_a_hole(
        equations={"e": "laplacian(u) = 1"},
        conditions={"walls": {"at": "boundary", "u_n": 0}, "gauge": "u(x=0.9, y=0.9) = 0"},
    )
    found = reference(problem, FiniteDifferenceReference(cache=False, size=0.1, seconds=600))
    assert found.kind == "none" and "contradict" in found.why


def test_waves_are_refused():
    waves = manufactured(
        "u_tt = laplacian(u)",
        {"start": {"at": "t = 0", "u": "exact", "u_t": "exact"}, "walls": {"at": "boundary", "u": "exact"}},
        f"cos(2*t)*({SMOOTH})",
        coordinates={**BOX, "t": [0, 1]},
    )
    found = reference(waves, QUICK)
    assert found.kind == "none" and "waves are covered on boxes only" in found.why


def test_fewer_equations_than_unknowns_and_no_start_are_refused():
    problem = CASES["heat"]
    startless = replace(problem, conditions=problem.conditions[1:])
    with pytest.raises(NoReference, match="starting value"):
        solve(density_of(startless, 0.3), 1.0, 4, 3)
    single = replace(CASES["pair"], equations=CASES["pair"].equations[:1])
    with pytest.raises(NoReference, match="1 equations for 2 unknowns"):
        solve(density_of(single, 0.3), 1.0, 1, 3)


def test_references_come_back_from_the_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = FiniteDifferenceReference(target=1e-1, order=2, seconds=600)
    first, second = (reference(CASES["heat"], settings) for _ in range(2))
    assert first.record() == second.record() and first.scattered
    axes = (np.linspace(-1, 1, 7), np.linspace(-1, 1, 8), np.array([0.1, 0.5]))
    values, again = first.on_grid(axes)["u"], second.on_grid(axes)["u"]
    np.testing.assert_array_equal(values, again)
    assert np.isnan(values[4, 3]).all() == (abs(axes[0][4] - 0.1) < 0.3 and abs(axes[1][3]) < 0.2)
    points = np.array([[-1.0, axes[1][2], 0.5], [0.1, 0.0, 0.5]])
    on_wall, in_hole = first(points)[:, 0]
    assert on_wall == pytest.approx(values[0, 2, 1], abs=1e-12) and np.isnan(in_hole)


def test_rule_of_the_bar():
    values = np.random.default_rng(0).standard_normal((5, 400))
    truth, noise = values[0], values[1]
    sequence = [truth + 1e-2 * 16.0**-level * noise for level in range(3)]
    found = scattered_bar(*sequence, 4)
    assert found.state == "observed" and found.order == pytest.approx(4, abs=0.1)
    true = np.linalg.norm(sequence[2] - truth) / np.linalg.norm(truth)
    assert found.bar == pytest.approx(3 * true, rel=0.05)
    slow = scattered_bar(*[truth + 1e-2 * 2.0**-level * noise for level in range(3)], 4)
    assert slow.state == "not asymptotic" and slow.bar >= 3 * slow.differences[1]
    assert scattered_bar(truth, truth + 1e-3 * noise, truth + 1e-1 * values[2], 4).state == "none"
    assert scattered_bar(truth + 1 * noise, truth + 0.05 * values[2], truth, 4).state == "not asymptotic"


def at_random(number):
    """A linear equation with a manufactured solution around a round hole or in a disk with an elliptic hole."""
    draw = np.random.default_rng([7, number])
    a, b, c = np.round(draw.uniform(1, 3, 3), 2)
    x, y, size, other = np.round(np.concatenate([draw.uniform(-0.3, 0.3, 2), draw.uniform(0.15, 0.4, 2)]), 2).tolist()
    equation = (f"laplacian(u) + {a}*u = 0", f"div((2 + sin({c}*x))*grad(u)) + {b}*u_y = u", "laplacian(u) = 2*u")[number % 3]
    shapes = (
        {"hole": {"ball": {"center": [x, y], "radius": size}}},
        {
            "disk": {"ball": {"center": [0, 0], "radius": 0.9}},
            "hole": {"ellipsoid": {"center": [x / 2, y / 2], "radii": [size, other]}},
        },
    )[number % 2]
    edge = {"at": "hole", ("u", "u_n", "u_n + u")[draw.integers(3)]: "exact"}
    return manufactured(
        equation,
        {"outside": {"at": "boundary and not hole", "u": "exact"}, "inside": edge},
        f"sin({a}*x + {c})*cos({b}*y) + x*y",
        shapes=shapes,
        domain="not hole" if number % 2 == 0 else "disk and not hole",
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_bars_of_random_problems_contain_the_truth(number):
    problem = at_random(number)
    found = reference(problem, FiniteDifferenceReference(cache=False, size=0.1, seconds=600))
    points = found.tables["solution"].layout.space.evenly(3000, "truth")
    truth = problem.exact_values(problem.values, points)
    apart = np.linalg.norm(found(points) - truth) / np.linalg.norm(truth)
    assert found.state == "observed" and apart < found.bar < 50 * apart, (apart, found.bar, found.observed_order)


@pytest.mark.slow
def test_the_classical_line_of_a_problem_that_is_no_box():
    problem = CASES["poisson"]
    found = classical(problem, reference(problem), error=1e-5, seconds=60.0, limit=6.0)
    fourth = [point.error for point in found.lines if point.method == "order 4"]
    assert len(fourth) >= 2 and fourth[-1] < fourth[0] / 8
    assert found.seconds_at_equal_error is not None
