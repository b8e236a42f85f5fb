"""Fields in cells against a polynomial that every cell can represent, and slabs of them along time."""

import itertools

import numpy as np
import pytest
from numpy.polynomial import polynomial

from pinn.field.cells.basis import Basis, LegendreFeatures
from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import whole
from pinn.field.cells.slabs import Slab, Slabs
from pinn.problem.problem import Coordinate, Problem
from pinn.problem.unknowns import Unknown

BOX = np.array([[-1.0, 2.0], [0.0, 0.7], [-0.5, 1.0]])


def made(dim=2, unknowns=("u",), degree=5, seed=0):
    """A field on a cover with cells of several sizes."""
    rng = np.random.default_rng(seed)
    cover = whole(BOX[:dim], (), [2, 1, 2][:dim])
    cover, _ = cover.split({0: list(range(dim)), 1: [0]})
    return CellField(cover, Basis(LegendreFeatures(dim, degree), dim, degree + 2), unknowns), rng


def random_polynomials(rng, count, dim, degree=4):
    """Random polynomials of a total degree, as functions of an index and points."""
    arrays = rng.standard_normal((count, *[degree + 1] * dim))
    for place in itertools.product(range(degree + 1), repeat=dim):
        if sum(place) > degree:
            arrays[(slice(None), *place)] = 0

    def value(number, index, points):
        derivative = arrays[number]
        for axis, order in enumerate(index):
            derivative = polynomial.polyder(derivative, order, axis=axis)
        return (polynomial.polyval, polynomial.polyval2d, polynomial.polyval3d)[dim - 1](*points.T, derivative)

    return value


def projected(field, value):
    """Coefficients of the polynomials."""
    dim, grid = field.basis.dim, field.grid_points()
    flat = grid.reshape(-1, dim)
    values = [value(number, (0,) * dim, flat).reshape(grid.shape[:2]) for number in range(len(field.unknowns))]
    return field.project(np.stack(values, axis=1))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_all_derivatives_of_a_polynomial_are_exact_at_points_in_any_order(dim):
    field, rng = made(dim, ("u", "v"))
    value = random_polynomials(rng, 2, dim)
    coefficients = projected(field, value)
    assert coefficients.shape == field.shape and field.num_params == coefficients.size
    points = BOX[:dim, 0] + rng.random((300, dim)) * (BOX[:dim] @ [-1, 1])
    assert len(set(field.cover.owner(points))) == field.cover.num_cells
    every = [index for index in itertools.product(range(5), repeat=dim) if sum(index) <= 4]
    request = tuple((name, (index,)) for index in every for name in ("v", "u"))
    found = field.jets(coefficients, points, request)
    for column, (name, (index,)) in enumerate(request):
        expected = value("uv".index(name), index, points)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-10 * max(1, np.abs(expected).max()))


def test_a_sum_of_derivatives_is_one_column():
    field, rng = made(2)
    value = random_polynomials(rng, 1, 2)
    points = BOX[:2, 0] + rng.random((20, 2)) * (BOX[:2] @ [-1, 1])
    found = field.jets(projected(field, value), points, (("u", ((0, 2), (2, 0))),))[:, 0]
    np.testing.assert_allclose(found, value(0, (0, 2), points) + value(0, (2, 0), points), atol=1e-8)


def test_values_on_the_grid_are_those_at_its_points():
    field, rng = made(2, ("u", "v"))
    coefficients, operator = rng.standard_normal(field.shape), ((0, 2), (1, 1))
    cells = np.repeat(np.arange(field.cover.num_cells), len(field.basis.points))
    expected = field.jets(coefficients, field.grid_points().reshape(-1, 2), (("v", operator),), cells)
    np.testing.assert_allclose(field.on_grid(coefficients, "v", operator).ravel(), expected[:, 0], rtol=1e-9, atol=1e-8)


def test_a_point_on_a_face_is_seen_from_the_cell_that_is_named():
    field = CellField(whole(BOX[:1], (), [2]), Basis(LegendreFeatures(1, 2), 1, 4), ("u",))
    coefficients = np.array([[[3.0, 0, 0]], [[4.0, 0, 0]]])
    face, value = np.array([[0.5]]), (("u", ((0,),)),)
    assert field.jets(coefficients, face, value) == 4
    assert field.jets(coefficients, face, value, np.array([0])) == 3
    assert field.jets(coefficients, np.empty((0, 1)), value).shape == (0, 1)


def in_time(unknowns=("u",)):
    """Three slabs, the number of each being its value, and the problem they belong to."""
    names = ("x", "t")
    coordinates = (Coordinate("x", -1.0, 2.0), Coordinate("t", 0.0, 0.7))
    problem = Problem("slabs", coordinates, tuple(Unknown(name, names) for name in unknowns), (), time="t")
    basis, slabs = Basis(LegendreFeatures(2, 2), 2, 4), []
    for number, (low, high) in enumerate([(0.0, 0.1), (0.1, 0.4), (0.4, 0.7)]):
        field = CellField(whole(BOX[:2], (), [number + 1, 1]).with_range(1, low, high), basis, unknowns)
        coefficients = np.zeros(field.shape)
        coefficients[..., 0] = number + 10 * np.arange(len(unknowns))
        slabs.append(Slab(field, coefficients))
    return problem, tuple(slabs)


def test_every_time_has_its_slab():
    problem, slabs = in_time(("u", "v"))
    solution = Slabs(problem, 1, slabs)
    times = np.array([0.65, 0.05, 0.0, 0.39, 0.41, 0.7, 0.2])
    points = np.column_stack([np.linspace(-1, 2, 7), times])
    expected = np.array([2, 0, 0, 1, 2, 2, 1])
    np.testing.assert_allclose(solution(points), np.column_stack([expected, expected + 10]), atol=1e-13)
    np.testing.assert_allclose(solution(points, [("v", ((0, 1),))]), 0, atol=1e-12)
    assert solution.num_params == sum(slab.field.num_params for slab in slabs)


def test_where_slabs_meet_one_of_them_answers():
    problem, slabs = in_time()
    assert Slabs(problem, 1, slabs)(np.array([[0.3, 0.4]])) in (1.0, 2.0)


def test_one_slab_needs_no_time():
    problem, slabs = in_time()
    assert Slabs(problem, None, slabs[2:])(np.array([[0.0, 0.5]])) == pytest.approx(2)
