"""Stacks, by tensors and by compiled code, against a loop over single networks that are differentiated repeatedly."""

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian

from pinn.field import compiler, members
from pinn.field.embedding import Part
from pinn.field.factorisation import Factorisation
from pinn.field.nested import ValueAlgebra, differentiate
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.field.request import channels
from pinn.field.stack import Stack
from pinn.field.windowed import WindowedSum
from pinn.problem.settings import BadInput
from pinn.solver.blocks import BlockMatrix

NETWORKS = {
    "chain": MLP(width=7, depth=2),
    "one layer": MLP(width=16, depth=1),
    "gates": ModifiedMLP(width=5, depth=3, activation="swish"),
    "waves": FourierFeatures(width=6, depth=2, frequency=0.5),
    "sines": MLP(width=9, depth=2, activation="sin"),
    "softplus": MLP(width=5, depth=2, activation="softplus"),
    "gelu": MLP(width=5, depth=2, activation="gelu"),
    "sigmoid": MLP(width=5, depth=2, activation="sigmoid"),
    "siren": MLP(width=6, depth=2, activation="sin", initialisation="siren", frequency=5.0),
    "blocks": PirateNet(width=5, depth=1),
    "products": Separable(width=4, depth=2, rank=3),
}
REQUESTS = {
    "value": (("u", ((0, 0),)),),
    "laplacian": (("u", ((0, 2), (2, 0))),),
    "burgers": tuple(("u", operator) for operator in (((0, 0),), ((1, 0),), ((0, 1),), ((2, 0),))),
    "to order four": tuple(("u", ((i, j),)) for i in range(5) for j in range(5 - i)),
    "biharmonic": (("u", ((0, 4), (2, 2), (2, 2), (4, 0))), ("u", ((1, 1),))),
}
PARTS = (Part(0, 1, ()), Part(1, 2, ()))
COUNTS = (5, 0, 1, 17, 4, 6)
BOXES = np.random.default_rng(7).uniform(0.5, 1.5, (6, 2, 1)) * [-1.0, 1.0] * [[[1.0], [0.3]]] + np.arange(6)[:, None, None]


@pytest.fixture(params=["tensors", "compiled"])
def engine(request, monkeypatch):
    """The name of an engine, which stacks that are made then have."""
    if request.param == "compiled":
        if compiler.compiler() is None:
            pytest.skip("no C compiler")
        monkeypatch.setattr(compiler, "is_available", lambda: True)
    return request.param


def places(counts=COUNTS, boxes=BOXES, seed=0):
    """Points, also some outside the box of their member, and members, in no order."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    low, high = boxes[numbers].transpose(2, 0, 1)
    return low + (high - low) * rng.uniform(-0.1, 1.1, (len(numbers), boxes.shape[1])), numbers


def one_by_one(stack, points, numbers, request):
    """The columns of a request as a function of θ, each member on its own, by the tape."""
    place = torch.tensor([stack.unknown_names.index(unknown) for unknown, _ in request])
    carried = tuple(tuple((index, 1.0) for index in operator) for _, operator in request)
    seen = [np.flatnonzero(numbers == member) for member in range(stack.count)]
    back = torch.as_tensor(np.argsort(np.concatenate(seen)))

    def function(theta):
        parts = []
        for member, mine in enumerate(seen):
            parameters, (low, high) = stack.layout.unpack(theta[stack.part(member)]), torch.as_tensor(BOXES[member]).T

            def network(x, parameters=parameters, low=low, high=high):
                return stack.network.apply(parameters, (2 * x - low - high) / (high - low), ValueAlgebra(PARTS))

            values = differentiate(network, torch.as_tensor(points[mine]), carried, tape=True)
            parts.append(values[torch.arange(len(place)), :, place].T)
        return torch.cat(parts)[back]

    return function


def gradient(values, theta):
    """The gradient of a sum with weights that make all columns equally large."""
    weights = torch.as_tensor(np.random.default_rng(8).normal(size=values.shape)) / values.detach().abs().amax(-2, keepdim=True)
    return torch.autograd.grad((values * weights).sum(), theta)[0]


def close(a, b, precision=1e-10):
    assert a.shape == b.shape
    assert (a - b).abs().max() < precision * b.abs().max()


OF_KIND = {"gates": "biharmonic", "waves": "to order four", "products": "to order four"}
ALL = [(name, wanted) for name in NETWORKS for wanted in REQUESTS if name == "chain" or wanted in ("burgers", OF_KIND.get(name))]


@pytest.mark.parametrize(("name", "wanted"), ALL)
def test_a_stack_is_its_networks(name, wanted, engine):
    stack = Stack(NETWORKS[name], BOXES)
    points, numbers = places()
    evaluation = stack.at(points, numbers, REQUESTS[wanted])
    assert type(evaluation.channels).__name__ == {"tensors": "TensorMembers", "compiled": "CompiledMembers"}[engine]
    theta = stack.initial(0).requires_grad_()
    jets, expected = evaluation.jets(theta), one_by_one(stack, points, numbers, REQUESTS[wanted])(theta)
    for column, other in zip(jets.T, expected.T, strict=True):
        close(column, other)
    gradients = [gradient(values, theta) for values in (jets, expected)]
    close(*gradients)
    assert not gradients[0][stack.part(1)].any(), "it has no points"
    with torch.no_grad():
        assert torch.equal(evaluation.jets(theta), jets)


@pytest.mark.parametrize("name", ["chain", pytest.param("gates", marks=pytest.mark.slow), "siren", "blocks", "products"])
def test_the_jacobian_is_sparse_and_that_of_the_networks(name, engine):
    stack = Stack(NETWORKS[name], BOXES, ("u", "v"))
    points, numbers = places()
    request = (("v", ((0, 2), (2, 0))), ("u", ((1, 0),)), ("u", ((0, 0),)))
    rng = np.random.default_rng(3)
    theta = stack.initial(1)
    cotangent, v, w = (torch.as_tensor(rng.normal(size=size)) for size in ((33, 3), (stack.num_params,), (33,)))
    expected = jacobian(lambda theta: (one_by_one(stack, points, numbers, request)(theta) * cotangent).sum(1), theta)
    evaluation = stack.at(points, numbers, request)
    linear = evaluation.linearise(theta)
    operator = linear.jacobian(cotangent)
    blocks = operator.blocks()
    assert sum(block.values.numel() for block in blocks) == 33 * stack.layout.num_params
    pattern = evaluation.pattern()
    assert len(blocks) == len(pattern) == 5 and evaluation.num_bytes == 8 * 33 * stack.layout.num_params
    for (points_of_member, columns), block in zip(pattern, blocks, strict=True):
        assert block.columns == columns and np.array_equal(block.rows.numpy(), points_of_member)
    close(BlockMatrix(blocks, (33, stack.num_params)).dense(), expected)
    close(linear.jets, evaluation.jets(theta), 1e-15)
    close(linear.pull(cotangent), expected.sum(0))
    close(operator @ v, expected @ v)
    close(operator.transpose_apply(w), expected.T @ w)


def test_single_precision(engine):
    points, numbers = places()
    jets = []
    for precision in ("float64", "float32"):
        stack = Stack(NETWORKS["chain"], BOXES, precision=precision)
        jets.append(stack.at(points, numbers, REQUESTS["burgers"]).jets(stack.initial(0)))
        assert jets[-1].dtype == stack.dtype == getattr(torch, precision)
    torch.testing.assert_close(jets[1].double(), jets[0], rtol=1e-4, atol=1e-4)


def test_groups_are_filled_and_small():
    counts = np.array([3, 0, 100, 90, 80, 20, 19, 18, 1, 1, 500])
    found = [numbers.tolist() for numbers in members.group(counts, 200)]
    assert found == [[10], [2, 3], [4], [5, 6, 7], [0], [8, 9]]
    assert not list(members.group(np.zeros(3, dtype=int), 200))


def test_groups_change_nothing(monkeypatch):
    points, numbers = places()
    stack = Stack(NETWORKS["chain"], BOXES)
    theta = stack.initial(0)
    one = stack.at(points, numbers, REQUESTS["burgers"])
    monkeypatch.setattr(members, "GROUP_NUMBERS", 1)
    many = stack.at(points, numbers, REQUESTS["burgers"])
    assert len(many.channels.groups) == 5 > len(one.channels.groups)
    close(many.jets(theta), one.jets(theta), 1e-13)


def test_no_points(engine):
    stack = Stack(NETWORKS["chain"], BOXES)
    evaluation = stack.at(np.zeros((0, 2)), np.zeros(0, dtype=int), REQUESTS["burgers"])
    theta = stack.initial(0)
    assert evaluation.jets(theta).shape == (0, 4)
    operator = evaluation.linearise(theta).jacobian(torch.zeros(0, 4, dtype=torch.float64))
    assert operator.blocks() == ()
    assert (operator @ theta).shape == (0,)
    assert not operator.transpose_apply(torch.zeros(0, dtype=torch.float64)).any()


def test_members_are_drawn_on_their_own():
    few, many = Stack(NETWORKS["chain"], BOXES[:3]), Stack(NETWORKS["chain"], BOXES)
    assert torch.equal(few.initial(4), many.initial(4)[: few.num_params])
    parts = [many.initial(4)[many.part(k)] for k in range(6)]
    assert not torch.equal(parts[0], parts[1])


@pytest.mark.parametrize(
    ("boxes", "points", "numbers", "words"),
    [
        (BOXES[0], None, None, r"boxes must be an array \(members, dim, 2\), got shape \(2, 2\)"),
        (BOXES[:, :, ::-1], None, None, "boxes need low < high on every axis"),
        (BOXES, np.zeros((3, 1)), np.zeros(3, int), r"points must be \(points, 2\)"),
        (BOXES, np.zeros((3, 2)), np.zeros(2, int), "with one member each"),
        (BOXES, np.zeros((3, 2)), np.full(3, 6), "members must be 0 … 5, got 6 … 6"),
    ],
)
def test_bad_input(boxes, points, numbers, words):
    with pytest.raises(BadInput, match=words):
        Stack(NETWORKS["chain"], boxes).at(points, numbers, REQUESTS["value"])


def test_factorised_weights_are_refused():
    with pytest.raises(BadInput, match="network.factorisation weights of a stack cannot be factorised"):
        Stack(MLP(width=3, depth=1, factorisation=Factorisation(mean=0.5)), BOXES)


def test_an_unknown_that_is_not_there():
    with pytest.raises(BadInput, match="unknown 'w' is not in the stack"):
        Stack(NETWORKS["chain"], BOXES).at(np.zeros((1, 2)), np.zeros(1, int), (("w", ((0, 0),)),))


# windows --------------------------------------------------------------------------------------------------------------

GRID = np.array([[[i, i + 1.8], [0.3 * j, 0.3 * j + 0.54]] for i in range(2) for j in range(2)])
OVERLAP = np.random.default_rng(5).uniform([0.6, 0.18], [2.2, 0.66], (19, 2))
PRODUCTS = {
    "laplacian": ("u", ((0, 2), (2, 0))),
    "mixed": ("u", ((1, 1),)),
    "fourth": ("u", ((4, 0),)),
    "mixed of order four": ("u", ((1, 3),)),
    "biharmonic": ("u", ((0, 4), (2, 2), (2, 2), (4, 0))),
}


def windows(x):
    """Windows of all members at x (points, 2) that sum to one, (points, members)."""
    low, high = torch.as_tensor(GRID).permute(2, 0, 1)
    scaled = (2 * x[:, None] - low - high) / (high - low)
    bumps = torch.where(scaled.abs() < 1, (1 + torch.cos(np.pi * scaled)) / 2, 0.0 * scaled).prod(2) ** 3
    return bumps / bumps.sum(1, keepdim=True)


def explicit(stack, theta, x):
    """u by its formula, (points, unknowns)."""
    low, high = torch.as_tensor(GRID).permute(2, 0, 1)
    outputs = []
    for k in range(stack.count):
        parameters = stack.layout.unpack(theta[stack.part(k)])
        outputs.append(stack.network.apply(parameters, (2 * x - low[k] - high[k]) / (high[k] - low[k]), ValueAlgebra(PARTS)))
    return (windows(x)[..., None] * torch.stack(outputs, 1)).sum(1)


@pytest.fixture
def covered():
    """Pairs of points and members that have them in their box, in no order."""
    inside = ((OVERLAP[:, None] > GRID[..., 0]) & (OVERLAP[:, None] < GRID[..., 1])).all(2)
    assert (inside.sum(1) > 1).sum() > 5 and inside.any(1).all()
    points, numbers = np.nonzero(inside)
    order = np.random.default_rng(0).permutation(len(points))
    return points[order], numbers[order]


@pytest.mark.parametrize("wanted", PRODUCTS)
@pytest.mark.parametrize("name", ["chain", "gates", "products"])
def test_windowed_sums_against_the_formula(name, wanted, covered):
    pairs, numbers = covered
    stack = Stack(NETWORKS[name], GRID, ("u", "v"))
    carried = channels((PRODUCTS[wanted][1], ((0, 1),)), 2)
    jets = differentiate(windows, torch.as_tensor(OVERLAP), carried, tape=False)
    summed = WindowedSum(
        stack.channels(OVERLAP[pairs], numbers, carried), carried, jets[:, pairs, numbers], torch.as_tensor(pairs), len(OVERLAP)
    )
    theta = stack.initial(0).requires_grad_()
    expected = differentiate(lambda x: explicit(stack, theta, x), torch.as_tensor(OVERLAP), carried, tape=True)
    found = summed(theta)
    for channel, other in zip(found, expected, strict=True):
        close(channel, other)
    gradients = [gradient(values, theta) for values in (found, expected)]
    close(*gradients)


def test_the_jacobian_of_a_windowed_sum(engine, covered):
    pairs, numbers = covered
    stack = Stack(NETWORKS["chain"], GRID)
    carried = channels((PRODUCTS["laplacian"][1],), 2)
    jets = differentiate(windows, torch.as_tensor(OVERLAP), carried, tape=False)
    summed = WindowedSum(
        stack.channels(OVERLAP[pairs], numbers, carried), carried, jets[:, pairs, numbers], torch.as_tensor(pairs), len(OVERLAP)
    )
    rng = np.random.default_rng(1)
    cotangent, v, w = (torch.as_tensor(rng.normal(size=size)) for size in ((len(carried), 19, 1), (stack.num_params,), (19,)))
    theta = stack.initial(0)
    expected = jacobian(lambda theta: (summed(theta) * cotangent).sum((0, 2)), theta)
    linear = summed.linearise(theta)
    operator = linear.jacobian(cotangent)
    close(linear.values, summed(theta), 1e-15)
    close(linear.pull(cotangent), expected.sum(0))
    close(BlockMatrix(operator.blocks(), (19, stack.num_params)).dense(), expected)
    close(operator @ v, expected @ v)
    close(operator.transpose_apply(w), expected.T @ w)


def test_windows_must_fit():
    stack = Stack(NETWORKS["chain"], GRID)
    carried = channels((((0, 0),),), 2)
    at = stack.channels(OVERLAP[:3], np.zeros(3, int), carried)
    with pytest.raises(ValueError, match=r"windows must be \(1, 3\)"):
        WindowedSum(at, carried, torch.ones(2, 3), torch.arange(3), 3)
