"""Jacobians as operators, three ways, against the Jacobian of torch's tape."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from field_problems import PLATE, RING, WAVE, inside, read

from pinn.field import compiler
from pinn.field.factorisation import Factorisation
from pinn.field.field import Field
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.network.module import ModuleNetwork
from pinn.field.network.pirate import PirateNet
from pinn.field.network.separable import Separable
from pinn.problem.sites import Sites


@dataclass(frozen=True)
class Tied(MLP):
    """A chain that uses one hidden layer twice, and has a layer that it does not use."""

    def apply(self, parameters, features, algebra):
        x = algebra.dense(features, parameters["first.weight"], parameters["first.bias"], self.activation)
        for _ in range(2):
            x = algebra.dense(x, parameters["hidden1.weight"], parameters["hidden1.bias"], self.activation)
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])


@dataclass(frozen=True)
class Mixed(MLP):
    """A chain that interpolates twice by the same number."""

    def shapes(self, inputs, num_outputs):
        return super().shapes(inputs, num_outputs) | {"mix": (1,)}

    def draw(self, shapes, rng):
        return super().draw({name: shape for name, shape in shapes.items() if name != "mix"}, rng) | {"mix": np.full(1, 0.3)}

    def apply(self, parameters, features, algebra):
        x = algebra.dense(features, parameters["first.weight"], parameters["first.bias"], self.activation)
        for layer in ("hidden1", "hidden2"):
            y = algebra.dense(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], self.activation)
            x = algebra.interpolate(x, y, parameters["mix"])
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])


@dataclass(frozen=True)
class Turned(MLP):
    """A chain whose first layer has no activation."""

    def apply(self, parameters, features, algebra):
        x = algebra.linear(features, parameters["first.weight"], parameters["first.bias"])
        x = algebra.dense(x, parameters["hidden1.weight"], parameters["hidden1.bias"], self.activation)
        return algebra.linear(x, parameters["output.weight"], parameters["output.bias"])


NETWORKS = {
    "chain": MLP(width=9, depth=3),
    "gates": ModifiedMLP(width=5, depth=3),
    "waves": FourierFeatures(width=8, depth=2, activation="gelu"),
    "tied": Tied(width=4, depth=3),
    "turned": Turned(width=6, depth=2),
    "sines": MLP(width=6, depth=2, activation="sin", initialisation="siren", frequency=5.0),
    "blocks": PirateNet(width=5, depth=1),
    "products": Separable(width=4, depth=2, rank=3),
    "mixed": Mixed(width=5, depth=3),
    "factorised": MLP(width=9, depth=3, factorisation=Factorisation(mean=0.5)),
    "factorised blocks": PirateNet(width=5, depth=1, factorisation=Factorisation(mean=0.5)),
}
ENGINES = {"nested": ("autograd", False), "jets": ("taylor", False), "compiled": ("taylor", True)}
REQUEST = (("u", ((0, 0),)), ("u", ((0, 2), (2, 0))), ("u", ((1, 0),)))


def check(evaluation, theta, precision=1e-12):
    rng = np.random.default_rng(1)
    num = len(evaluation.jets(theta))
    cotangent, v, w = (torch.as_tensor(rng.normal(size=size)) for size in ((num, len(evaluation.request)), len(theta), num))
    expected = torch.autograd.functional.jacobian(lambda theta: (evaluation.jets(theta) * cotangent).sum(1), theta)
    linear = evaluation.linearise(theta)
    operator = linear.jacobian(cotangent)
    (block,) = operator.blocks()
    assert torch.equal(linear.jets, evaluation.jets(theta))
    for found, wanted in (
        (operator.dense(), expected),
        (block.values, expected),
        (linear.pull(cotangent), expected.sum(0)),
        (operator @ v, expected @ v),
        (operator.transpose_apply(w), expected.T @ w),
        (operator @ v, expected @ v),
    ):
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() < precision * wanted.abs().max()


CASES = [
    pytest.param(engine, name, mapping, id=f"{engine}-{name}-{kind}", marks=pytest.mark.slow if to_compile and often else [])
    for engine, (_, to_compile) in ENGINES.items()
    for name in NETWORKS
    for kind, mapping, often in [("plain", WAVE, False), ("periodic", RING, name not in ("chain", "blocks"))]
]


@pytest.mark.parametrize("engine, name, mapping", CASES)
def test_products_with_a_jacobian(engine, name, mapping):
    way, compiled = ENGINES[engine]
    if compiled and compiler.compiler() is None:
        pytest.skip("no C compiler")
    problem = read(mapping)
    field = NETWORKS[name].field(problem, way, compiled=compiled)
    check(field.at(Sites(inside(problem, np.random.default_rng(0), 11)), REQUEST), field.initial(0) + 0.1)


@pytest.mark.parametrize("engine", ENGINES)
def test_hard_conditions_and_two_unknowns(engine):
    way, compiled = ENGINES[engine]
    if compiled and compiler.compiler() is None:
        pytest.skip("no C compiler")
    problem = read(PLATE)
    field = MLP(width=5, depth=2).field(problem, way, compiled=compiled, hard=("initial",))
    request = (("v", ((0, 2, 0), (2, 0, 0))), ("u", ((0, 0, 1),)), ("u", ((0, 0, 0),)))
    check(field.at(Sites(inside(problem, np.random.default_rng(0))), request), field.initial(0))


def test_a_module():
    module = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)).double()
    problem = read(WAVE)
    field = ModuleNetwork(module).field(problem)
    check(field.at(Sites(inside(problem, np.random.default_rng(0))), REQUEST), field.initial(0))


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
def test_no_points(engine):
    field = MLP(width=3, depth=2).field(read(WAVE), engine)
    linear = field.at(Sites(np.zeros((0, 2))), REQUEST).linearise(field.initial(0))
    operator = linear.jacobian(torch.zeros(0, 3, dtype=torch.float64))
    assert operator.blocks() == ()
    assert operator.dense().shape == (0, field.num_params)
    assert (operator @ field.initial(0)).shape == (0,)
    assert not operator.transpose_apply(torch.zeros(0, dtype=torch.float64)).any()


def test_a_jacobian_that_is_zero():
    field = Field(ModuleNetwork(torch.nn.Linear(2, 1).double()), read(WAVE), "autograd")
    evaluation = field.at(Sites(np.ones((2, 2))), (("u", ((2, 0),)),))
    linear = evaluation.linearise(field.initial(0))
    operator = linear.jacobian(torch.ones(2, 1, dtype=torch.float64))
    assert not linear.pull(torch.ones(2, 1, dtype=torch.float64)).any()
    assert not operator.dense().any() and not (operator @ field.initial(0)).any()
    assert not operator.transpose_apply(torch.ones(2, dtype=torch.float64)).any()
