"""A field with a network in every cell of one or several covers, joined by windows or cut at the faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pinn.field.block import Block
from pinn.field.cells.cover import Cover
from pinn.field.constraint import Constraint
from pinn.field.decomposition.interfaces import draw_interfaces, matched_faces
from pinn.field.decomposition.networks import kinds
from pinn.field.decomposition.partition import Pairs, Partition, of_channels
from pinn.field.device import choose_device
from pinn.field.field import Field, check_dependence
from pinn.field.jacobian import Jacobian, LinearChannels
from pinn.field.lines import NO_DIRECTIONS
from pinn.field.native import WIDEST_COMPILED
from pinn.field.request import Channel, Request, channels
from pinn.field.scaling import output_scales
from pinn.field.stack import Stack
from pinn.field.windowed import WindowedSum
from pinn.problem.directions import Directions
from pinn.problem.formulas.tree import Operator
from pinn.problem.points import Points
from pinn.problem.problem import Problem
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.field.decomposition.settings import Decomposition
    from pinn.field.network.network import Network

MOST_PAIRS = 2**13
"""Pairs of a point and a member that are best evaluated together."""


class Level(NamedTuple):
    """A cover with networks of one kind in some of its cells, in all of them where there is one kind only.

    Attributes
    ----------
    number : of the cover; several kinds of networks share one.
    partition : the windows; None where the cover is cut hard and every cell owns its points alone.
    cells : numbers of the cells, (members,).
    place : of the parameters in θ.
    """

    number: int
    cover: Cover
    partition: Partition | None
    cells: np.ndarray
    stack: Stack
    place: slice

    def pairs(self, points: np.ndarray, side: np.ndarray | None) -> Pairs:
        """Return which cells see which points (points, dim); on a cut those towards ``side`` (points, dim)."""
        if self.partition is not None:
            return self.partition.pairs(points)
        return Pairs(np.arange(len(points)), self.cover.owner(points, side), points)


class DecomposedLayout:
    """Where the parameters of several stacks lie in θ, one stack after the other.

    Attributes
    ----------
    shapes : of all parameters in the order of θ, by level, member and name.
    """

    def __init__(self, levels: Sequence[Level]):
        self.num_params = levels[-1].place.stop
        self.num_neurons = sum(level.stack.layout.num_neurons for level in levels)
        self.shapes = {
            f"{number}.{member}.{name}": shape
            for number, level in enumerate(levels)
            for member in range(level.stack.count)
            for name, shape in level.stack.layout.shapes.items()
        }
        self._levels = levels

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Positions in θ of the ``hidden`` parameters and of the ``linear`` ones, those of all last layers."""
        found: dict[str, list[np.ndarray]] = {"hidden": [], "linear": []}
        for level in self._levels:
            starts = level.place.start + level.stack.layout.num_params * np.arange(level.stack.count)
            for name, places in level.stack.layout.parts.items():
                found[name].append((starts[:, None] + places).ravel())
        return {name: np.sort(np.concatenate(places)) for name, places in found.items()}


class DecomposedField(Field):
    """Unknown u = g + d · scale · mean over levels of Σ_j q_j(x) N_j((x − c_j)/h_j; θ_j), with g = 0, d = 1 where nothing is hard.

    Every member sees its support, the cell and what its window reaches of the neighbours, as [−1, 1]. Windows that go on at the
    other end of a periodic axis make the field periodic. Members with equal settings are evaluated together.

    Parameters
    ----------
    network : settings of every member, but for boxes that say otherwise.
    problem : gives coordinates, unknowns and conditions.
    decomposition : which cells, and how they are joined.
    precision, device, hard, compiled : as in `pinn.field.field.Field`.

    Attributes
    ----------
    levels : covers and networks. interfaces : residuals on the faces between cells, each with the axis that they cut.

    Raises
    ------
    BadInput : as `pinn.field.field.Field` does; windows that are not as smooth as the equations need.
    """

    def __init__(
        self,
        network: Network,
        problem: Problem,
        decomposition: Decomposition,
        precision: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        hard: tuple[str, ...] = (),
        compiled: bool | None = None,
    ):
        check_dependence(problem)
        self.network, self.problem, self.engine = network, problem, "taylor"
        self.device, self.dtype = choose_device(device, precision), getattr(torch, precision)
        self.unknown_names = [unknown.name for unknown in problem.unknowns]
        self.scales = output_scales(problem)
        self.levels = self._levels(decomposition, network, precision, device, compiled)
        self.boxes = self.levels[0].cover.boxes
        cut = [level.cover.boxes for level in self.covers if level.partition is None]
        self.cuts = np.concatenate(cut) if cut else super().cuts
        self.interfaces = decomposition.interfaces(problem)
        self.layout: Any = DecomposedLayout(self.levels)
        self.num_params = self.layout.num_params
        self.factorised = None
        self.compiled = all(level.stack.compiled for level in self.levels)
        self.constraint = Constraint(problem, hard)
        self.satisfied = self.constraint.satisfied + self._periodic()

    def _levels(
        self, decomposition: Decomposition, network: Network, precision: Any, device: str, compiled: bool | None
    ) -> list[Level]:
        """Return covers and networks; compiled code is for all of them or for none."""
        found: list[Level] = []
        covers = [(cover, decomposition.partition(cover, self.problem)) for cover in decomposition.covers(self.problem)]
        each = [kinds(decomposition, network, cover) for cover, _ in covers]
        widest = max(kind.width for several in each for kind, _ in several)
        may_compile, start = widest <= WIDEST_COMPILED if compiled is None else compiled, 0
        for number, ((cover, partition), several) in enumerate(zip(covers, each, strict=True)):
            boxes = cover.boxes if partition is None else partition.supports
            for kind, cells in several:
                stack = Stack(kind, boxes[cells], tuple(self.unknown_names), precision, device, may_compile)
                found.append(Level(number, cover, partition, cells, stack, slice(start, start + stack.num_params)))
                start = found[-1].place.stop
        return found

    @property
    def covers(self) -> list[Level]:
        """One level for each cover."""
        return list({level.number: level for level in reversed(self.levels)}.values())[::-1]

    @property
    def places(self) -> list[slice]:
        """Where the parameters of each network lie in θ, level by level."""
        found = {}
        for level in self.levels:
            for member, cell in enumerate(level.cells.tolist()):
                part = level.stack.part(member)
                found[level.number, cell] = slice(level.place.start + part.start, level.place.start + part.stop)
        return [found[key] for key in sorted(found)]

    @property
    def middles(self) -> np.ndarray:
        """The middle of the cell of each network, (networks, dim), in the order of ``places``."""
        return np.concatenate([level.cover.centers for level in self.covers])

    @property
    def kinds(self) -> np.ndarray:
        """Equal numbers for networks with equal settings in one cover, (networks,)."""
        found = {(level.number, cell): kind for kind, level in enumerate(self.levels) for cell in level.cells.tolist()}
        return np.array([found[key] for key in sorted(found)])

    def seen(self, points: np.ndarray, side: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return which networks see which points (points, dim): numbers of points, and of networks as in ``places``, (pairs,)."""
        found = [level.pairs(points, side) for level in self.covers]
        firsts = np.cumsum([0, *(level.cover.num_cells for level in self.covers)])
        cells = [first + pairs.cells for first, pairs in zip(firsts, found, strict=False)]
        return np.concatenate([pairs.points for pairs in found]), np.concatenate(cells)

    def initial(self, seed: int) -> Tensor:
        """Return θ (params,) at the start, one member after the other, level by level; a cell's draw depends on no other cell."""
        return torch.cat([level.stack.initial(seed, level.number, level.cells.tolist()) for level in self.levels])

    def draw_interfaces(self, points: Points, seed: int, epoch: int) -> dict[str, Sites]:
        """Return the points of every residual on the faces between cells by name."""
        if not self.interfaces:
            return {}
        faces = matched_faces(self.problem, self.levels[0].cover)
        return draw_interfaces(self.interfaces, faces, points.surface, points.rule, seed, epoch)

    def windows(self, points: np.ndarray) -> np.ndarray | None:
        """Return the windows of the first level at points (points, dim), (cells, points); None where it is cut."""
        partition = self.levels[0].partition
        if partition is None:
            return None
        pairs, value = partition.pairs(points), (0,) * points.shape[1]
        found = np.zeros((self.levels[0].cover.num_cells, len(points)))
        np.add.at(found, (pairs.cells, pairs.points), partition.jets(pairs, {value})[value])
        return found

    def fuse(self, families: Sequence[Any]) -> None:
        """Return None: residuals of sums of networks are not compiled as a whole."""

    def channels(
        self, points: np.ndarray, carried: tuple[Channel, ...], lines: Sequence[np.ndarray], side: np.ndarray | None
    ) -> LevelSum:
        """Return the channels of the members' sum at points, as a function of θ."""
        if lines:
            raise BadInput("must be null with a decomposition", "points.directions")
        return LevelSum(self, points, carried, side)

    def chunk(self, request: Request, directions: Mapping[Operator, Directions] = NO_DIRECTIONS) -> int:
        """Return how many points are best evaluated together."""
        if self.device.type != "cpu":
            return 2**16
        middle = self.problem.box.mean(axis=1) + 1e-3 * np.ptp(self.problem.box, axis=1)
        seen = sum(len(level.pairs(middle[None], None).points) for level in self.covers)
        carried = channels(tuple(operator for _, operator in request), self.problem.dim)
        numbers = max(level.stack.layout.num_neurons for level in self.levels) * len(carried)
        return max(256, min(MOST_PAIRS, 2**24 // numbers) // seen)

    def _periodic(self) -> tuple[str, ...]:
        joined = [level.partition.wrapped if level.partition else () for level in self.covers]
        names = {self.problem.names[axis] for axis in set(joined[0]).intersection(*joined[1:])}
        rows = [row for row in self.problem.conditions if row.kind == "periodic" and row.region[0].fixed[0][0] in names]
        return tuple(row.name for row in rows if self.constraint.keeps_periodic(row))


class LevelSum:
    """The mean over levels of the channels of their windowed sums."""

    def __init__(self, field: DecomposedField, points: np.ndarray, carried: tuple[Channel, ...], side: np.ndarray | None):
        covers = {level.number: level for level in field.covers}
        seen = {number: level.pairs(points, side) for number, level in covers.items()}
        share = 1 / len(covers)
        windows = {number: share * _windows(level, seen[number], carried) for number, level in covers.items()}
        self.places = [level.place for level in field.levels]
        self.parts = []
        for level in field.levels:
            member = np.full(level.cover.num_cells, -1)
            member[level.cells] = np.arange(len(level.cells))
            pairs = seen[level.number]
            mine = np.flatnonzero(member[pairs.cells] >= 0)
            members = level.stack.channels(pairs.places[mine], member[pairs.cells[mine]], carried)
            numbers = torch.as_tensor(pairs.points[mine], device=field.device)
            weights = level.stack.tensor(windows[level.number][:, mine])
            self.parts.append(WindowedSum(members, carried, weights, numbers, len(points)))

    def __call__(self, theta: Tensor) -> Tensor:
        """Return (channels, points, unknowns), differentiable in θ (params,)."""
        values = [part(theta[place]) for part, place in zip(self.parts, self.places, strict=True)]
        return values[0] if len(values) == 1 else torch.stack(values).sum(0)

    def linearise(self, theta: Tensor) -> SummedLevels:
        """Return the same with its derivatives by θ (params,)."""
        pairs = zip(self.parts, self.places, strict=True)
        return SummedLevels(self.places, [part.linearise(theta[place]) for part, place in pairs])


def _windows(level: Level, pairs: Pairs, carried: tuple[Channel, ...]) -> np.ndarray:
    if level.partition is None:
        windows = np.zeros((len(carried), len(pairs.points)))
        windows[0] = 1.0
        return windows
    indices = {index for channel in carried for index, _ in channel}
    return of_channels(level.partition.jets(pairs, indices), carried)


class SummedLevels:
    """The channels of all levels together at one θ, ``values``, with their derivatives."""

    def __init__(self, places: Sequence[slice], parts: Sequence[LinearChannels]):
        self._places, self._parts = places, parts
        self.values = parts[0].values if len(parts) == 1 else torch.stack([part.values for part in parts]).sum(0)

    def pull(self, cotangent: Tensor) -> Tensor:
        """Return Σ cotangent · d channels / dθ, (params,)."""
        return torch.cat([part.pull(cotangent) for part in self._parts])

    def jacobian(self, cotangent: Tensor) -> LevelsJacobian:
        """Return the same for every point on its own, (points, params), as an operator."""
        return LevelsJacobian(self._places, [part.jacobian(cotangent) for part in self._parts])


def _shifted(block: Block, start: int) -> Block:
    """Return a block with columns counted from ``start`` of a longer vector of parameters."""
    columns = block.columns
    moved = slice(columns.start + start, columns.stop + start) if isinstance(columns, slice) else columns + start
    return block._replace(columns=moved)


class LevelsJacobian:
    """The Jacobian (points, params) of a scalar of the sum over levels at every point."""

    def __init__(self, places: Sequence[slice], parts: Sequence[Jacobian]):
        self._places, self._parts = places, parts

    def blocks(self) -> tuple[Block, ...]:
        """Return a block for every member that has points."""
        pairs = zip(self._places, self._parts, strict=True)
        return tuple(_shifted(block, place.start) for place, part in pairs for block in part.blocks())

    def __matmul__(self, vector: Tensor) -> Tensor:
        """Return J v, (points,), for v (params,)."""
        return torch.stack([part @ vector[place] for place, part in zip(self._places, self._parts, strict=True)]).sum(0)

    def transpose_apply(self, vector: Tensor) -> Tensor:
        """Return Jᵀ w, (params,), for w (points,)."""
        return torch.cat([part.transpose_apply(vector) for part in self._parts])
