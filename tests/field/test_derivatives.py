"""Derivatives three ways: jets, repeated differentiation, finite differences."""

import numpy as np
import pytest
import torch
from field_problems import PLATE, RING, WAVE, box, inside, read

from pinn.field.activation import ACTIVATIONS
from pinn.field.derivatives import compare_derivatives
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.problem.sites import Sites

NETWORKS = {"mlp": MLP, "modified": ModifiedMLP, "fourier": FourierFeatures}
TO_ORDER_FOUR = tuple(("u", ((i, j),)) for i in range(5) for j in range(5 - i))
OF_MANY = {
    1: (("u", ((0,),)), ("u", ((4,),)), ("u", ((1,), (3,)))),
    2: (("u", ((0, 4), (2, 2), (2, 2), (4, 0))), ("u", ((0, 2), (2, 0))), ("u", ((1, 1),)), ("u", ((0, 0),))),
    3: (("u", ((0, 0, 2), (0, 2, 0), (2, 0, 0))), ("u", ((1, 1, 1),)), ("u", ((0, 0, 1),))),
    4: (("u", ((0, 0, 2, 0), (0, 2, 0, 0), (2, 0, 0, 0))), ("u", ((0, 0, 0, 1),)), ("u", ((1, 1, 1, 1),))),
}


def check(network, problem, request, **options):
    points = inside(problem, np.random.default_rng(3))
    found = compare_derivatives(network, problem, request, points, **options)
    assert found.taylor.shape == (len(points), len(request))
    assert found.engines < 1e-12, found.engines
    assert found.finite < 1e-7, found.finite
    return found


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_all_orders_in_two_dimensions(kind, activation):
    network = NETWORKS[kind](width=7, depth=2, activation=activation, frequency=0.5)
    check(network, box(2, scale=3.0), TO_ORDER_FOUR)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("dim", OF_MANY)
def test_sums_in_one_to_four_dimensions(kind, dim):
    check(NETWORKS[kind](width=6, depth=3, frequency=0.3), box(dim), OF_MANY[dim])


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("periodic", [("x",), ("x", "y")])
def test_periodic_features(kind, periodic):
    network = NETWORKS[kind](width=6, depth=2, harmonics=2, frequency=0.1)
    points = inside(box(2), np.random.default_rng(3))
    found = compare_derivatives(network, box(2, periodic=periodic), TO_ORDER_FOUR, points)
    assert found.engines < 1e-11
    assert found.finite < 1e-5


def test_two_unknowns_with_their_scales():
    problem = box(2, unknowns=("u", "v"), scale=7.0)
    request = (("v", ((2, 0),)), ("u", ((0, 0),)), ("v", ((0, 0),)), ("u", ((0, 2), (2, 0))), ("v", ((0, 1), (1, 1))))
    check(MLP(width=6, depth=2), problem, request)


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("hard", [(), ("initial",)])
def test_the_scale_multiplies_the_network(engine, hard):
    request = (("u", ((0, 0),)), ("u", ((2, 0),)), ("u", ((0, 2), (1, 1))))
    jets, points = [], inside(read(WAVE), np.random.default_rng(0))
    for scale in (None, 1, 7):
        field = MLP(width=6, depth=2).field(
            read({**WAVE, "unknowns": {"u": {"scale": scale} if scale else None}}), engine, hard=hard
        )
        jets.append(field.at(Sites(points), request).jets(field.initial(0)))
        lift = field.at(Sites(points), request).jets(torch.zeros(field.num_params, dtype=torch.float64))
    assert torch.equal(jets[0], jets[1])
    torch.testing.assert_close(jets[2] - lift, 7 * (jets[0] - lift))
    assert (lift.abs().max() > 0) == bool(hard)


@pytest.mark.parametrize(
    "mapping, hard", [(WAVE, ("initial", "ends")), (PLATE, ("walls", "initial")), (PLATE, ("right",)), (RING, ("initial",))]
)
@pytest.mark.parametrize("kind", ["mlp", "modified"])
def test_hard_conditions(mapping, hard, kind):
    problem = read(mapping)
    dim = problem.dim
    laplacian = tuple(sorted(tuple(2 * (i == j) for i in range(dim)) for j in range(dim)))
    first, mixed = (1,) + (0,) * (dim - 1), (1,) * dim
    names = problem.unknown_names
    request = tuple((name, operator) for name in names for operator in (((0,) * dim,), laplacian, (first,), (mixed,)))
    check(NETWORKS[kind](width=5, depth=2, frequency=0.3), problem, request, hard=hard)


def test_biharmonic_of_a_hard_field():
    request = (("u", ((0, 4), (2, 2), (2, 2), (4, 0))), ("u", ((0, 2), (2, 0))))
    check(MLP(width=5, depth=2), read(WAVE), request, hard=("initial", "ends"))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("hard", [(), ("initial", "ends")])
def test_gradients_by_theta_are_those_of_the_tape(kind, hard):
    problem = read(WAVE)
    request = (("u", ((0, 0),)), ("u", ((0, 2), (2, 0))), ("u", ((1, 1),)))
    sites = Sites(inside(problem, np.random.default_rng(0)))
    gradients = []
    for engine in ("taylor", "autograd"):
        field = NETWORKS[kind](width=5, depth=3).field(problem, engine, hard=hard)
        theta = field.initial(2).requires_grad_()
        jets = field.at(sites, request).jets(theta)
        gradients.append(torch.autograd.grad((jets * jets.cos()).sum(), theta)[0])
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("kind", ["mlp", "modified"])
def test_jacobian_of_a_scalar_per_point(engine, kind):
    problem = read(RING)
    request = (("u", ((0, 0),)), ("u", ((2, 0),)), ("u", ((0, 1),)))
    field = NETWORKS[kind](width=4, depth=2).field(problem, engine)
    evaluation = field.at(Sites(inside(problem, np.random.default_rng(0))), request)
    theta, cotangent = field.initial(0), torch.linspace(-1, 2, 21, dtype=torch.float64).reshape(7, 3)
    expected = torch.autograd.functional.jacobian(lambda theta: (evaluation.jets(theta) * cotangent).sum(1), theta)
    torch.testing.assert_close(evaluation.rows(theta, cotangent), expected, rtol=1e-12, atol=1e-13)


def test_the_nested_engine_works_without_tape():
    problem = box(2)
    points = inside(problem, np.random.default_rng(0))
    field = MLP(width=4, depth=2).field(problem, "autograd")
    evaluation = field.at(Sites(points), (("u", ((2, 0),)),))
    with torch.no_grad():
        without = evaluation.jets(field.initial(0))
    assert not without.requires_grad
    assert torch.equal(without, evaluation.jets(field.initial(0)).detach())


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_no_points(engine):
    field = MLP(width=4, depth=2).field(read(WAVE), engine, hard=("ends",))
    evaluation = field.at(Sites(np.zeros((0, 2))), (("u", ((2, 0),)), ("u", ((0, 0),))))
    assert evaluation.jets(field.initial(0)).shape == (0, 2)
    assert evaluation.rows(field.initial(0), torch.zeros(0, 2)).shape == (0, field.num_params)


def test_single_precision():
    problem = read(RING)
    request = (("u", ((0, 0),)), ("u", ((2, 0),)))
    points = inside(problem, np.random.default_rng(0))
    values = []
    for precision in ("float64", "float32"):
        field = MLP(width=8, depth=2).field(problem, precision=precision, hard=("initial",))
        jets = field.at(Sites(points), request).jets(field.initial(0))
        assert jets.dtype == field.dtype == getattr(torch, precision)
        values.append(jets.double())
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-4)


def test_points_in_another_order_give_the_same_gradient():
    problem = box(2)
    points = np.random.default_rng(0).uniform(-1, 1, (101, 2)) * [1, 0.1] + [0, 0.6]
    order = np.random.default_rng(1).permutation(101)
    field = MLP(width=20, depth=3).field(problem)
    theta = field.initial(0).requires_grad_()
    gradients = []
    for rows in (points, points[order]):
        jets = field.at(Sites(rows), (("u", ((2, 0),)), ("u", ((0, 1),)))).jets(theta)
        gradients.append(torch.autograd.grad(jets.square().mean(), theta)[0])
    scale = gradients[0].abs().max()
    assert (gradients[0] - gradients[1]).abs().max() < 1e-14 * scale
