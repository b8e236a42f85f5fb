"""A field: a network for the unknowns of a problem, which returns derivatives at points as a function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from pinn.field import compiler
from pinn.field.algebra import JetAlgebra
from pinn.field.constraint import Constraint
from pinn.field.device import choose_device
from pinn.field.factorisation import FactorisedChannels, FactorisedParameters
from pinn.field.factors import FactoredChannels, FactoredNetwork
from pinn.field.fused import Family, Fused, fuse
from pinn.field.jacobian import LinearChannels, Linearised, TapedChannels
from pinn.field.jet import Jet
from pinn.field.lines import NO_DIRECTIONS, along_lines
from pinn.field.native import TAPE_NUMBERS, WIDEST_COMPILED, Apply, Inputs, NativeChannels, NativeNetwork, native_network
from pinn.field.nested import ValueAlgebra, differentiate
from pinn.field.readout import ConstrainedReadout, Readout
from pinn.field.recorder import Operation, Ref, record
from pinn.field.request import Channel, Request, channels
from pinn.field.scaling import output_scales
from pinn.field.solution import Solution
from pinn.problem.directions import Directions
from pinn.problem.formulas.tree import Operator
from pinn.problem.points import Points
from pinn.problem.problem import Problem, Residual
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput, nearest
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.field.network.module import ModuleNetwork
    from pinn.field.network.network import Network

CACHE_NUMBERS = 2**17
"""Numbers of one layer's jets that are best held at a time when every operation passes over them on its own."""

MOST_COMPILED = 256
"""With more channels code is compiled for a minute and longer, to be one and a half times as fast."""


class AsOne:
    """What counts as one network, whatever it is made of.

    Attributes
    ----------
    num_params : length of θ. problem : whose box it sees.
    """

    num_params: int
    problem: Problem

    @property
    def places(self) -> list[slice]:
        """Where the parameters of each network lie in θ."""
        return [slice(0, self.num_params)]

    @property
    def middles(self) -> np.ndarray:
        """The middle of what each network sees, (networks, dim)."""
        return self.problem.box.mean(axis=1)[None]

    @property
    def kinds(self) -> np.ndarray:
        """Equal numbers for networks with equal settings, (networks,)."""
        return np.zeros(1, int)

    def seen(self, points: np.ndarray, side: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return which networks see which points (points, dim): numbers of points, and of networks as in ``places``, (pairs,)."""
        return np.arange(len(points)), np.zeros(len(points), int)


class Field(AsOne):
    """Unknown u_k = g_k + d_k · scale_k · N_k(features of the coordinates; θ), with g = 0 and d = 1 where no condition is hard.

    Parameters
    ----------
    network : settings of the network.
    problem : gives coordinates, unknowns and conditions.
    engine : ``taylor`` propagates jets through the network, ``autograd`` differentiates its values repeatedly.
    precision, device : of θ and all jets; see `pinn.field.device.choose_device`.
    hard : names of conditions that hold by construction.
    compiled : whether the Taylor engine runs as compiled code where the device is a processor, which changes results by rounding;
        None means where there is a C compiler and the network is not so wide that the products of matrices are all that counts.

    Attributes
    ----------
    layout : where each parameter lies in θ. num_params : length of θ. dtype, device : of θ and of jets.
    effective : layout of the parameters that the network is applied with; ``layout`` itself unless weights are factorised.
    compiled : what was decided.
    satisfied : names of the residuals that hold whatever θ is, by hard conditions or periodic features; their rows are superfluous.

    Raises
    ------
    BadInput : a device, precision or hard condition that cannot be had; an unknown that does not depend on all coordinates.
    """

    def __init__(
        self,
        network: Network | ModuleNetwork,
        problem: Problem,
        engine: Literal["taylor", "autograd"] = "taylor",
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        hard: tuple[str, ...] = (),
        compiled: bool | None = None,
    ):
        check_dependence(problem)
        self.network, self.problem, self.engine = network, problem, engine
        self.device, self.dtype = choose_device(device, precision), getattr(torch, precision)
        self.compiled = self._can_compile() if compiled is None else compiled and self._may_compile()
        self.embedding, self.effective = network.embedding(problem), network.layout(problem)
        self.layout = network.factorisation.layout(self.effective)
        self.factorised = None if self.layout is self.effective else FactorisedParameters(self.effective, self.device)
        self.num_params = self.layout.num_params
        self.unknown_names = [unknown.name for unknown in problem.unknowns]
        self.scales = output_scales(problem)
        self.constraint = Constraint(problem, hard)
        self.satisfied = self.constraint.satisfied + self._periodic()

    def initial(self, seed: int) -> Tensor:
        """Return θ (params,) at the start; equal seeds give equal numbers on every device, up to its precision."""
        rng = generator(seed, "network")
        drawn = self.network.draw(self.effective.shapes, rng)
        return self.tensor(self.layout.pack(self.network.factorisation.draw(drawn, self.effective, rng)))

    def at(self, sites: Sites, request: Request) -> Evaluation:
        """Return the evaluation of ``request`` at ``sites``; all that does not depend on θ happens here.

        Raises
        ------
        BadInput : an unknown that the problem does not have.
        """
        return Evaluation(self, sites, request)

    def channels(
        self, points: np.ndarray, carried: tuple[Channel, ...], lines: Sequence[np.ndarray], side: np.ndarray | None
    ) -> Any:
        """Return the channels of the network at points, as a function of θ; ``side`` is of no effect on a single network."""
        engine = TaylorChannels if self.engine == "taylor" else NestedChannels
        return engine(self, points, carried, lines)

    interfaces: Mapping[Residual, int] = MappingProxyType({})
    boxes: np.ndarray | None = None
    cuts: np.ndarray = np.empty((0, 0, 2))

    def windows(self, points: np.ndarray) -> np.ndarray | None:
        """Return None: a single network has no windows."""
        return None

    def values(self, theta: Tensor) -> dict[str, float]:
        """Return the unknown numbers at θ (params,) by name: a network alone has none."""
        return {}

    def draw_interfaces(self, points: Points, seed: int, epoch: int) -> dict[str, Sites]:
        """Return nothing: a single network has no faces."""
        return {}

    def fuse(self, families: Sequence[Family]) -> list[Fused] | None:
        """Return compiled code for the squares of residuals and their gradient, or None; see `pinn.field.fused.fuse`."""
        return fuse(self, families)

    def solution(self, theta: Tensor) -> Solution:
        """Return the field with parameters ``theta`` (params,) as a function of NumPy points (points, dim)."""
        return Solution(self, theta)

    def chunk(self, request: Request, directions: Mapping[Operator, Directions] = NO_DIRECTIONS) -> int:
        """Return how many points are best evaluated together: their jets fit the cache of a processor."""
        if self.device.type != "cpu":
            return 2**16
        asked, lines = along_lines(request, {key: each.take(slice(1)) for key, each in directions.items()})
        carried = channels(tuple(operator for _, operator in asked), len(self.problem.coordinates) + len(lines))
        if self.compiles(carried):
            return min(max(TAPE_NUMBERS // (2 * len(carried) * self.effective.num_neurons), 64), 2**13)
        return min(max(CACHE_NUMBERS // (len(carried) * self.network.width), 256), 2**13)

    def compiles(self, carried: tuple[Channel, ...]) -> bool:
        """Return whether jets with these channels go through compiled code."""
        return self.compiled and len(carried) <= MOST_COMPILED

    def tensor(self, values: np.ndarray) -> Tensor:
        """Return an array of any shape as a tensor with the precision and on the device of the field."""
        return torch.as_tensor(np.ascontiguousarray(values)).to(device=self.device, dtype=self.dtype)

    def _can_compile(self) -> bool:
        return self._may_compile() and self.network.width <= WIDEST_COMPILED and compiler.is_available()

    def _may_compile(self) -> bool:
        return self.engine == "taylor" and self.device.type == "cpu"

    def _periodic(self) -> tuple[str, ...]:
        embedded = {self.problem.coordinates[axis].name for axis in self.embedding.periodic}
        rows = [row for row in self.problem.conditions if row.kind == "periodic" and row.region[0].fixed[0][0] in embedded]
        return tuple(row.name for row in rows if self.constraint.keeps_periodic(row))


class Evaluation:
    """A field bound to points and a request."""

    def __init__(self, field: Field, sites: Sites, request: Request):
        points = np.asarray(sites.points, dtype=float)
        for unknown, _ in request:
            if unknown not in field.unknown_names:
                raise BadInput(f"unknown '{unknown}' is not in the problem{nearest(unknown, field.unknown_names)}")
        self.field, self.request = field, tuple(request)
        asked, lines = along_lines(self.request, sites.directions)
        if lines and field.constraint:
            raise BadInput("must be null where conditions are hard: their lift has no derivatives along lines", "points.directions")
        carried = channels(tuple(operator for _, operator in asked), points.shape[1] + len(lines))
        self.readout: Any = (
            ConstrainedReadout(field, points, asked, carried) if field.constraint else Readout(field, asked, carried)
        )
        self.channels: Any = field.channels(points, carried, lines, sites.side)
        if field.factorised is not None:
            self.channels = FactorisedChannels(self.channels, field.factorised)

    def jets(self, theta: Tensor) -> Tensor:
        """Return the requested derivatives (points, len(request)) at θ (params,), differentiable in θ if the tape is on."""
        return self.readout(self.channels(theta))

    def linearise(self, theta: Tensor) -> Linearised:
        """Return the same together with what is needed to differentiate them by θ, without torch's tape."""
        return Linearised(self.readout, self.channels.linearise(theta.detach()))


class TaylorChannels:
    """Channels of the network's outputs by jets; the features' jets are computed once."""

    def __init__(self, field: Field, points: np.ndarray, carried: tuple, lines: Sequence[np.ndarray]):
        parts = field.embedding.parts(carried)
        self.field, self.algebra = field, JetAlgebra(carried, parts)
        value, rest, present = field.embedding.jets(points, carried, lines)
        self.features = Jet(field.tensor(value), field.tensor(rest), present)
        self.inputs = Inputs(self.features)
        self.incoming = Ref(0, value.shape[1], present, varies=bool(field.embedding.periodic or lines))
        self.can_compile = field.compiles(carried) and len(points) > 0

    def operations(self) -> tuple[Operation, ...]:
        """Return what the network does, for compiled code."""
        algebra = self.algebra
        return record(self.field.network, self.field.effective.shapes, self.incoming, algebra.carried, algebra.parts)

    @cached_property
    def native(self) -> NativeNetwork | None:
        """The network as compiled code, if it is to be used; made when it is first needed."""
        if not self.can_compile:
            return None
        shapes, algebra = tuple(self.field.effective.shapes.items()), self.algebra
        return native_network(self.field.network, shapes, self.incoming, algebra.carried, algebra.parts, self.field.dtype)

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, unknowns)."""
        if self.native is not None:
            return Apply.apply(theta, self.native, self.inputs)
        return self._by_tensors(theta)

    def linearise(self, theta: Tensor) -> LinearChannels:
        """Return the same with its derivatives by θ (params,)."""
        if self.native is not None:
            return NativeChannels(self.native, theta, self.inputs)
        return FactoredChannels(self, theta)

    def factored(self, theta: Tensor) -> FactoredNetwork:
        """Return the network with what its Jacobian is made of, by tensor operations."""
        field = self.field
        return FactoredNetwork(field.network, field.effective, self.algebra, field.effective.unpack(theta), self.features)

    def _by_tensors(self, theta: Tensor) -> Tensor:
        value, rest, _ = self.field.network.apply(self.field.effective.unpack(theta), self.features, self.algebra)
        return torch.cat([value[None], rest])


class NestedChannels:
    """Channels of the network's outputs by repeated differentiation."""

    def __init__(self, field: Field, points: np.ndarray, carried: tuple, lines: Sequence[np.ndarray]):
        self.field, self.carried, self.dim = field, carried, points.shape[1]
        self.lines = [field.tensor(line) for line in lines]
        self.points = field.tensor(np.concatenate([points, np.zeros((len(points), len(lines)))], axis=1))

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, unknowns)."""
        parameters, algebra = self.field.effective.unpack(theta), ValueAlgebra(self.field.embedding.parts(self.carried))

        def network(x: Tensor) -> Tensor:
            place = x[:, : self.dim]
            for line, along in zip(self.lines, x[:, self.dim :].unbind(1), strict=True):
                place = place + along[:, None] * line
            return self.field.network.apply(parameters, self.field.embedding.values(place), algebra)

        tape = torch.is_grad_enabled() and theta.requires_grad
        return differentiate(network, self.points, self.carried, tape)

    def linearise(self, theta: Tensor) -> TapedChannels:
        """Return the same with its derivatives by θ (params,)."""
        return TapedChannels(self, theta)


def check_dependence(problem: Problem) -> None:
    """Raise `BadInput` unless every unknown depends on all coordinates."""
    names = tuple(coordinate.name for coordinate in problem.coordinates)
    for unknown in problem.unknowns:
        if set(unknown.depends) != set(names):
            depends = ", ".join(unknown.depends) or "nothing"
            wanted = ", ".join(names)
            raise BadInput(f"'{unknown.name}' depends on {depends} only; a network needs unknowns of all coordinates ({wanted})")
