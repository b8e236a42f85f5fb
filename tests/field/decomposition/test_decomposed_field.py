"""Networks in cells under windows against loops over cells, differences and reverse passes."""

import numpy as np
import pytest
import torch

from pinn.field import compiler
from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Windows
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

RING = {
    "coordinates": {"x": [-1, 1], "t": [0, 2]},
    "unknowns": {"u": {"scale": 3}, "v": None},
    "equations": {"first": "u_t + v*u_xxx = 0", "second": "v_t = v_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "cos(pi*x)", "v": "sin(pi*x)"}, "wrap": {"periodic": "x"}},
}
NETWORK = MLP(width=5, depth=2)
VALUE, REQUEST = ((0, 0),), (("u", ((0, 0),)), ("v", ((1, 1),)), ("u", ((3, 0),)), ("v", ((2, 0), (0, 2))))


def make(text=RING, network=NETWORK, **settings):
    options = {name: settings.pop(name) for name in ("hard", "compiled", "precision") if name in settings}
    return DecomposedField(network, read_problem(text), Windows(**{"cells": {"x": 4, "t": 3}, **settings}), **options)


def somewhere(num=40, seed=0):
    return np.random.default_rng(seed).uniform([-1, 0], [1, 2], (num, 2))


def by_hand(field, theta, points):
    """The values of both unknowns as the docstring has them, network by network."""
    total = np.zeros((len(points), 2))
    for level in field.levels:
        own = theta[level.place].view(level.stack.count, -1)
        pairs = level.partition.pairs(points)
        windows = level.partition.jets(pairs, [(0, 0)])[0, 0]
        for point, cell, place, window in zip(*pairs, windows, strict=True):
            low, high = level.partition.supports[cell].T
            parameters = level.stack.layout.unpack(own[cell])
            x = torch.as_tensor((place - (low + high) / 2) / ((high - low) / 2))
            for layer in ("first", "hidden1"):
                x = torch.tanh(x @ parameters[f"{layer}.weight"] + parameters[f"{layer}.bias"])
            total[point] += window * (x @ parameters["output.weight"] + parameters["output.bias"]).numpy() / len(field.levels)
    return total * [3, 1]


@pytest.mark.parametrize("levels", [1, 2])
def test_values_are_sums_over_windows(levels):
    field = make(levels=levels)
    theta = field.initial(1)
    np.testing.assert_allclose(field.solution(theta)(somewhere()), by_hand(field, theta, somewhere()), rtol=1e-12, atol=1e-13)
    assert len(theta) == field.num_params == (12 + 4 * (levels == 2)) * field.levels[0].stack.layout.num_params


def test_derivatives_are_those_of_the_values():
    field = make(levels=2)
    solution, points, h = field.solution(field.initial(0)), somewhere(), 1e-3
    x, t = np.array([h, 0]), np.array([0, h])
    value = lambda offset: solution(points + offset)  # noqa: E731
    found = solution(points, REQUEST)
    np.testing.assert_array_equal(found[:, 0], value(0)[:, 0])
    mixed = (value(x + t) - value(x - t) - value(t - x) + value(-x - t))[:, 1] / (4 * h * h)
    third = (value(2 * x) - 2 * value(x) + 2 * value(-x) - value(-2 * x))[:, 0] / (2 * h**3)
    laplacian = (value(x) + value(-x) + value(t) + value(-t) - 4 * value(0))[:, 1] / h**2
    for column, differences in ((1, mixed), (2, third), (3, laplacian)):
        size = np.abs(found[:, column]).max()
        assert np.median(np.abs(found[:, column] - differences)) < 1e-3 * size


def test_a_ring_closes_to_the_last_derivative():
    field = make(cells={"x": 3, "t": 2}, smoothness=4)
    ends = [np.array([[end, time] for time in (0.0, 0.7, 2.0)]) for end in (-1.0, 1.0)]
    first, last = (field.solution(field.initial(0))(each, REQUEST) for each in ends)
    np.testing.assert_allclose(first, last, rtol=1e-12, atol=1e-12)
    assert {"wrap.u", "wrap.u_x", "wrap.u_xx", "wrap.v", "wrap.v_x"} == set(field.satisfied)
    assert make(cells={"t": 3}).satisfied == ()


@pytest.mark.parametrize("levels", [1, 2])
def test_the_jacobian_is_that_of_reverse_passes(levels):
    field = make(levels=levels)
    theta, points = field.initial(0), somewhere(12)
    evaluation = field.at(Sites(points), REQUEST)
    linear = evaluation.linearise(theta)
    cotangent = torch.as_tensor(np.random.default_rng(1).standard_normal((12, 4)))
    jacobian = linear.jacobian(cotangent)
    dense = torch.zeros(12, field.num_params, dtype=torch.float64)
    for rows, columns, values in jacobian.blocks():
        dense[rows, columns] += values
    leaf = theta.clone().requires_grad_(True)
    scalars = (evaluation.jets(leaf) * cotangent).sum(1)
    expected = torch.stack([torch.autograd.grad(scalar, leaf, retain_graph=True)[0] for scalar in scalars])
    torch.testing.assert_close(dense, expected, rtol=1e-9, atol=1e-10)
    vector, rows = torch.randn(field.num_params, dtype=torch.float64), torch.randn(12, dtype=torch.float64)
    torch.testing.assert_close(jacobian @ vector, expected @ vector, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(jacobian.transpose_apply(rows), expected.T @ rows, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(linear.pull(cotangent), expected.sum(0), rtol=1e-9, atol=1e-9)


@pytest.mark.skipif(not compiler.is_available(), reason="needs a C compiler")
def test_compiled_code_gives_the_same(monkeypatch):
    plain = make(levels=2, compiled=False)
    monkeypatch.undo()
    compiled = make(levels=2, compiled=True)
    assert compiled.compiled and not plain.compiled
    theta = plain.initial(0)
    np.testing.assert_allclose(
        compiled.solution(theta)(somewhere(), REQUEST), plain.solution(theta)(somewhere(), REQUEST), rtol=1e-9, atol=1e-9
    )


def test_hard_conditions_hold_for_any_parameters():
    field = make(hard=("initial",))
    x = np.linspace(-1, 1, 9)
    found = field.solution(3 * field.initial(5))(np.column_stack([x, 0 * x]))
    np.testing.assert_allclose(found, np.column_stack([np.cos(np.pi * x), np.sin(np.pi * x)]), atol=1e-14)
    assert {"initial.u", "initial.v"} <= set(field.satisfied)


def test_last_layers_are_the_linear_part():
    field = make(levels=2)
    parts, theta = field.layout.parts, field.initial(0)
    assert sorted([*parts["hidden"], *parts["linear"]]) == list(range(field.num_params))
    assert sum(np.prod(shape) for shape in field.layout.shapes.values()) == field.num_params
    points, moved = somewhere(), theta.clone()
    moved[parts["linear"]] *= 2
    once, twice = (field.solution(each)(points) for each in (theta, moved))
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": {"y": 2}}, "decomposition.cells: unknown coordinate 'y'"),
        ({"cells": {"x": 0}}, "decomposition.cells.x: must be a whole number of at least 1, got 0"),
        ({"cells": 1000}, "decomposition.cells: at most 100,000 cells are possible, got 1e+06"),
        ({"cells": {"x": 2}, "reach": 0.6}, "decomposition: windows meet themselves around 'x': take more cells"),
        ({"smoothness": 2}, "decomposition.smoothness: must be at least the order of the equations, 3, got 2"),
        ({"levels": 9}, "decomposition.levels: 9 levels need more cells than (4, 3)"),
        ({"boxes": ({"x": [-1, 0]},)}, "decomposition.boxes: 0.5 of the domain is in no box"),
        ({"boxes": ({"x": [-1, 0]}, {"x": [-0.1, 1]})}, "decomposition.boxes: boxes 0 and 1 overlap"),
        ({"boxes": ({"x": [-1, 3]},)}, "decomposition.boxes[0].x: must be [low, high] within -1 to 1, got [-1, 3]"),
        ({"boxes": ({"z": [0, 1]},)}, "decomposition.boxes[0]: unknown coordinate 'z'"),
    ],
)
def test_impossible_cells(settings, message):
    with pytest.raises(BadInput) as caught:
        make(**settings)
    assert f"{caught.value.setting}: {caught.value.message}".startswith(message)


def test_boxes_of_one_s_own():
    boxes = ({"x": [-1, 0.5], "t": [0, 1]}, {"x": [0.5, 1], "t": [0, 1]}, {"t": [1, 2]})
    field = make(boxes=boxes)
    theta = field.initial(0)
    assert field.levels[0].partition.wrapped == () and len(theta) == 3 * field.levels[0].stack.layout.num_params
    np.testing.assert_allclose(field.solution(theta)(somewhere()), by_hand(field, theta, somewhere()), rtol=1e-12, atol=1e-13)
