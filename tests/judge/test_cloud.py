import numpy as np
import pytest

from pinn.judge.refusal import NoConvergence
from pinn.judge.scattered.cloud import Cloud, exponents, monomials


def scattered(dim, count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, dim))


@pytest.mark.parametrize("dim, degree, count", [(1, 5, 40), (2, 4, 200), (2, 5, 300), (3, 3, 400)])
def test_polynomials_of_the_degree_are_differentiated_exactly(dim, degree, count):
    cloud, points = Cloud(scattered(dim, count), degree), 0.9 * scattered(dim, 50, 1)
    powers = exponents(dim, degree)
    coefficients = np.random.default_rng(2).standard_normal(len(powers))
    values = monomials(powers, cloud.nodes) @ coefficients
    for index in [(0,) * dim, (1,) + (0,) * (dim - 1), (0,) * (dim - 1) + (2,)]:
        found, wanted = cloud.matrix(index, points) @ values, monomials(powers, points, index) @ coefficients
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8 * np.abs(wanted).max())


def test_mixed_derivatives_of_monomials_by_hand():
    powers, point = np.array([[2, 3], [1, 0], [0, 2]]), np.array([[2.0, 3.0]])
    np.testing.assert_allclose(monomials(powers, point), [[4 * 27, 2, 9]])
    np.testing.assert_allclose(monomials(powers, point, (1, 1)), [[2 * 2 * 3 * 9, 0, 0]])
    np.testing.assert_allclose(monomials(powers, point, (0, 2)), [[4 * 6 * 3, 0, 2]])


def test_orders_of_interpolation_and_of_second_derivatives():
    errors = []
    for count in (400, 1600):
        cloud, points = Cloud(scattered(2, count), 5), 0.9 * scattered(2, 400, 1)
        values = np.sin(2 * cloud.nodes[:, 0] + cloud.nodes[:, 1])
        phase = 2 * points[:, 0] + points[:, 1]
        wanted = {(0, 0): np.sin(phase), (2, 0): -4 * np.sin(phase)}
        errors.append([np.sqrt(np.mean((cloud.matrix(index, points) @ values - truth) ** 2)) for index, truth in wanted.items()])
    rates = np.log2(np.array(errors[0]) / errors[1])
    assert rates[0] > 5.0 and rates[1] > 3.0, (errors, rates)


def test_on_a_lattice_patches_at_corners_are_left_to_others():
    nodes = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), -1).reshape(-1, 2)
    cloud = Cloud(nodes, 5)
    assert len(cloud._centres) < len(nodes)
    values = nodes[:, 0] ** 5
    points = 3 + 5 * np.random.default_rng(0).random((20, 2))
    np.testing.assert_allclose(cloud.matrix((1, 0), points) @ values, 5 * points[:, 0] ** 4, rtol=1e-6)


def test_too_few_nodes():
    with pytest.raises(NoConvergence, match="5 nodes are too few"):
        Cloud(scattered(2, 5), 4)
    line = np.stack([np.linspace(0, 1, 60)] * 2, -1)
    with pytest.raises(NoConvergence, match="curve"):
        Cloud(line, 4)
