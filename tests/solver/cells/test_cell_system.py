"""The rows of problems on covers, and the step that they give, against rows put down by hand and dense least squares."""

import numpy as np
import pytest
from by_hand import WEIGHT, ByHand, Joint, Law, make_field, places, read

from pinn.solver.cells.discretise import given
from pinn.solver.cells.system import System

PI = np.pi


def value(points, d, slope=1.0):
    return {("u", *[0] * points.shape[1]): slope}


def burgers():
    """A nonlinear equation on two cells beside each other."""
    problem = read(
        {"x": [-1, 1], "t": [0, 0.5]},
        {"burgers": "u_t + u*u_x = 0.1*u_xx"},
        {"initial": {"at": "t = 0", "u": "-sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    )
    laws = {
        "burgers": Law(
            lambda p, d: d("u", 0, 1) + d("u", 0, 0) * d("u", 1, 0) - 0.1 * d("u", 2, 0),
            lambda p, d: {("u", 0, 1): 1, ("u", 1, 0): d("u", 0, 0), ("u", 0, 0): d("u", 1, 0), ("u", 2, 0): 0.1},
            weight=1.0,
        ),
        "initial": Law(lambda p, d: d("u", 0, 0) + np.sin(PI * p[:, 0]), value, ({1: 0.0},)),
        "walls": Law(lambda p, d: d("u", 0, 0), value, ({0: -1.0}, {0: 1.0})),
    }
    return problem, [2, 1], laws, [Joint((0, 1), 0, (0.0, 0.0), {"u": 2})]


def two_unknowns():
    """Two unknowns of different orders that act on each other."""
    problem = read(
        {"x": [0, 1.5]},
        {"first": "u_x = u*v", "second": "v_xx + u_x*v = x"},
        {"left": {"at": "x = 0", "u": 1}, "ends": {"at": "boundary", "v": "x**2"}},
        ("u", "v"),
    )
    laws = {
        "first": Law(
            lambda p, d: d("u", 1) - d("u", 0) * d("v", 0),
            lambda p, d: {("u", 1): 1, ("u", 0): d("v", 0), ("v", 0): d("u", 0)},
            weight=1.0,
        ),
        "second": Law(
            lambda p, d: d("v", 2) + d("u", 1) * d("v", 0) - p[:, 0],
            lambda p, d: {("v", 2): 1, ("u", 1): d("v", 0), ("v", 0): d("u", 1)},
            weight=1.0,
        ),
        "left": Law(lambda p, d: d("u", 0) - 1, value, ({0: 0.0},)),
        "ends": Law(lambda p, d: d("v", 0) - p[:, 0] ** 2, value, ({0: 0.0}, {0: 1.5})),
    }
    return problem, [3], laws, [Joint((0, 1), 0, (0.5, 0.5), {"u": 1, "v": 2}), Joint((1, 2), 0, (1.0, 1.0), {"u": 1, "v": 2})]


def ring():
    """Cells that meet at the ends of a ring as well."""
    problem = read(
        {"x": [0, 2], "t": [0, 1]},
        {"transport": "u_t + (1 + t)*u_x = 0"},
        {"initial": {"at": "t = 0", "u": "cos(pi*x)"}, "wrap": {"periodic": "x"}},
    )
    laws = {
        "transport": Law(
            lambda p, d: d("u", 0, 1) + (1 + p[:, 1]) * d("u", 1, 0),
            lambda p, d: {("u", 0, 1): 1, ("u", 1, 0): 1 + p[:, 1]},
            weight=1.0,
        ),
        "initial": Law(lambda p, d: d("u", 0, 0) - np.cos(PI * p[:, 0]), value, ({1: 0.0},)),
    }
    return problem, [2, 1], laws, [Joint((0, 1), 0, (1.0, 1.0), {"u": 1}), Joint((1, 0), 0, (2.0, 0.0), {"u": 1})]


def elsewhere():
    """An equation that reads the value at an end, which lies in the other cell for half of its points."""
    problem = read({"x": [0, 1]}, {"law": "u_x = 3*u(x=0) - u"}, {"end": {"at": "x = 1", "u": 2}})
    laws = {
        "law": Law(
            lambda p, d: d("u", 1) + d("u", 0) - 3 * d("u", 0, x0=0.0),
            lambda p, d: {("u", 1): 1, ("u", 0): 1, "elsewhere": 3},
            weight=1.0,
            foreign=lambda cell: 9.0 * (cell == 1),
        ),
        "end": Law(lambda p, d: d("u", 0) - 2, value, ({0: 1.0},)),
    }
    return problem, [2], laws, [Joint((0, 1), 0, (0.5, 0.5), {"u": 1})]


def integral():
    """An integral over both cells; its row stands in the middle and belongs to the upper one."""
    problem = read({"x": [0, 1.5]}, {"law": "u_xx = x"}, {"mean": "integral(x*u) = 2", "right": {"at": "x = 1.5", "u": 0}, "left": {"at": "x = 0", "free": "u"}})  # fmt: skip
    position, weights = np.polynomial.legendre.leggauss(24)
    nodes, weights = 0.75 * (1 + position), 0.75 * weights

    def whole(points, d):
        return sum(weight * node * d("u", 0, x0=node) for node, weight in zip(nodes, weights, strict=True)) - 2

    laws = {
        "law": Law(lambda p, d: d("u", 2) - p[:, 0], lambda p, d: {("u", 2): 1}, weight=1.0),
        "mean": Law(
            whole,
            lambda p, d: {"integral": 1.5**2 / 2},
            ({0: 0.75},),
            foreign=lambda cell: np.sum((weights * nodes)[nodes < 0.75] ** 2),
        ),
        "right": Law(lambda p, d: d("u", 0), value, ({0: 1.5},)),
    }
    return problem, [2], laws, [Joint((0, 1), 0, (0.75, 0.75), {"u": 2})]


def robin():
    """Conditions on the derivative along the normal, with and without the value, on one and on two cells."""
    problem = read(
        {"x": [0, 1], "y": [0, 3]},
        {"poisson": "laplacian(u) = x"},
        {
            "left": {"at": "x = 0", "u": "y"},
            "right": {"at": "x = 1", "u_n": "5 - 2*u"},
            "others": {"at": "y = 0 or y = 3", "u_n": "x"},
        },
    )
    laws = {
        "poisson": Law(
            lambda p, d: d("u", 2, 0) + d("u", 0, 2) - p[:, 0], lambda p, d: {("u", 2, 0): 1, ("u", 0, 2): 1}, weight=1.0
        ),
        "left": Law(lambda p, d: d("u", 0, 0) - p[:, 1], value, ({0: 0.0},)),
        "right": Law(lambda p, d: d("u", 1, 0) - 5 + 2 * d("u", 0, 0), lambda p, d: {("u", 1, 0): 1, ("u", 0, 0): 2}, ({0: 1.0},)),
        "others": Law(
            lambda p, d: np.where(p[:, 1] > 1, 1, -1) * d("u", 0, 1) - p[:, 0],
            lambda p, d: {("u", 0, 1): 1},
            ({1: 0.0}, {1: 3.0}),
        ),
    }
    return problem, [2, 1], laws, [Joint((0, 1), 0, (0.5, 0.5), {"u": 2})]


def selector():
    """Conditions on parts of walls that end within cells."""
    problem = read(
        {"x": [0, 1], "y": [0, 1]},
        {"poisson": "laplacian(u) = 1"},
        {"right": {"at": "boundary and x > 0.3", "u": "y"}, "left": {"at": "boundary and x <= 0.3", "u_n": 0}},
    )
    faces = ({0: 0.0}, {0: 1.0}, {1: 0.0}, {1: 1.0})
    laws = {
        "poisson": Law(lambda p, d: d("u", 2, 0) + d("u", 0, 2) - 1, lambda p, d: {("u", 2, 0): 1, ("u", 0, 2): 1}, weight=1.0),
        "right": Law(lambda p, d: d("u", 0, 0) - p[:, 1], value, faces, cut=lambda x, y: x > 0.3),
        "left": Law(
            lambda p, d: np.where(p[:, 0] == 0, -d("u", 1, 0), np.where(p[:, 1] == 1, 1, -1) * d("u", 0, 1)),
            lambda p, d: {("u", 1, 0): p[:, 0] == 0, ("u", 0, 1): p[:, 0] > 0},
            faces,
            cut=lambda x, y: x <= 0.3,
        ),
    }
    return problem, [2, 1], laws, [Joint((0, 1), 0, (0.5, 0.5), {"u": 2})]


def set_up(case, seed=0, weights=None):
    problem, cells, laws, joints = case()
    field = make_field(problem, cells)
    start = 0.3 * np.random.default_rng(seed).standard_normal(field.shape)
    rows = [row for row in problem.residuals if row.kind != "periodic"]
    return System(problem, field, rows, (), weights), ByHand(field, laws, joints, start), start


CASES = [burgers, two_unknowns, ring, elsewhere, integral, robin, selector]


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_that_of_dense_least_squares(case):
    system, by_hand, start = set_up(case)
    found = system.step(start)
    expected = by_hand.step()
    np.testing.assert_allclose(found.move, expected, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("case", CASES)
def test_the_norm_is_that_of_all_rows(case):
    system, by_hand, start = set_up(case)
    assert system.step(start).norm == pytest.approx(np.linalg.norm(by_hand.rows(start)), rel=1e-12)
    other = start + 0.1 * np.random.default_rng(1).standard_normal(start.shape)
    assert system.norm(other) == pytest.approx(np.linalg.norm(by_hand.rows(other)), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_losses_are_mean_squares_of_each_residual(case):
    system, by_hand, start = set_up(case)
    losses = system.losses(start)
    assert set(losses) == {part.name for part in by_hand.parts}
    for name, loss in losses.items():
        values = np.concatenate([part.residual(start) for part in by_hand.parts if part.name == name])
        assert loss == pytest.approx(np.mean(values**2), rel=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_number_of_rows(case):
    system, by_hand, start = set_up(case)
    assert system.num_rows == len(by_hand.rows(start))


def test_a_weight_is_of_the_squares_of_its_residual():
    system, by_hand, start = set_up(burgers, weights={"walls": 4.0, "burgers": 9.0})
    factors = {"burgers": 3.0, "initial": 1.0, "walls": 2.0 / WEIGHT}
    by_hand.parts = [
        part._replace(factor=factors[part.name] * part.factor, damped=factors[part.name] * part.damped) for part in by_hand.parts
    ]
    expected = by_hand.step()
    np.testing.assert_allclose(system.step(start).move, expected, atol=1e-9 * abs(expected).max())


def test_a_slab_takes_over_value_and_slope_from_the_one_before():
    problem = read(
        {"x": [0, 1], "t": [0, 2]},
        {"wave": "u_tt = u_xx"},
        {"initial": {"at": "t = 0", "u": "0", "u_t": "0"}, "ends": {"at": "boundary", "u": 0}},
    )
    field = make_field(problem, [2, 1])
    field = field._replace(cover=field.cover.with_range(1, 0.5, 0.8))
    rows = [row for row in problem.residuals if not row.name.startswith("initial")]
    start = np.random.default_rng(0).standard_normal(field.shape)

    def before(points, request):
        assert request == (("u", ((0, 0),)), ("u", ((0, 1),)))
        return np.column_stack([np.sin(points[:, 0]), np.exp(points[:, 0])])

    def kept(by_hand, coefficients):
        found = []
        for cell, box in enumerate(field.cover.boxes):
            points = places(box, field.basis.per_axis, {1: 0.5})
            d = by_hand.jets(coefficients, cell, points)
            found += [d("u", 0, 0) - np.sin(points[:, 0]), 0.15 * (d("u", 0, 1) - np.exp(points[:, 0]))]
        return WEIGHT * np.concatenate(found)

    laws = {
        "wave": Law(lambda p, d: d("u", 0, 2) - d("u", 2, 0), lambda p, d: {("u", 0, 2): 1, ("u", 2, 0): 1}, weight=1.0),
        "ends": Law(lambda p, d: d("u", 0, 0), value, ({0: 0.0}, {0: 1.0})),
    }
    by_hand = ByHand(field, laws, [Joint((0, 1), 0, (0.5, 0.5), {"u": 2})], start, [kept])
    system = System(problem, field, rows, given(problem, field, 1, before, WEIGHT))
    found, expected = system.step(start), by_hand.step()
    np.testing.assert_allclose(found.move, expected, atol=1e-9 * abs(expected).max())
    assert found.norm == pytest.approx(np.linalg.norm(by_hand.rows(start)), rel=1e-12)
    assert system.num_rows == len(by_hand.rows(start))
