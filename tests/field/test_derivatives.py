"""Derivatives three ways: jets, repeated differentiation, finite differences."""

import functools

import numpy as np
import pytest
import torch
from field_problems import PLATE, RING, WAVE, box, inside, read

from pinn.field import derivatives
from pinn.field.activation import ACTIVATIONS
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.field.solution import Solution
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

NETWORKS = {
    "mlp": MLP,
    "modified": ModifiedMLP,
    "fourier": FourierFeatures,
    "pirate": PirateNet,
    "residual": functools.partial(PirateNet, gates=False, waves=False),
    "separable": functools.partial(Separable, rank=3),
}
TO_ORDER_FOUR = tuple(("u", ((i, j),)) for i in range(5) for j in range(5 - i))
OF_MANY = {
    1: (("u", ((0,),)), ("u", ((4,),)), ("u", ((1,), (3,)))),
    2: (("u", ((0, 4), (2, 2), (2, 2), (4, 0))), ("u", ((0, 2), (2, 0))), ("u", ((1, 1),)), ("u", ((0, 0),))),
    3: (("u", ((0, 0, 2), (0, 2, 0), (2, 0, 0))), ("u", ((1, 1, 1),)), ("u", ((0, 0, 1),))),
    4: (("u", ((0, 0, 2, 0), (0, 2, 0, 0), (2, 0, 0, 0))), ("u", ((0, 0, 0, 1),)), ("u", ((1, 1, 1, 1),))),
}


def moved(field, seed):
    """Parameters near those at the start, where the blocks of a residual network count too."""
    return field.initial(seed) + 0.1 * torch.as_tensor(np.random.default_rng(seed).normal(size=field.num_params))


def compare(network, problem, request, points, hard=()):
    """Largest relative difference of a column between the engines, and between one and finite differences."""
    fields = [network.field(problem, engine, hard=hard) for engine in ("taylor", "autograd")]
    taylor, autograd = (Solution(field, moved(field, 0)) for field in fields)
    indices = sorted({index for _, operator in request for index in operator})
    steps = 5e-4 * np.diff(problem.box, axis=1)[:, 0]
    found = derivatives.check(autograd, points, indices, steps).differences
    names = problem.unknown_names
    finite = [sum(found[:, names.index(unknown), indices.index(index)] for index in operator) for unknown, operator in request]
    exact, other = taylor(points, request), autograd(points, request)
    assert exact.shape == (len(points), len(request))
    size = np.abs(exact).max(axis=0, initial=1e-300)
    return np.max(np.abs(exact - other) / size), np.max(np.abs(exact - np.stack(finite, axis=1)) / size)


def check(network, problem, request, **options):
    engines, finite = compare(network, problem, request, inside(problem, np.random.default_rng(3)), **options)
    assert engines < 1e-12, engines
    assert finite < 1e-7, finite


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
    engines, finite = compare(network, box(2, periodic=periodic), TO_ORDER_FOUR, points)
    assert engines < 1e-11
    assert finite < 1e-5


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
@pytest.mark.parametrize("kind", ["mlp", "modified", "pirate", "separable"])
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
        theta = moved(field, 2).requires_grad_()
        jets = field.at(sites, request).jets(theta)
        gradients.append(torch.autograd.grad((jets * jets.cos()).sum(), theta)[0])
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("mapping, hard", [(WAVE, ("initial",)), (RING, ())], ids=["hard", "periodic"])
def test_rows_to_order_four_are_those_of_the_tape(kind, mapping, hard):
    problem, rows, columns = read(mapping), [], None
    sites = Sites(inside(problem, np.random.default_rng(0), 3))
    for engine in ("autograd", "taylor"):
        field = NETWORKS[kind](width=5, depth=2, frequency=0.3).field(problem, engine, hard=hard)
        evaluation, theta = field.at(sites, TO_ORDER_FOUR), moved(field, 2).requires_grad_()
        jets = evaluation.jets(theta)
        columns = jets.detach().abs().amax(0) if columns is None else columns  # of very different size
        found = evaluation.linearise(theta).jacobian((jets.detach() / columns).cos() / columns).dense()
        (gradient,) = torch.autograd.grad((jets / columns).sin().sum(), theta)
        torch.testing.assert_close(found.sum(0), gradient, rtol=1e-10, atol=1e-11 * float(gradient.abs().max()))
        rows.append(found)
    assert (rows[1] - rows[0]).abs().max() < 1e-11 * rows[0].abs().max()


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "fourier"])
def test_jacobian_of_a_scalar_per_point(engine, kind):
    problem = read(RING)
    request = (("u", ((0, 0),)), ("u", ((2, 0),)), ("u", ((0, 1),)))
    field = NETWORKS[kind](width=4, depth=2).field(problem, engine)
    evaluation = field.at(Sites(inside(problem, np.random.default_rng(0))), request)
    theta, cotangent = moved(field, 0), torch.linspace(-1, 2, 21, dtype=torch.float64).reshape(7, 3)
    expected = torch.autograd.functional.jacobian(lambda theta: (evaluation.jets(theta) * cotangent).sum(1), theta)
    torch.testing.assert_close(evaluation.linearise(theta).jacobian(cotangent).dense(), expected, rtol=1e-12, atol=1e-13)


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
    assert evaluation.linearise(field.initial(0)).jacobian(torch.zeros(0, 2)).dense().shape == (0, field.num_params)


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


# networks of one's own ------------------------------------------------------------------------------------------------


class Wave(torch.nn.Module):
    """Outputs sin(a x) y and x² + y³, with a = 2 a parameter."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def forward(self, p):
        x, y = p.unbind(1)
        return torch.stack([torch.sin(self.a * x) * y, x**2 + y**3], 1)


POINTS = np.random.default_rng(0).uniform(-1, 1, (6, 2))


def test_jacobian_and_hessian_of_any_module():
    x, y = POINTS.T
    jacobian = derivatives.jacobian(Wave(), POINTS)
    np.testing.assert_allclose(jacobian[:, 0], np.stack([2 * np.cos(2 * x) * y, np.sin(2 * x)], 1), rtol=1e-13)
    np.testing.assert_allclose(jacobian[:, 1], np.stack([2 * x, 3 * y**2], 1), rtol=1e-13)
    hessian = derivatives.hessian(Wave(), POINTS)
    cross = 2 * np.cos(2 * x)
    np.testing.assert_allclose(
        hessian[:, 0], np.array([[-4 * np.sin(2 * x) * y, cross], [cross, 0 * x]]).transpose(2, 0, 1), atol=1e-13
    )
    np.testing.assert_allclose(hessian[:, 1, 1, 1], 6 * y, rtol=1e-13)


def test_scaled_inputs_and_outputs_count():
    function = derivatives.scaled(Wave(), low=[0, -2], high=[10, 2], factor=[3.0, 1.0], shift=[0.0, 5.0])
    points = np.array([[2.5, 1.0]])
    values = derivatives.derivatives(function, points, [(0, 0), (1, 0), (0, 2)])
    np.testing.assert_allclose(values[0, 0], [3 * np.sin(-1) * 0.5, 3 * 2 / 5 * np.cos(-1) * 0.5, 0], atol=1e-14)
    np.testing.assert_allclose(values[0, 1], [5.25 + 0.125, 2 * -0.5 / 5, 6 * 0.5 / 4], rtol=1e-13)


def test_a_solution_and_a_module_are_asked_alike():
    field = MLP(width=5, depth=2).field(box(2, unknowns=("u", "v"), scale=4.0))
    solution, points = Solution(field, field.initial(0)), inside(box(2), np.random.default_rng(1))
    assert derivatives.jacobian(solution, points).shape == (7, 2, 2)
    assert derivatives.hessian(solution, points).shape == (7, 2, 2, 2)
    assert derivatives.check(solution, points).worst < 1e-7
    np.testing.assert_array_equal(derivatives.jacobian(solution, points)[:, 1, 0], solution(points, (("v", ((1, 0),)),))[:, 0])


def test_they_are_there_for_everyone():
    import pinn

    assert pinn.derivatives is derivatives and "derivatives" in dir(pinn)


def test_a_wrong_derivative_is_found():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 2.1 * ctx.saved_tensors[0] * g

    found = derivatives.check(lambda x: Wrong.apply(x[:, :1]), POINTS, [(1, 0)])
    assert found.worst == pytest.approx(0.1 / 2.1, rel=1e-6)
    assert derivatives.check(Wave(), POINTS).worst < 1e-9


def test_sensitivity_has_no_units():
    found = derivatives.sensitivity(lambda x: torch.stack([3 * x[:, 0], x[:, 0] + 0 * x[:, 1]], 1), POINTS)
    expected = np.ptp(POINTS[:, 0]) / POINTS[:, 0].std()
    np.testing.assert_allclose(found, [[expected, 0], [expected, 0]], atol=1e-12)
    stretched = derivatives.sensitivity(lambda x: torch.stack([30 * x[:, 0], x[:, 0] / 7 + 0 * x[:, 1]], 1), POINTS)
    np.testing.assert_allclose(stretched, found, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "points", "indices", "words"),
    [
        (Wave(), POINTS, [(5, 0)], r"indices.*\(5, 0\) names no derivative of order at most 4 in 2 inputs"),
        (Wave(), POINTS, [(1,)], "names no derivative"),
        (Wave(), POINTS[0], [(1, 0)], "points must be an array"),
        (torch.nn.Linear(3, 1, dtype=torch.float64), POINTS, [(1, 0)], "function takes no points with 2 inputs"),
        (lambda x: x.sum(1), POINTS, [(1, 0)], "function must map"),
    ],
)
def test_what_cannot_be_differentiated(function, points, indices, words):
    with pytest.raises(BadInput, match=words):
        derivatives.derivatives(function, points, indices)
