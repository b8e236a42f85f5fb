"""Polynomials in parameters through solutions at nodes: values and derivatives against functions that are known."""

import itertools

import numpy as np
import pytest

from pinn.field.cells.family import Family
from pinn.field.nodes import Nodes, leja, polynomial_sizes
from pinn.problem.language import read_problem
from pinn.problem.parameters import Parameter

TWO = (Parameter("a", 0.1, 1.0, "log"), Parameter("y", -4.0, 4.0, "linear", "normal", 0.0, 1.0))
SMALL = sorted((index for index in itertools.product(range(16), repeat=2) if sum(index) < 16), key=sum)


@pytest.mark.parametrize("is_normal", [False, True])
def test_nodes_are_different_and_in_the_range(is_normal):
    nodes = leja(is_normal)
    assert nodes[0] == 0 and len(np.unique(nodes)) == len(nodes) and np.abs(nodes).max() <= 1
    assert np.abs(nodes[:5]).max() == (1.0 if not is_normal else pytest.approx(0.758, abs=0.01))
    assert (polynomial_sizes(is_normal)[:10] <= 1 + 1e-12).all()


def test_polynomials_are_reproduced_exactly():
    nodes = Nodes(TWO, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)])
    places = np.random.default_rng(0).uniform([-2, -3], [0, 3], (20, 2))

    def f(c):
        return 1 + 2 * c[:, 0] - c[:, 1] + 3 * c[:, 0] * c[:, 1] + c[:, 1] ** 2

    weights = nodes.weights(places)
    np.testing.assert_allclose(weights @ f(nodes.columns), f(places), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-13)
    slope = nodes.weights(places, (0, 1)) @ f(nodes.columns)
    np.testing.assert_allclose(slope, -1 + 3 * places[:, 0] + 2 * places[:, 1], rtol=1e-11, atol=1e-11)
    assert np.abs(nodes.weights(places, (0, 3))).max() < 1e-10
    np.testing.assert_allclose(nodes.weights(nodes.columns), np.eye(5), atol=1e-12)


def test_smooth_functions_and_their_derivatives_are_approached():
    nodes = Nodes(TWO, SMALL)
    places = np.random.default_rng(1).uniform([-2.2, -2], [0, 2], (20, 2))
    a, y = places.T
    value = np.exp(nodes.columns[:, 0]) * np.sin(0.5 * nodes.columns[:, 1])
    np.testing.assert_allclose(nodes.weights(places) @ value, np.exp(a) * np.sin(0.5 * y), atol=1e-7)
    np.testing.assert_allclose(nodes.weights(places, (1, 2)) @ value, -0.25 * np.exp(a) * np.sin(0.5 * y), atol=2e-5)


def test_a_family_joins_its_members():
    """Members x ↦ exp(c·x) with their own derivatives, one call for each whatever the number of parameter values."""
    text = {
        "coordinates": {"x": [0, 1]}, "parameters": {"c": [-1, 1]}, "unknowns": ["u"], "equations": {"ode": "u_x = c*u"},
        "conditions": {"start": "u(x=0) = 1"},
    }  # fmt: skip
    problem = read_problem(text)
    nodes, calls = Nodes(problem.parameters, [(k,) for k in range(12)]), []

    def made(c):
        def solution(points, request, side=None):
            calls.append(len(points))
            orders = [operator[0][0] for _, operator in request]
            return np.stack([c**order * np.exp(c * points[:, 0]) for order in orders], axis=1)

        return solution

    family = Family(problem, nodes, [made(c) for c in nodes.columns[:, 0]])
    x, c = (each.ravel() for each in np.meshgrid(np.linspace(0, 1, 7), np.linspace(-1, 1, 9)))
    points = np.stack([x, c], axis=1)
    request = tuple(("u", (index,)) for index in ((0, 0), (1, 0), (0, 1), (1, 1)))
    expected = np.stack([np.exp(c * x), c * np.exp(c * x), x * np.exp(c * x), (1 + c * x) * np.exp(c * x)], axis=1)
    np.testing.assert_allclose(family(points, request), expected, atol=1e-8)
    assert calls == [7] * 12
    np.testing.assert_allclose(family(points, request, np.ones_like(points)), expected, atol=1e-8)
    both = (("u", ((1, 0), (0, 1))),)
    np.testing.assert_allclose(family(points, both)[:, 0], (c + x) * np.exp(c * x), atol=1e-8)
