import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from field_problems import RING, box, inside, read

from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.module import ModuleNetwork
from pinn.field.request import channels
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

NETWORKS = (MLP, ModifiedMLP, FourierFeatures)


@pytest.mark.parametrize("kind", NETWORKS)
def test_number_of_parameters(kind):
    network, problem = kind(width=11, depth=3), box(3, unknowns=("u", "v"))
    expected = (3 + 1) * 11 + 2 * (11 + 1) * 11 + (11 + 1) * 2 + (2 * (3 + 1) * 11 if kind is ModifiedMLP else 0)
    assert network.num_parameters(problem) == expected
    field = network.field(problem)
    theta = field.initial(0)
    assert theta.shape == (field.num_params,) == (expected,)
    assert field.layout["output.weight"][1] == (11, 2)
    parts = field.layout.parts
    assert len(parts["linear"]) == 24
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


@pytest.mark.parametrize(
    "option", [{"activation": "sin"}, {"initialisation": "he"}, {"biases": "zero"}, {"frequency": 2}, {"harmonics": 2}]
)
def test_every_setting_changes_the_field(option):
    problem = read(RING)
    points = inside(problem, np.random.default_rng(0))
    plain, other = (network.field(problem) for network in (MLP(width=8), MLP(width=8, **option)))
    values = [field.at(Sites(points), problem.values).jets(field.initial(0)) for field in (plain, other)]
    assert (values[0] - values[1]).abs().max() > 1e-3


def test_memory_grows_with_points_channels_and_precision():
    network = MLP(width=64, depth=4)
    carried = channels((((2, 0),), ((0, 1),)), 2)
    assert network.memory(2000, carried) == 2 * network.memory(1000, carried) == 4 * network.memory(1000, carried, "float32")
    assert network.memory(1000, carried) > network.memory(1000, channels((((0, 1),),), 2))
    assert 5e6 < network.memory(1000, carried) < 1e8


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
    with pytest.raises(BadInput, match="must be autograd"):
        ModuleNetwork(module).field(problem, engine="taylor")


def test_a_module_of_low_degree_has_zero_derivatives():
    problem = box(2)
    field = ModuleNetwork(torch.nn.Linear(2, 1).double()).field(problem)
    jets = field.at(Sites(inside(problem, np.random.default_rng(0))), (("u", ((2, 0),)), ("u", ((1, 0),)))).jets(field.initial(0))
    assert jets[:, 0].abs().max() == 0 < jets[:, 1].abs().min()


def test_settings_do_not_import_torch():
    code = (
        "import sys; from pinn.field.network.mlp import MLP; from pinn.field.network.fourier_features import FourierFeatures;"
        "from pinn.field.network.modified_mlp import ModifiedMLP; from pinn.field.request import channels; MLP(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
