"""Random directions: which sums they can estimate, that the estimate is unbiased, and how far it scatters."""

import numpy as np
import pytest

from pinn.problem.directions import as_sum, draw_directions, estimated, nonlinear_in
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.randomness import generator

DRAWS = 20_000
CLAMPED = {"walls": {"at": "boundary", "u": 0, "u_n": 0}, "initial": {"at": "t = 0", "u": 0}}


def read(equation, dimension=6, **more):
    mapping = {
        "coordinates": {"x": {"range": [-1, 1], "dimension": dimension}, "t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"law": equation},
        "conditions": {"walls": {"at": "boundary", "u": 0}, "initial": {"at": "t = 0", "u": 0}},
    }
    return read_problem({**mapping, **more})


def matrix(dim, seed=0):
    found = np.random.default_rng(seed).standard_normal((dim, dim))
    return found + found.T


def estimates(directions, hessian):
    """The estimates (points,) for a function with this matrix of second derivatives."""
    return sum(np.einsum("pi,ij,pj->p", line, hessian, line) for line in directions.lines())


def laplacian(dim, weights=None):
    wanted = np.repeat(np.arange(dim), weights if weights is not None else 1)
    return tuple(sorted(tuple(2 * (k == axis) for k in range(dim)) for axis in wanted))


@pytest.mark.parametrize("equation, common, order", [
    ("u_t = laplacian(u)", (0,) * 7, 2),
    ("u_t = laplacian(u_t)", (*[0] * 6, 1), 2),
    ("u_t = laplacian(diff(u, x1, x1))", (2, *[0] * 6), 2),
    ("u_t + laplacian(laplacian(u)) = 0", (0,) * 7, 4),
])  # fmt: skip
def test_what_laplacians_are_sums_of(equation, common, order):
    ((_, found),) = estimated(read(equation, conditions=CLAMPED).equations, 2).items()
    assert (found.common, found.order, found.weights.tolist()) == (common, order, [1.0] * 6 + [0.0])


@pytest.mark.parametrize("operator", [((1, 1, 0), (0, 1, 1)), ((2, 0, 0), (0, 3, 0)), ((4, 0, 0), (0, 4, 0)), ((2, 0, 0),)])
def test_other_sums_are_left_alone(operator):
    assert as_sum(operator) is None


def test_sums_of_no_more_derivatives_than_directions_stay_exact():
    problem = read("u_t = laplacian(u)")
    assert len(estimated(problem.equations, 5)) == 1 and not estimated(problem.equations, 6)


def test_a_laplacian_elsewhere_stays_exact():
    assert not estimated(read("u_t = q(t=0)", define={"q": "laplacian(u)"}).equations, 2)


@pytest.mark.parametrize("equation, biased", [("u_t = u**2*laplacian(u)", False), ("u_t = laplacian(u)**2", True)])
def test_a_residual_must_be_linear_in_what_is_estimated(equation, biased):
    (row,) = read(equation).equations
    assert (nonlinear_in(row, estimated([row], 2)) is not None) == biased


@pytest.mark.parametrize("weights", [None, [1, 2, 1, 3, 0, 1]])
@pytest.mark.parametrize("along", ["signs", "coordinates"])
def test_the_estimate_of_a_weighted_laplacian_is_unbiased(along, weights):
    hessian = matrix(6)
    found = draw_directions(as_sum(laplacian(6, weights)), along, 2, DRAWS, generator(1, "test"))
    values = estimates(found, hessian)
    exact = float(np.diag(hessian) @ (weights or np.ones(6)))
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(DRAWS), (values.mean(), exact)
    assert values.std() > 0.1


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("along", ["signs", "coordinates"])
def test_the_variance_of_a_quadratic_is_the_closed_form(along, num):
    dim, hessian = 6, matrix(6)
    values = estimates(draw_directions(as_sum(laplacian(dim)), along, num, DRAWS, generator(2, "test")), hessian)
    diagonal = np.diag(hessian)
    if along == "signs":
        expected = 2 / num * (np.sum(hessian**2) - np.sum(diagonal**2))
    else:
        expected = dim**2 / num * (1 - num / dim) * diagonal.var(ddof=1)
    assert values.var() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("along, hessian, num", [
    ("coordinates", matrix(6), 6),
    ("coordinates", np.full((6, 6), 0.3) + np.eye(6), 2),
    ("signs", np.diag([1.0, -2.0, 3.0, 0.5, 7.0, 0.1]), 1),
])  # fmt: skip
def test_where_the_estimate_is_exact(along, hessian, num):
    values = estimates(draw_directions(as_sum(laplacian(6)), along, num, 50, generator(3, "test")), hessian)
    np.testing.assert_allclose(values, np.trace(hessian), rtol=1e-13)


UNITS = np.eye(4, dtype=int)
BIHARMONIC = tuple(sorted(tuple((2 * a + 2 * b).tolist()) for a in UNITS for b in UNITS))


def test_normal_directions_give_the_biharmonic_operator():
    """For u = Σ_ij A_ij x_i² x_j², ∂_v⁴ u = 24 Σ_ij A_ij v_i² v_j² and Δ²u = 8 Σ_ij A_ij + 16 Σ_i A_ii."""
    coefficients = matrix(4)
    found = draw_directions(as_sum(BIHARMONIC), "signs", 3, DRAWS, generator(4, "test"))
    values = sum(24 * np.einsum("pi,ij,pj->p", line**2, coefficients, line**2) for line in found.lines())
    exact = 8 * coefficients.sum() + 16 * np.trace(coefficients)
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(DRAWS), (values.mean(), exact)


def test_no_coordinate_is_taken_twice():
    found = draw_directions(as_sum(laplacian(6)), "coordinates", 4, 200, generator(5, "test"))
    assert (found.vectors.sum(axis=1) <= 1).all() and (found.vectors.sum(axis=(1, 2)) == 4).all()


def test_directions_come_with_the_points_and_repeat():
    problem = read("u_t = laplacian(u)")
    points = Points(interior=32, surface=16, directions=3)
    first, again, later = points.draw(problem, 0), points.draw(problem, 0), points.draw(problem, 0, epoch=1)
    ((key, found),) = first["law"].directions.items()
    assert found.vectors.shape == (32, 3, 7) and all((line[:, 6] == 0).all() for line in found.lines())
    np.testing.assert_array_equal(found.vectors, again["law"].directions[key].vectors)
    assert (found.vectors != later["law"].directions[key].vectors).any()
    assert not first["walls"].directions and not Points(interior=32).draw(problem, 0)["law"].directions
    np.testing.assert_array_equal(first["law"].points, Points(interior=32, surface=16).draw(problem, 0)["law"].points)
