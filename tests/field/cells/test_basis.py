"""Features on the cube against NumPy's polynomials and finite differences; what they leave out of a function."""

import itertools
import math

import numpy as np
import pytest
from field_problems import box
from numpy.polynomial import legendre

from pinn.field.cells.basis import Basis, LegendreFeatures, RandomFeatures, activation_derivative, chebyshev, chebyshev_points
from pinn.field.network.local_features import LocalFeatures
from pinn.problem.language import read_problem


def some_points(dim, num=9, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (num, dim))


def indices(dim, most=4):
    return [index for index in itertools.product(range(most + 1), repeat=dim) if sum(index) <= most]


def random_features(dim, activation, width=30, per_axis=8, radius=1.5, seed=3):
    return RandomFeatures(chebyshev_points([per_axis] * dim), width, activation, radius, np.random.default_rng(seed))


def legendre_basis(dim, degree):
    return Basis(LegendreFeatures(dim, degree), dim, degree + 2)


def test_chebyshev_points_are_the_zeros_of_the_polynomial():
    np.testing.assert_allclose(np.cos(7 * np.arccos(chebyshev(7))), 0, atol=1e-14)
    assert (np.diff(chebyshev(7)) > 0).all()
    np.testing.assert_array_equal(chebyshev_points([2, 3])[1], [chebyshev(2)[0], chebyshev(3)[1]])


@pytest.mark.parametrize(("dim", "degree"), [(1, 7), (2, 5), (3, 3)])
def test_legendre_derivatives_are_those_of_polynomials(dim, degree):
    features, points = LegendreFeatures(dim, degree), some_points(dim)
    for index in indices(dim):
        found = features.at(points, index)
        for number, degrees in enumerate(features.degrees):
            expected = math.prod(
                math.sqrt(2 * degree + 1) * legendre.Legendre.basis(degree).deriv(order)(points[:, axis])
                for axis, (degree, order) in enumerate(zip(degrees, index, strict=True))
            )
            np.testing.assert_allclose(found[:, number], expected, rtol=1e-12, atol=1e-12 * abs(found).max())


@pytest.mark.parametrize(("dim", "degree"), [(1, 24), (2, 9), (3, 5)])
def test_legendre_features_are_orthonormal_in_the_mean(dim, degree):
    places, weights = legendre.leggauss(degree + 1)
    points = np.array(list(itertools.product(places, repeat=dim)))
    weights = np.prod(np.array(list(itertools.product(weights / 2, repeat=dim))), axis=1)
    values = LegendreFeatures(dim, degree).at(points, (0,) * dim)
    np.testing.assert_allclose(values.T * weights @ values, np.eye(values.shape[1]), atol=1e-13)


@pytest.mark.parametrize(("dim", "degree"), [(1, 6), (2, 6), (3, 4)])
def test_degrees_lie_in_a_ball(dim, degree):
    found = {tuple(each) for each in LegendreFeatures(dim, degree).degrees}
    expected = {each for each in itertools.product(range(degree + 1), repeat=dim) if sum(n**2 for n in each) <= degree**2}
    assert found == expected and LegendreFeatures(dim, degree).size == len(expected)


@pytest.mark.parametrize("activation", ["tanh", "sin"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_derivatives_of_random_features_are_differences(activation, dim):
    features, points, step = random_features(dim, activation, width=6), some_points(dim), 1e-4
    for index in indices(dim, most=3):
        for axis in range(dim):
            shift = step * np.eye(dim)[axis]
            difference = (features.at(points + shift, index) - features.at(points - shift, index)) / (2 * step)
            higher = tuple(order + (number == axis) for number, order in enumerate(index))
            found = features.at(points, higher)
            np.testing.assert_allclose(found, difference, atol=1e-5 * max(1, abs(found).max()))


@pytest.mark.parametrize(("name", "function"), [("tanh", np.tanh), ("sin", np.sin)])
def test_derivatives_of_activations_are_those_of_their_taylor_series(name, function):
    """By Cauchy's formula on a circle, along which both are analytic."""
    z, turns = np.linspace(-2, 2, 7), np.exp(2j * np.pi * np.arange(64) / 64)
    values = function(z[:, None] + 0.5 * turns)
    for order in range(7):
        expected = math.factorial(order) * (values * turns**-order).mean(axis=1).real / 0.5**order
        np.testing.assert_allclose(activation_derivative(name, order, z), expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "sin"])
def test_random_features_are_orthonormal_in_the_mean_over_the_points(activation):
    points = chebyshev_points([8, 8])
    features = random_features(2, activation)
    values = features.at(points, (0, 0))
    np.testing.assert_allclose(values.T @ values / len(points), np.eye(features.size), atol=1e-2)


def test_features_that_add_nothing_are_dropped():
    few, many = random_features(1, "sin", width=8, per_axis=40), random_features(1, "sin", width=200, per_axis=40)
    assert few.size == 8
    assert 10 < many.size < 30
    assert many.at(np.zeros((3, 1)), (1,)).shape == (3, many.size)


def test_random_numbers_are_those_of_the_generator():
    first, again, other = (random_features(2, "tanh", seed=seed).at(some_points(2), (1, 0)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_fit_reproduces_what_the_features_span(dim):
    basis, rng = legendre_basis(dim, 5), np.random.default_rng(0)
    coefficients = rng.standard_normal((4, 2, basis.size))
    values = coefficients @ basis.features.at(basis.points, (0,) * dim).T
    np.testing.assert_allclose(basis.fit(values), coefficients, atol=1e-12)


def test_a_fit_is_that_of_least_squares():
    basis = Basis(random_features(2, "tanh", width=20), 2, 8)
    values = np.random.default_rng(0).standard_normal(64)
    expected = np.linalg.lstsq(basis.table((0, 0)), values, rcond=None)[0]
    np.testing.assert_allclose(basis.fit(values), expected, rtol=1e-8)


def test_the_grid_has_tables_and_other_points_have_values():
    basis = legendre_basis(2, 4)
    assert basis.at(basis.points, (1, 0)) is basis.table((1, 0))
    np.testing.assert_array_equal(basis.at(basis.points.copy(), (1, 0)), basis.table((1, 0)))


@pytest.mark.parametrize(("dim", "degree"), [(1, 24), (2, 14), (3, 10)])
def test_little_is_left_out_of_a_resolved_function(dim, degree):
    basis = legendre_basis(dim, degree)
    smooth = np.exp(0.2 * basis.points.sum(axis=1))
    rough = np.sign(basis.points[:, 0] - 0.3)
    assert basis.tails(smooth).shape == (dim,)
    assert basis.tails(smooth).max() < {1: 1e-14, 2: 1e-12, 3: 1e-9}[dim]
    assert 0.02 < basis.tails(rough)[0] < 1


FUNCTIONS = {"arctan": lambda x: np.arctan(8 * (x - 0.2)), "bell": lambda x: 1 / (1 + 4 * x**2), "pole": lambda x: 1 / (1.3 - x)}


@pytest.mark.parametrize("degree", [8, 16, 24])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_left_out_is_about_the_error_of_the_fit(name, degree):
    basis, fine, function = legendre_basis(1, degree), np.linspace(-1, 1, 501)[:, None], FUNCTIONS[name]
    fitted = basis.features.at(fine, (0,)) @ basis.fit(function(basis.points[:, 0]))
    error = np.sqrt(np.mean((fitted - function(fine[:, 0])) ** 2))
    assert 0.5 < basis.tails(function(basis.points[:, 0]))[0] / error < 5


def test_the_axis_along_which_a_function_is_rough_is_told():
    basis = legendre_basis(2, 12)
    x, y = basis.points.T
    for rough, axis in ((np.tanh(9 * x) + 0.1 * y, 0), (np.tanh(9 * y) * np.exp(0.1 * x), 1)):
        tails = basis.tails(rough)
        assert tails[axis] > 30 * tails[1 - axis]
    both = basis.tails(np.tanh(9 * x) + np.tanh(9 * y))
    assert both[0] == pytest.approx(both[1])


def test_tails_go_with_the_function_and_are_those_of_each():
    basis = legendre_basis(2, 8)
    values = np.random.default_rng(0).standard_normal((3, 2, len(basis.points)))
    several = basis.tails(values)
    assert several.shape == (3, 2, 2)
    np.testing.assert_allclose(several[1, 0], basis.tails(values[1, 0]))
    np.testing.assert_allclose(basis.tails(7 * values), 7 * several)


@pytest.mark.parametrize("features", ["legendre", "sin"])
@pytest.mark.parametrize("extra", [1, 4])
def test_extra_points_are_those_beyond_the_degree(features, extra):
    network = LocalFeatures(features, degree=5, extra_points=extra)
    problem = box(2)
    basis = network.basis(problem, seed=0)
    assert network.points_per_axis(problem) == basis.per_axis == 5 + extra
    np.testing.assert_array_equal(basis.points, chebyshev_points([5 + extra] * 2))
    assert basis.features.size == network.num_features(problem)


@pytest.mark.parametrize(("left", "degree"), [("u_x + u_y", 14), ("u_xx + u_yy", 14), ("u_xxx + u_y", 16), ("u_xxxx + u_yyyy", 18)])
def test_the_degree_grows_with_the_order(left, degree):
    text = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "unknowns": ["u"], "equations": {"only": f"{left} = 0"}}
    problem = read_problem(text | {"conditions": {"walls": {"at": "boundary", "u": 0} | ({"u_n": 0} if degree > 16 else {})}})
    assert LocalFeatures().degree_for(problem) == degree
    assert LocalFeatures(degree=5).degree_for(problem) == 5


def test_places_beside_those_of_the_grid_are_there():
    basis = Basis(LegendreFeatures(2, 3), 2, 5)
    nodes = chebyshev(5)
    points = np.array([[nodes[1], 1.0], [nodes[4], -1.0], [0.3, nodes[2]]])
    near = points * (1 + 3e-16) + 1e-15
    found = basis.snapped(near)
    np.testing.assert_array_equal(found[:, 1], points[:, 1])
    np.testing.assert_array_equal(found[:2, 0], points[:2, 0])
    assert found[2, 0] == near[2, 0]


def test_what_is_kept_of_a_face_is_what_is_computed():
    basis = Basis(LegendreFeatures(2, 3), 2, 5)
    face = np.stack([np.ones(5), chebyshev(5)], axis=1)
    for index in ((0, 0), (1, 0), (0, 2)):
        np.testing.assert_array_equal(basis.at(face, index), basis.features.at(face, index))
        assert basis.at(face.copy(), index) is basis.at(face, index)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_sum_of_functions_is_that_of_their_table(dim, monkeypatch):
    monkeypatch.setattr("pinn.field.cells.basis.TOGETHER", 200)
    rng = np.random.default_rng(dim)
    points, box_points = rng.uniform(-1, 1, (50, dim)), chebyshev_points([6] * dim)
    for features in (LegendreFeatures(dim, 5), RandomFeatures(box_points, 30, "tanh", 1.0, rng)):
        coefficients = rng.standard_normal(features.size)
        for index in itertools.product(range(3), repeat=dim):
            table = features.at(points, index)
            bound = 1e-12 * np.abs(table).max() * np.abs(coefficients).max() * features.size + 1e-12
            np.testing.assert_allclose(features.combined(coefficients, points, index), table @ coefficients, atol=bound)
