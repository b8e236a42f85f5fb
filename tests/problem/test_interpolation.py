"""Functions through numbers: polynomials are met exactly, derivatives are those of the interpolant, and the order is that of theory."""

import pickle

import numpy as np
import pytest

from pinn.problem.data.interpolation import through_grid
from pinn.problem.data.scattered import through_points
from pinn.problem.settings import BadInput

RANDOM = np.random.default_rng(3)
X = np.sort(RANDOM.uniform(0, 1, 9)) * 0.8 + 0.1
AXES = {"x": np.array([0, *X, 1.0]), "y": np.linspace(-1, 2, 7)}
POINTS = np.column_stack([RANDOM.uniform(0, 1, 200), RANDOM.uniform(-1, 2, 200)])


def grid(function, axes=AXES):
    return function(*np.meshgrid(*axes.values(), indexing="ij"))


def scattered(count, seed=0):
    inner = np.random.default_rng(seed).uniform([0, -1], [1, 2], (count, 2))
    side = np.linspace(0, 1, 12)
    rim = [np.column_stack([side, np.full(12, y)]) for y in (-1, 2)] + [
        np.column_stack([np.full(12, x), 3 * side - 1]) for x in (0, 1)
    ]
    return np.unique(np.concatenate([inner, *rim]), axis=0)


def test_cubics_are_met_exactly_with_all_derivatives():
    k = through_grid("k", "k.csv", "cubic", AXES, grid(lambda x, y: x**3 * y**3 - 2 * x * y**2), {})
    x, y = POINTS.T
    truth = {
        (0, 0): x**3 * y**3 - 2 * x * y**2,
        (1, 0): 3 * x**2 * y**3 - 2 * y**2,
        (0, 2): 6 * x**3 * y - 4 * x,
        (2, 1): 18 * x * y**2,
        (3, 3): np.full(200, 36.0),
    }
    for orders, values in truth.items():
        k.check(orders)
        np.testing.assert_allclose(k(orders, x, y), values, atol=1e-9)


def test_broken_lines_and_their_slopes():
    k = through_grid("k", "k.csv", "linear", AXES, grid(lambda x, y: 1 + x * y), {})
    x, y = POINTS.T
    np.testing.assert_allclose(k((0, 0), x, y), 1 + x * y, atol=1e-14)
    np.testing.assert_allclose(k((1, 0), x, y), y, atol=1e-12)
    kink = through_grid("k", "k.csv", "linear", {"x": np.array([0, 1, 3.0])}, np.array([0, 1, 0.0]), {})
    np.testing.assert_allclose(kink((0,), np.array([0.5, 2.0])), [0.5, 0.5])
    np.testing.assert_allclose(kink((1,), np.array([0.5, 2.0])), [1, -0.5])


def test_steps_hold_half_way_to_the_next_and_beyond_the_ends():
    k = through_grid("k", "k.csv", "nearest", {"x": np.array([1, 2, 4.0])}, np.array([10, 20, 30.0]), {})
    np.testing.assert_array_equal(k((0,), np.array([0.5, 1.49, 1.51, 2.99, 3.01, 5.0])), [10, 10, 20, 20, 30, 30])
    assert k.jumps and k.low == 0.5 and k.high == 5


@pytest.mark.parametrize("kind, order", [("cubic", 4), ("linear", 2)])
def test_the_order_is_that_of_theory(kind, order):
    errors = []
    for count in (32, 64):
        x = np.linspace(0, 1, count + 1)
        k = through_grid("k", "k.csv", kind, {"x": x, "y": x}, np.sin(3 * x)[:, None] * np.exp(x), {})
        places = np.random.default_rng(0).random((500, 2)).T
        errors.append(np.sqrt(np.mean(np.square(k((0, 0), *places) - np.sin(3 * places[0]) * np.exp(places[1])))))
    rate = np.log2(errors[0] / errors[1])
    assert abs(rate - order) < 0.5 and errors[1] < 5 / 64**order, (rate, errors)


@pytest.mark.parametrize("closed", [True, False])
def test_periodic_tables_go_round(closed):
    x = np.linspace(0, 2 * np.pi, 33)[: 33 if closed else 32]
    k = through_grid("k", "k.csv", "cubic", {"x": x}, np.cos(x), {"x": (0, 2 * np.pi)})
    near = np.array([0, 1e-9, np.pi, 2 * np.pi - 1e-9, 2 * np.pi])
    np.testing.assert_allclose(k((0,), near), np.cos(near), atol=1e-5)
    np.testing.assert_allclose(k((2,), near[[0, -1]]), k((2,), near[[-1, 0]]), rtol=1e-9)  # the seam is a knot like any other
    k.refuse_uncovered({"x": (0, 2 * np.pi)})
    if not closed:
        with pytest.raises(BadInput, match=r"k.csv reaches from x = 0 to 6\.08\d*; x goes from 0 to 6.28319"):
            through_grid("k", "k.csv", "cubic", {"x": x}, np.cos(x), {}).refuse_uncovered({"x": (0, 2 * np.pi)})


def test_a_table_that_does_not_go_round_is_taken_as_it_is():
    x = np.linspace(0, 1, 5)
    k = through_grid("k", "k.csv", "cubic", {"x": x}, x**3, {"x": (0, 1)})
    np.testing.assert_allclose(k((0,), POINTS[:, 0]), POINTS[:, 0] ** 3, atol=1e-14)


@pytest.mark.parametrize("places", [2, 3])
def test_few_values_are_joined_by_polynomials_of_lower_degree(places):
    x = np.linspace(0, 1, places)
    k = through_grid("k", "k.csv", "cubic", {"x": x}, x ** (places - 1), {})
    np.testing.assert_allclose(k((0,), POINTS[:, 0]), POINTS[:, 0] ** (places - 1), atol=1e-14)


@pytest.mark.parametrize("kind", ["cubic", "linear"])
def test_scattered_points_carry_linear_functions_exactly(kind):
    points = scattered(150)
    k = through_points("k", "k.csv", kind, dict(zip("xy", points.T, strict=True)), 1 + 2 * points[:, 0] - 3 * points[:, 1])
    x, y = POINTS.T
    np.testing.assert_allclose(k((0, 0), x, y), 1 + 2 * x - 3 * y, atol=1e-6)
    np.testing.assert_allclose(k((1, 0), x, y), 2, atol=1e-4)
    np.testing.assert_allclose(k((0, 1), x, y), -3, atol=1e-4)
    k.refuse_uncovered({"x": (0, 1), "y": (-1, 2)})


@pytest.mark.parametrize("kind", ["cubic", "linear"])
def test_slopes_between_scattered_points_are_those_of_the_interpolant(kind):
    points = scattered(150)
    k = through_points("k", "k.csv", kind, dict(zip("xy", points.T, strict=True)), np.sin(3 * points[:, 0]) * np.cos(points[:, 1]))
    places, step = POINTS.clip([0.01, -0.99], [0.99, 1.99]), 1e-6
    for axis, orders in enumerate([(1, 0), (0, 1)]):
        off = step * np.eye(2)[axis]
        measured = (k((0, 0), *(places + off).T) - k((0, 0), *(places - off).T)) / (2 * step)
        same = np.abs(measured - k(orders, *places.T)) < 1e-5
        assert same.mean() > 0.99  # differences across an edge of a triangle are neither side's slope


def test_cubics_between_scattered_points_are_better_than_lines():
    points = scattered(600)
    values = np.sin(3 * points[:, 0]) * np.cos(points[:, 1])
    x, y = POINTS.clip([0.05, -0.9], [0.95, 1.9]).T
    errors = {}
    for kind in ("cubic", "linear", "nearest"):
        k = through_points("k", "k.csv", kind, dict(zip("xy", points.T, strict=True)), values)
        errors[kind] = np.sqrt(np.mean(np.square(k((0, 0), x, y) - np.sin(3 * x) * np.cos(y))))
    assert errors["cubic"] < errors["linear"] / 3 < errors["nearest"] / 10, errors


def test_simplices_in_three_coordinates():
    points = np.concatenate([np.random.default_rng(0).random((200, 3)), np.stack(np.meshgrid(*[[0, 1]] * 3), -1).reshape(-1, 3)])
    k = through_points("k", "k.csv", "linear", dict(zip("xyz", points.T, strict=True)), points @ [1, 2, 3])
    places = np.random.default_rng(1).random((100, 3))
    np.testing.assert_allclose(k((0, 0, 0), *places.T), places @ [1, 2, 3], atol=1e-10)
    np.testing.assert_allclose(k((0, 0, 1), *places.T), 3, atol=1e-8)
    with pytest.raises(BadInput, match="scattered points in 3 coordinates; say interpolate: linear or nearest"):
        through_points("k", "k.csv", "cubic", dict(zip("xyz", points.T, strict=True)), points[:, 0])


def test_places_outside_are_named():
    k = through_grid("k", "k.csv", "cubic", AXES, grid(lambda x, y: x), {})
    with pytest.raises(BadInput) as caught:
        k((0, 0), np.array([0.5, 1.25]), 0.0)
    assert str(caught.value) == "'k' is wanted at x = 1.25, but k.csv has x from 0 to 1, y from -1 to 2"
    inner = np.random.default_rng(0).uniform(0, 1, (100, 2))
    s = through_points("s", "s.csv", "linear", dict(zip("xy", inner.T, strict=True)), inner[:, 0])
    with pytest.raises(BadInput, match="'s' is wanted at x = .*, which is not between the points of s.csv"):
        s((0, 0), inner[:, 0].min(), inner[:, 1].min())


@pytest.mark.parametrize(
    "kind, orders, words",
    [
        ("cubic", (4, 0), "'k_xxxx': a function made of cubics has third derivatives at most"),
        ("linear", (0, 2), "'k_yy': a function made of straight pieces has first derivatives only; interpolate: cubic has third"),
        ("nearest", (1, 0), "'k_x': the derivative of steps drops the jumps"),
    ],
)
def test_derivatives_that_are_none_are_refused(kind, orders, words):
    with pytest.raises(BadInput, match=words):
        through_grid("k", "k.csv", kind, AXES, grid(lambda x, y: x), {}).check(orders)


def test_functions_travel_to_other_processes():
    points = scattered(50)
    columns = dict(zip("xy", points.T, strict=True))
    made = [through_grid("k", "k.csv", kind, AXES, grid(np.add), {}) for kind in ("cubic", "linear", "nearest")]
    made += [through_points("k", "k.csv", kind, columns, points[:, 0]) for kind in ("cubic", "linear", "nearest")]
    for k in made:
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(k))((0, 0), *POINTS.T), k((0, 0), *POINTS.T))
