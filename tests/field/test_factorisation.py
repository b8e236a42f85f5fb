"""Factorised weights: another θ for the same network."""

import numpy as np
import pytest
import torch
from field_problems import RING, WAVE, box, inside, read

from pinn.field.factorisation import Factorisation
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

NETWORKS = (MLP, ModifiedMLP, FourierFeatures, PirateNet, Separable)
ON = Factorisation(mean=0.5)
REQUEST = (("u", ((0, 0),)), ("u", ((2, 0),)), ("u", ((1, 1),)))


def restored(field, theta):
    """The network's own parameters, layer by layer."""
    parts = field.layout.unpack(theta)
    found = {}
    for name in field.effective.shapes:
        layer, _, kind = name.partition(".")
        found[name] = parts[name] * parts[f"scale.{layer}"].exp() if kind == "weight" else parts[name]
    return torch.cat([part.flatten() for part in found.values()])


@pytest.mark.parametrize("kind", NETWORKS)
def test_at_the_start_the_network_is_what_it_would_have_been(kind):
    problem = box(3, unknowns=("u", "v"))
    plain, factorised = kind(width=6, depth=2).field(problem), kind(width=6, depth=2, factorisation=ON).field(problem)
    torch.testing.assert_close(restored(factorised, factorised.initial(3)), plain.initial(3), rtol=1e-14, atol=0)
    sites = Sites(inside(problem, np.random.default_rng(0)))
    values = [field.at(sites, problem.values).jets(field.initial(3)) for field in (plain, factorised)]
    torch.testing.assert_close(*values, rtol=1e-13, atol=1e-13)


def test_scales_are_normal():
    field = MLP(width=5000, depth=1, factorisation=Factorisation(mean=1.0, deviation=0.1)).field(box(2))
    parts = field.layout.unpack(field.initial(0))
    assert float(parts["scale.first"].mean()) == pytest.approx(1.0, abs=0.005)
    assert float(parts["scale.first"].std()) == pytest.approx(0.1, rel=0.05)
    assert parts["scale.output"].shape == (1,)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_gradients_and_rows_obey_the_chain_rule(kind, engine):
    problem = read(RING)
    sites = Sites(inside(problem, np.random.default_rng(0)))
    plain = kind(width=5, depth=2).field(problem, engine).at(sites, REQUEST)
    evaluation = kind(width=5, depth=2, factorisation=ON).field(problem, engine, hard=()).at(sites, REQUEST)
    field = evaluation.field
    theta = (field.initial(0) + 0.1).requires_grad_()
    jets = evaluation.jets(theta)
    expected = plain.jets(restored(field, theta))
    torch.testing.assert_close(jets, expected, rtol=1e-12, atol=1e-12)
    cotangent = torch.linspace(-1, 2, jets.numel(), dtype=torch.float64).reshape(jets.shape)
    by_layers = [torch.autograd.grad(row, theta, retain_graph=True)[0] for row in (expected * cotangent).sum(1)]
    rows = evaluation.linearise(theta).jacobian(cotangent).dense()
    size = float(rows.abs().max())
    torch.testing.assert_close(rows, torch.stack(by_layers), rtol=1e-10, atol=1e-12 * size)
    (gradient,) = torch.autograd.grad((jets * cotangent).sum(), theta)
    torch.testing.assert_close(gradient, rows.sum(0), rtol=1e-10, atol=1e-12 * size)


def test_without_it_nothing_is_added():
    network, problem = MLP(width=5, depth=2), read(WAVE)
    field = network.field(problem)
    assert field.layout is field.effective
    assert network.num_parameters(problem) == field.num_params
    assert type(field.at(Sites(problem.box.T), REQUEST).channels).__name__ == "TaylorChannels"


def test_every_scale_is_a_parameter_and_none_of_the_linear_layer():
    network, problem = ModifiedMLP(width=5, depth=2, factorisation=ON), read(WAVE)
    field = network.field(problem)
    assert field.num_params == network.num_parameters(problem) == field.effective.num_params + 4 * 5 + 1
    assert len(field.layout.parts["linear"]) == 6


def test_in_single_precision_and_with_hard_conditions():
    problem = read(WAVE)
    sites = Sites(inside(problem, np.random.default_rng(0)))
    found = []
    for precision in ("float64", "float32"):
        field = MLP(width=6, depth=2, factorisation=ON).field(problem, precision=precision, hard=("initial",))
        evaluation, theta = field.at(sites, REQUEST), field.initial(0)
        rows = evaluation.linearise(theta).jacobian(torch.ones(len(sites.points), 3, dtype=field.dtype)).dense()
        assert rows.dtype == field.dtype == getattr(torch, precision)
        found.append((evaluation.jets(theta).double(), rows.double()))
    for double, single in zip(*found, strict=True):
        torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-4 * float(double.abs().max()))


@pytest.mark.parametrize(
    ("given", "setting", "words"),
    [
        ({"mean": "big"}, "factorisation.mean", "must be a number"),
        ({"deviation": -1}, "factorisation.deviation", "at least 0"),
        ({"men": 1}, "factorisation.men", "did you mean 'mean'"),
    ],
)
def test_settings_are_checked(given, setting, words):
    with pytest.raises(BadInput, match=words) as caught:
        MLP(factorisation=given)
    assert caught.value.setting == setting
