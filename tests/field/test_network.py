import functools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from field_problems import RING, WAVE, box, inside, read

from pinn.field.nested import ValueAlgebra
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.module import ModuleNetwork, _say_that_it_is_nested
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.field.request import channels
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

NETWORKS = (MLP, ModifiedMLP, FourierFeatures, PirateNet, Separable)


@pytest.mark.parametrize("kind", NETWORKS)
def test_number_of_parameters(kind):
    network, problem = kind(width=11, depth=3), box(3, unknowns=("u", "v"))
    expected = (3 + 1) * 11 + 2 * (11 + 1) * 11 + (11 + 1) * 2
    if kind is ModifiedMLP:
        expected += 2 * (3 + 1) * 11
    if kind is PirateNet:  # two encoders, three blocks of three layers, three factors
        expected = (3 + 1) * 11 + (2 + 9) * (11 + 1) * 11 + 3 + (11 + 1) * 2
    if kind is Separable:  # sixteen products for each unknown
        expected = 3 * (2 * 11 + 2 * (11 + 1) * 11 + (11 + 1) * 32) + (32 + 1) * 2
    assert network.num_parameters(problem) == expected
    field = network.field(problem)
    theta = field.initial(0)
    assert theta.shape == (field.num_params,) == (expected,)
    last = 32 if kind is Separable else 11
    assert field.layout["output.weight"][1] == (last, 2)
    parts = field.layout.parts
    assert len(parts["linear"]) == 2 * (last + 1)
    assert sorted([*parts["hidden"], *parts["linear"]]) == list(range(expected))


@pytest.mark.parametrize("kind", NETWORKS)
def test_seeds(kind):
    network, problem = kind(width=9, depth=2), box(2)
    a, b = (network.field(problem).initial(5) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, network.field(problem).initial(6))
    single = network.field(problem, precision="float32").initial(5)
    assert torch.equal(single, a.float())


def test_packing_is_the_inverse_of_unpacking():
    network, problem = ModifiedMLP(width=5, depth=3), box(2)
    layout = network.layout(problem)
    drawn = network.draw(layout.shapes, generator(0, "network"))
    unpacked = layout.unpack(torch.as_tensor(layout.pack(drawn)))
    assert all(np.array_equal(unpacked[name].numpy(), drawn[name]) for name in drawn)


@pytest.mark.parametrize(
    "initialisation, first, hidden",
    [
        ("glorot", 2 / (400 + 3), 2 / 800),
        ("he", 2 / 3, 2 / 400),
        ("lecun", 1 / 3, 1 / 400),
        ("uniform", 1 / 9, 1 / 1200),
        ("siren", 1 / 27, 6 / 1200),
    ],
)
def test_variance_of_the_weights(initialisation, first, hidden):
    network = MLP(width=400, depth=2, initialisation=initialisation, frequency=2.0)
    drawn = network.draw(network.layout(box(3)).shapes, generator(0, "network"))
    assert np.var(drawn["first.weight"]) == pytest.approx(4 * first, rel=0.12)
    assert np.var(drawn["hidden1.weight"]) == pytest.approx(hidden, rel=0.02)


def test_biases():
    shapes = MLP(width=300, depth=2).layout(box(2)).shapes
    random = MLP(width=300, depth=2).draw(shapes, generator(0, "network"))
    zero = MLP(width=300, depth=2, biases="zero").draw(shapes, generator(0, "network"))
    assert np.abs(random["hidden1.bias"]).max() == pytest.approx(1 / math.sqrt(300), rel=0.05)
    assert not any(zero[name].any() for name in zero if name.endswith("bias"))
    assert not random["output.bias"].any()


class Probe(ValueAlgebra):
    """Keeps the mean square of every activation."""

    def __init__(self):
        super().__init__()
        self.squares = []

    def dense(self, x, weight, bias, activation):
        x = super().dense(x, weight, bias, activation)
        self.squares.append(float(x.square().mean()))
        return x


@pytest.mark.parametrize("frequency", [5.0, 30.0])
def test_activations_of_sines_keep_their_variance_through_any_depth(frequency):
    # a layer of arguments with variance 2v has sines of variance v' = (1 - exp(-4v)) / 2, which tends to 0.398
    network = MLP(width=400, depth=12, activation="sin", initialisation="siren", frequency=frequency)
    field, probe = network.field(box(2)), Probe()
    features = torch.as_tensor(np.random.default_rng(0).uniform(-1, 1, (500, 2)))
    output = network.apply(field.layout.unpack(field.initial(0)), features, probe)
    assert len(probe.squares) == 12
    np.testing.assert_allclose(probe.squares[2:], 0.398, atol=0.03)
    assert 0.3 < float(output.square().mean()) < 2
    plain, probe = MLP(width=400, depth=12, activation="sin", frequency=frequency).field(box(2)), Probe()
    plain.network.apply(plain.layout.unpack(plain.initial(0)), features, probe)
    assert probe.squares[-1] < 0.25  # tensors of the usual size fade


def test_frequency_of_fourier_features_counts_periods():
    network = FourierFeatures(width=2000, depth=1, frequency=3.0)
    drawn = network.draw(network.layout(box(1)).shapes, generator(0, "network"))
    assert np.std(drawn["first.weight"]) / math.pi == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(
    "settings, setting, message",
    [
        ({"width": 0}, "width", "at least 1"),
        ({"depth": -1}, "depth", "at least 1"),
        ({"activation": "relu"}, "activation", "no continuous second derivative"),
        ({"activation": "tahn"}, "activation", "did you mean 'tanh'"),
        ({"initialisation": "glorott"}, "initialisation", "did you mean 'glorot'"),
        ({"periodic": True}, "periodic", "must be one of auto, none"),
    ],
)
def test_settings_are_checked(settings, setting, message):
    with pytest.raises(BadInput, match=message) as caught:
        MLP(**settings)
    assert caught.value.setting == setting


def moved(field):
    """Parameters away from the start, where blocks that begin as nothing count too."""
    return field.initial(0) + 0.1


@pytest.mark.parametrize(
    "option", [{"activation": "sin"}, {"initialisation": "he"}, {"biases": "zero"}, {"frequency": 2}, {"harmonics": 2}]
)
def test_every_setting_changes_the_field(option):
    check_that_the_field_changes(MLP(width=8), MLP(width=8, **option))


@pytest.mark.parametrize("kind, option", [(PirateNet, {"gates": False}), (PirateNet, {"waves": False}), (Separable, {"rank": 3})])
def test_every_setting_of_a_kind_changes_the_field(kind, option):
    check_that_the_field_changes(kind(width=8, depth=2), kind(width=8, depth=2, **option))


def check_that_the_field_changes(network, changed):
    problem = read(RING)
    points = inside(problem, np.random.default_rng(0))
    plain, other = (kind.field(problem) for kind in (network, changed))
    values = [field.at(Sites(points), problem.values).jets(moved(field)) for field in (plain, other)]
    assert (values[0] - values[1]).abs().max() > 1e-3


def test_a_pirate_network_starts_as_its_first_layer():
    problem = box(2)
    points = inside(problem, np.random.default_rng(0))
    shallow, deep = (PirateNet(width=9, depth=depth).field(problem) for depth in (1, 5))
    theta = shallow.initial(0)
    named, others = shallow.layout.unpack(theta), deep.layout.unpack(deep.initial(0))
    for name in others:
        others[name] = named.get(name, others[name])
    same = torch.cat([others[name].flatten() for name in deep.layout.shapes])
    values = [field.at(Sites(points), problem.values).jets(start) for field, start in ((shallow, theta), (deep, same))]
    low, high = problem.box.T
    x = torch.as_tensor(2 * (points - low) / (high - low) - 1)
    waves = torch.sin(x @ named["first.weight"] + named["first.bias"])
    for value in values:
        torch.testing.assert_close(value, waves @ named["output.weight"], rtol=1e-13, atol=1e-13)


def test_blocks_of_a_pirate_network():
    network, problem = PirateNet(width=7, depth=1), box(2)
    field = network.field(problem)
    points = inside(problem, np.random.default_rng(0))
    p = field.layout.unpack(field.initial(0) + 0.1)
    low, high = problem.box.T
    x0 = torch.as_tensor(2 * (points - low) / (high - low) - 1)

    def layer(x, name, activation=torch.tanh):
        return activation(x @ p[f"{name}.weight"] + p[f"{name}.bias"])

    x = layer(x0, "first", torch.sin)
    u, v = layer(x, "encoder_u"), layer(x, "encoder_v")
    f = layer(x, "hidden1_1")
    g = layer(f * u + (1 - f) * v, "hidden1_2")
    h = layer(g * u + (1 - g) * v, "hidden1_3")
    expected = layer(0.1 * h + 0.9 * x, "output", lambda z: z)
    torch.testing.assert_close(field.at(Sites(points), problem.values).jets(field.initial(0) + 0.1), expected)


def test_a_separable_network_is_a_sum_of_products():
    network, problem = Separable(width=5, depth=1, rank=3), box(3, unknowns=("u", "v"))
    field = network.field(problem)
    points = inside(problem, np.random.default_rng(0))
    p = field.layout.unpack(field.initial(0))
    low, high = problem.box.T
    x = torch.as_tensor(2 * (points - low) / (high - low) - 1)
    factors = []
    for i in range(3):
        hidden = torch.tanh(x[:, i : i + 1] @ p[f"first_{i}.weight"] + p[f"first_{i}.bias"])
        factors.append(hidden @ p[f"factor_{i}.weight"] + p[f"factor_{i}.bias"])
    expected = (factors[0] * factors[1] * factors[2]).reshape(-1, 2, 3).sum(2)
    torch.testing.assert_close(field.at(Sites(points), problem.values).jets(field.initial(0)), expected)


def test_memory_grows_with_points_channels_and_precision():
    carried, problem = channels((((2, 0),), ((0, 1),)), 2), box(2)
    memory = functools.partial(MLP(width=64, depth=4).memory, problem)
    assert memory(2000, carried) == 2 * memory(1000, carried) == 4 * memory(1000, carried, "float32")
    assert memory(1000, carried) > memory(1000, channels((((0, 1),),), 2))
    assert 5e6 < memory(1000, carried) < 1e8
    assert PirateNet(width=64, depth=4).memory(problem, 1000, carried) > 3 * memory(1000, carried)


def test_a_torch_module_is_a_network():
    torch.manual_seed(0)
    problem = box(2, unknowns=("u", "v"))
    module = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)).double()
    field = ModuleNetwork(module).field(problem)
    theta = field.initial(0)
    points = inside(problem, np.random.default_rng(0))
    low, high = problem.box.T
    scaled = torch.as_tensor(2 * (points - low) / (high - low) - 1)
    torch.testing.assert_close(field.at(Sites(points), problem.values).jets(theta), module(scaled).detach())
    jets = field.at(Sites(points), (("u", ((2, 0), (0, 2))), ("v", ((0, 1),)))).jets(theta.requires_grad_())
    assert torch.autograd.grad(jets.sum(), theta)[0].abs().max() > 0


def test_asked_for_jets_a_module_says_once_that_it_has_none(caplog):
    _say_that_it_is_nested.cache_clear()
    problem = read(WAVE)
    network = ModuleNetwork(layers(2, torch.nn.Tanh(), 1))
    fields = [network.field(problem, engine) for engine in ("autograd", "taylor", "taylor")]
    assert [record.message for record in caplog.records if "nested" in record.message] == [caplog.records[0].message]
    assert {field.engine for field in fields} == {"autograd"}
    request, sites = (("u", ((2, 0),)),), Sites(inside(problem, np.random.default_rng(0)))
    values = [field.at(sites, request).jets(field.initial(0)) for field in fields]
    assert torch.equal(values[0], values[1])


def layers(dim, activation, outputs):
    return torch.nn.Sequential(torch.nn.Linear(dim, 6), activation, torch.nn.Linear(6, outputs))


class Bent(torch.nn.Module):
    """Straight everywhere, without a layer that says so."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 6), torch.nn.Linear(6, 1)

    def forward(self, x):
        return self.second(self.first(x).relu())


class Frozen(torch.nn.Module):
    def forward(self, x):
        return x[:, :1]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (layers(2, torch.nn.ReLU(), 1), "ReLU has no continuous second derivative, which the equations need"),
        (layers(2, torch.nn.ELU(), 1), "ELU has no continuous second derivative"),
        (Bent(), "has no second derivatives for u, which the equations need"),
        (torch.nn.Linear(2, 1), "has no second derivatives for u"),
        (layers(3, torch.nn.Tanh(), 1), r"takes no points with 2 inputs \(x, t\): mat1 and mat2"),
        (layers(2, torch.nn.Tanh(), 2), r"must map \(64, 2\) to \(64, 1\), a column for u, got \(64, 2\)"),
        (torch.nn.Sequential(layers(2, torch.nn.Tanh(), 1), torch.nn.Flatten(0)), r"got \(64,\)"),
        (Frozen(), "has no parameters to train"),
    ],
)
def test_modules_that_cannot_solve_a_problem(module, words):
    with pytest.raises(BadInput, match=words) as caught:
        ModuleNetwork(module).field(read(WAVE), "autograd")
    assert caught.value.setting == "network.module" and "\n" not in str(caught.value)


def test_a_bent_module_may_solve_an_equation_of_first_order():
    problem = read({**WAVE, "equations": {"transport": "u_t = u_x"}, "conditions": {"initial": {"at": "t = 0", "u": "x"}}})
    assert ModuleNetwork(layers(2, torch.nn.ReLU(), 1)).field(problem).num_params == 25


def test_what_a_module_does_not_train_has_the_precision_of_the_field():
    module = torch.nn.Sequential(layers(2, torch.nn.Tanh(), 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).eval()
    module[2].requires_grad_(False)
    problem = read(WAVE)
    for precision in ("float64", "float32"):
        field = ModuleNetwork(module).field(problem, precision=precision)
        values = field.at(Sites(problem.box.T), problem.values).jets(field.initial(0))
        assert values.dtype == field.dtype
    assert module[2].weight.dtype == torch.float32


@pytest.mark.parametrize(
    "given, words", [(3, "must be a torch.nn.Module, got 3"), ("Sequential(...)", "can only be given in Python")]
)
def test_what_is_no_module(given, words):
    with pytest.raises(BadInput, match=words):
        ModuleNetwork(given)


def test_a_module_of_low_degree_has_zero_derivatives():
    problem = box(2)
    field = ModuleNetwork(torch.nn.Linear(2, 1).double()).field(problem)
    jets = field.at(Sites(inside(problem, np.random.default_rng(0))), (("u", ((2, 0),)), ("u", ((1, 0),)))).jets(field.initial(0))
    assert jets[:, 0].abs().max() == 0 < jets[:, 1].abs().min()


def test_settings_do_not_import_torch():
    names = ", ".join(kind.__name__ for kind in NETWORKS)
    code = f"import sys; from pinn import {names}; from pinn.field.request import channels; MLP(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
