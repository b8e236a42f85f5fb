"""Cells whose networks differ: against separate stacks and reverse passes, and how each is drawn."""

import numpy as np
import pytest
import torch

from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.networks import kinds, members
from pinn.field.decomposition.settings import Cuts, Windows
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.local_features import LocalFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.stack import Stack
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites
from pinn.solver.part_of_rows import part_of
from pinn.solver.sweep import Sweep

TEXT = {
    "coordinates": {"x": [-1, 1], "t": [0, 2]},
    "unknowns": {"u": {"scale": 3}, "v": None},
    "equations": {"first": "u_t + v*u_xx = 0", "second": "v_t = v_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)", "v": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0, "v": 0}},
}
PROBLEM = read_problem(TEXT)
NETWORK = MLP(width=5, depth=2)
OTHER = ModifiedMLP(width=3, depth=2)
BOXES = (
    {"x": [-1, 0], "t": [0, 1]},
    {"x": [0, 1], "t": [0, 1], "network": {"width": 4, "activation": "sin"}},
    {"x": [-1, 0], "t": [1, 2], "network": OTHER},
    {"x": [0, 1], "t": [1, 2], "network": {"width": 5}},
)
REQUEST = (("u", ((0, 0),)), ("v", ((1, 1),)), ("u", ((2, 0),)), ("v", ((2, 0), (0, 2))))


def make(kind=Windows, boxes=BOXES, network=NETWORK, **options):
    return DecomposedField(network, PROBLEM, kind(boxes=boxes), **options)


def somewhere(num=25, seed=0):
    return np.random.default_rng(seed).uniform([-1, 0], [1, 2], (num, 2))


def test_equal_settings_are_put_together():
    found = kinds(Windows(boxes=BOXES), NETWORK, make().levels[0].cover)
    assert [(each.network, each.cells.tolist()) for each in found] == [
        (NETWORK, [0, 3]),
        (MLP(width=4, depth=2, activation="sin"), [1]),
        (OTHER, [2]),
    ]


@pytest.mark.parametrize("kind", [Windows, Cuts])
@pytest.mark.parametrize("compiled", [True, False])
def test_values_are_sums_over_networks_one_by_one(kind, compiled):
    field = make(kind, compiled=compiled)
    theta, points, total = field.initial(3), somewhere(), np.zeros((25, 2))
    level = field.levels[0]
    pairs = level.pairs(points, None)
    windows = np.ones(len(pairs.points)) if level.partition is None else level.partition.jets(pairs, [(0, 0)])[0, 0]
    boxes = level.cover.boxes if level.partition is None else level.partition.supports
    for point, cell, place, window in zip(*pairs, windows, strict=True):
        network = [NETWORK, MLP(width=4, depth=2, activation="sin"), OTHER, NETWORK][cell]
        alone = Stack(network, boxes[[cell]], ("u", "v"), compiled=False)
        request = (("u", ((0, 0),)), ("v", ((0, 0),)))
        jets = alone.at(place[None], np.zeros(1, int), request).jets(theta[field.places[cell]])
        total[point] += window * jets.numpy()[0]
    np.testing.assert_allclose(field.solution(theta)(points), total * [3, 1], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", [Windows, Cuts])
def test_the_jacobian_is_that_of_reverse_passes(kind):
    field = make(kind)
    theta, points = field.initial(0), somewhere(12)
    evaluation = field.at(Sites(points), REQUEST)
    linear = evaluation.linearise(theta)
    cotangent = torch.as_tensor(np.random.default_rng(1).standard_normal((12, 4)))
    leaf = theta.clone().requires_grad_(True)
    scalars = (evaluation.jets(leaf) * cotangent).sum(1)
    expected = torch.stack([torch.autograd.grad(scalar, leaf, retain_graph=True)[0] for scalar in scalars])
    dense = torch.zeros_like(expected)
    for rows, columns, values in linear.jacobian(cotangent).blocks():
        dense[rows, columns] += values
    torch.testing.assert_close(dense, expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(linear.pull(cotangent), expected.sum(0), rtol=1e-9, atol=1e-9)


def test_a_cell_s_draw_depends_on_no_other_cell():
    plain = make(boxes=tuple({name: ends for name, ends in box.items() if name != "network"} for box in BOXES))
    mixed = make()
    one, other = plain.initial(7), mixed.initial(7)
    for cell in (0, 3):
        assert torch.equal(one[plain.places[cell]], other[mixed.places[cell]])
    sizes = [place.stop - place.start for place in mixed.places]
    assert sizes == [57, 42, sizes[2], 57] and sum(sizes) == mixed.num_params == len(other)
    parts = mixed.layout.parts
    assert sorted([*parts["hidden"], *parts["linear"]]) == list(range(mixed.num_params))
    assert sum(np.prod(shape) for shape in mixed.layout.shapes.values()) == mixed.num_params


def test_sizes_are_told_before_anything_is_made():
    found, field = members(Windows(boxes=BOXES), NETWORK, PROBLEM), make()
    np.testing.assert_array_equal(found.num_params, [place.stop - place.start for place in field.places])
    points, networks = field.seen(somewhere(4000), None)
    assert found.seen == pytest.approx(len(points) / 4000, rel=0.05)
    assert found.active == pytest.approx(found.num_params[networks].sum() / 4000, rel=0.05)
    assert len(found.networks) == 3


def test_a_network_takes_over_parameters_only_from_one_like_it():
    boxes = ({"t": [0, 0.5]}, {"t": [0.5, 1]}, {"t": [1, 1.5], "network": {"activation": "sin"}}, {"t": [1.5, 2]})
    field = make(Cuts, boxes)
    turns = Sweep("t").turns([(field.levels[0].cover, field.boxes)], PROBLEM.names)
    theta = field.initial(0)
    begun = [part_of(turn, field).begin(theta) for turn in turns]
    assert torch.equal(begun[1][field.places[1]], theta[field.places[0]])
    assert torch.equal(begun[2], theta) and torch.equal(begun[3], theta)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"widht": 3}, "decomposition.boxes[0].network.widht is not a setting"),
        ({"width": 0}, "decomposition.boxes[0].network.width must be at least 1, got 0"),
        ("siren", "decomposition.boxes[0].network must be the settings that differ, or those of a network for cells, got 'siren'"),
        (LocalFeatures(), "decomposition.boxes[0].network must be the settings that differ"),
        (FourierFeatures(factorisation={"mean": 1}), "decomposition.boxes[0].network.factorisation.mean must be null"),
    ],
)
def test_impossible_networks(network, message):
    with pytest.raises(BadInput) as caught:
        make(boxes=({"x": [-1, 0], "network": network}, {"x": [0, 1]}))
    assert str(caught.value).startswith(message)
