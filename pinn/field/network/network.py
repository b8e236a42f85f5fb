"""What all networks have in common: settings, starting values, size and cost, and the way to a field."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pinn.field.activation import check_activation
from pinn.field.embedding import Embedding
from pinn.field.factorisation import Factorisation
from pinn.field.layout import Layout, Shape
from pinn.field.request import Channel
from pinn.problem.settings import BadInput, Settings, setting

if TYPE_CHECKING:
    from pinn.field.field import Field

Initialisation = Literal["glorot", "he", "lecun", "uniform", "siren"]


@dataclass(frozen=True)
class Network(Settings, ABC):
    """Base of networks with hidden layers of equal width, one network for all unknowns.

    A network has three parts to fill in: (1) ``shapes`` names its parameters, those of the last linear layer beginning with
    ``output.``; (2) ``draw`` gives them values, `starting_values` does so for plain layers; (3) ``apply`` is the map from features
    to outputs, written with ``dense linear add multiply interpolate select`` of the algebra it is given, so that both engines can
    run it.

    Parameters
    ----------
    width, depth : neurons per hidden layer, and number of hidden layers.
    activation : tanh, sin, gelu, swish, softplus or sigmoid.
    initialisation : weights at the start: ``glorot`` normal with variance 2/(fan_in + fan_out) (Glorot & Bengio 2010), ``he``
        2/fan_in (He et al. 2015), ``lecun`` 1/fan_in (LeCun et al. 1998), ``uniform`` in ±1/√fan_in, ``siren`` uniform in
        ±1/fan_in for the first layer and ±√(6/fan_in) after it, for sines (Sitzmann et al. 2020).
    biases : ``random`` uniform in ±1/√fan_in, or ``zero``. With zero biases the start is odd about the centre of the box, and on a
        symmetric problem gradients then cancel to rounding, which Adam blows up: permuting 101 points changed θ by 7e-4 in 25
        steps, with random biases by 2e-16.
    frequency : multiplies weights and biases of the first layer at the start; larger for solutions that oscillate.
    periodic : ``auto`` feeds sines and cosines of the coordinates along which the problem is periodic, so that every such
        condition holds exactly; ``none`` leaves it to the loss.
    harmonics : number of sines, and of cosines, per periodic coordinate.
    factorisation : whether weights are trained as products, see `pinn.field.factorisation`; none by default.
    """

    width: int = setting(64, at_least=1, at_most=65536)
    depth: int = setting(3, at_least=1, at_most=1000)
    activation: str = "tanh"
    initialisation: Initialisation = "glorot"
    biases: Literal["random", "zero"] = "random"
    frequency: float = setting(1.0, above=0)
    periodic: Literal["auto", "none"] = "auto"
    harmonics: int = setting(1, at_least=1, at_most=1000)
    factorisation: Factorisation = Factorisation()

    def __post_init__(self):
        super().__post_init__()
        try:
            object.__setattr__(self, "activation", check_activation(self.activation))
        except BadInput as error:
            raise error.under("activation") from None

    @abstractmethod
    def shapes(self, inputs: tuple[int, ...], num_outputs: int) -> dict[str, Shape]:
        """Return the shape of every parameter by name, in the order of theta; weights are (inputs, outputs).

        Parameters
        ----------
        inputs : number of features of each coordinate, (dim,).
        num_outputs : number of unknowns.
        """

    @abstractmethod
    def draw(self, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return starting values of all parameters by name, float64 with the given shapes."""

    @abstractmethod
    def apply(self, parameters: Mapping[str, Any], features: Any, algebra: Any) -> Any:
        """Return the outputs of the network for jets or values of the features."""

    def embedding(self, problem: Any) -> Embedding:
        """Return the map from the problem's coordinates to the features that the first layer sees."""
        return Embedding(problem, tuple(problem.periodic) if self.periodic == "auto" else (), self.harmonics)

    def layout(self, problem: Any) -> Layout:
        """Return the layout of the parameters that the network is applied with; of theta too, unless weights are factorised."""
        return Layout(self.shapes(self.embedding(problem).widths, len(problem.unknowns)))

    def num_parameters(self, problem: Any) -> int:
        """Return the length of theta for a problem."""
        return self.factorisation.layout(self.layout(problem)).num_params

    def memory(self, problem: Any, num_points: int, carried: tuple[Channel, ...], precision: str = "float64") -> int:
        """Return about how many bytes one evaluation with its reverse pass holds at once.

        Parameters
        ----------
        num_points : points that are evaluated together.
        carried : channels, from `pinn.field.request.channels`.
        """
        return evaluation_memory(self.layout(problem).num_neurons, num_points, carried, precision)

    def field(
        self,
        problem: Any,
        engine: Literal["taylor", "autograd"] = "taylor",
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        hard: tuple[str, ...] = (),
        compiled: bool | None = None,
    ) -> Field:
        """Return the field of this network for a problem; `pinn.field.field.Field` says what the arguments mean."""
        from pinn.field.field import Field

        return Field(self, problem, engine, precision, device, hard, compiled)


def evaluation_memory(num_neurons: int, num_points: int, carried: tuple[Channel, ...], precision: str) -> int:
    """Return about how many bytes one evaluation with its reverse pass holds at once."""
    return num_points * num_neurons * (4 * len(carried) + 4) * (8 if precision == "float64" else 4)


def starting_values(network: Network, shapes: Mapping[str, Shape], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return starting values of plain layers ``first hidden1 … output`` with parameters ``.weight`` and ``.bias``.

    All layers but ``first`` are drawn in the same way; the bias of ``output`` is zero.
    """
    return {name: _starting_value(network, shapes, name, rng) for name in shapes}


def _starting_value(network: Network, shapes: Mapping[str, Shape], name: str, rng: np.random.Generator) -> np.ndarray:
    layer, _, kind = name.partition(".")
    is_first = layer.startswith("first")
    factor = network.frequency if is_first else 1.0
    fan_in, fan_out = shapes[f"{layer}.weight"]
    if kind == "weight":
        return factor * _weights(network.initialisation, fan_in, fan_out, is_first, rng)
    if network.biases == "zero" or layer == "output":
        return np.zeros(shapes[name])
    return factor * rng.uniform(-1.0, 1.0, shapes[name]) / sqrt(fan_in)


def _weights(kind: Initialisation, fan_in: int, fan_out: int, is_first: bool, rng: np.random.Generator) -> np.ndarray:
    shape = (fan_in, fan_out)
    if kind == "uniform":
        return rng.uniform(-1.0, 1.0, shape) / sqrt(fan_in)
    if kind == "siren":
        return rng.uniform(-1.0, 1.0, shape) * (1.0 / fan_in if is_first else sqrt(6.0 / fan_in))
    variance = {"glorot": 2.0 / (fan_in + fan_out), "he": 2.0 / fan_in, "lecun": 1.0 / fan_in}[kind]
    return rng.standard_normal(shape) * sqrt(variance)


def wave_values(shapes: Mapping[str, Shape], layer: str, frequency: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return weights of a layer of sines, normal with deviation π · frequency, and phases uniform in ±π."""
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    return {
        weight: rng.standard_normal(shapes[weight]) * (pi * frequency),
        bias: rng.uniform(-pi, pi, shapes[bias]),
    }
