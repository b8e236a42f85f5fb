"""Does a grid see the residual of a field? Two tests without which an error between the nodes goes unnoticed.

Resolved: |R - I R| / |R| off the nodes, I interpolation from the nodes. Mass: mean square of I R over that of R at random points.
Both are made for every equation and, along its wall or at the start, for every condition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pinn.judge.grid import Array, interpolate
from pinn.judge.refusal import NoReference
from pinn.judge.rows import with_normals
from pinn.judge.solve import Discrete
from pinn.judge.system import Solution, System, field_jets
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Integral, Jet, Name, Node
from pinn.problem.problem import Residual
from pinn.problem.randomness import generator
from pinn.problem.shapes.pieces import Piece
from pinn.problem.sites import tensor_points

NUM_RANDOM = 4096
IRRELEVANT = 1e-2


class Seen(NamedTuple):
    """What a grid sees of one residual: its root mean square where it is largest, the unresolved part, the mass, and its weight.

    ``weight`` is the root mean square over the sum of those of its terms in the error: below 1 % the residual does not
    shape the error, whatever it looks like.
    """

    name: str
    size: float
    unresolved: float
    mass: float
    weight: float


@dataclass(frozen=True)
class Probe:
    """One residual on one piece, at nodes, between them, and at random places; coordinates in the order time, space."""

    name: str
    tree: Node
    jets: tuple[Jet, ...]
    nodes: tuple[Array, ...]
    between: tuple[Array, ...]
    random: tuple[Array, ...]
    program: Program
    piece: Piece

    @property
    def tensors(self) -> tuple[tuple[Array, ...], ...]:
        """The three tensor grids."""
        return self.nodes, self.between, self.random


def probes(system: System, times: Array) -> list[Probe]:
    """Return the probes of a grid and its ``times`` for all residuals that have a place (no gauges).

    Raises
    ------
    NoReference : an equation or a condition on a wall holds an integral of an unknown; it is not evaluated between the nodes.
    """
    found = []
    for residual in system.problem.residuals:
        integral = any(isinstance(leaf, Integral) for leaf in calculus.leaves(residual.tree))
        for piece in residual.region:
            if piece.outward is None and residual.kind == "condition" and system.problem.time not in dict(piece.fixed):
                continue
            if integral:
                raise NoReference(f"'{residual.name}' holds an integral, so what hides between the nodes cannot be seen")
            found.append(_probe(system, times, residual, piece))
    return found


def off_nodes(nodes: Array) -> Array:
    """Return one point inside every cell, at irregular places: 0.37 + 0.1 sin(cell number) of its length."""
    if len(nodes) == 1:
        return nodes
    gaps = np.diff(nodes)
    return nodes[:-1] + (0.37 + 0.1 * np.sin(np.arange(len(gaps)))) * gaps


def _probe(system: System, times: Array, residual: Residual, piece: Piece) -> Probe:
    fixed = dict(piece.fixed)
    time = system.problem.time
    axes = [np.array([fixed[axis.name]]) if axis.name in fixed else axis.edges for axis in system.grid]
    axes = [np.array([fixed[time]]) if time in fixed else times, *axes] if time else [np.zeros(1), *axes]
    free = sum(len(axis) > 1 for axis in axes)
    count = int(round(NUM_RANDOM ** (1 / max(1, free))))
    rng = generator(0, f"mass {residual.name}", len(times) + sum(map(len, axes)))
    random = tuple(np.sort(rng.uniform(axis[0], axis[-1], count)) if len(axis) > 1 else axis for axis in axes)
    tree = with_normals(residual.tree, piece)
    jets = tuple(leaf for leaf in calculus.leaves(tree) if isinstance(leaf, Jet))
    program = Program([tree, *[calculus.partial(tree, jet) for jet in jets]])
    return Probe(residual.name, tree, jets, tuple(axes), tuple(map(off_nodes, axes)), random, program, piece)


def look(probe: Probe, system: System, solution: Solution, sizes: dict[Jet, float]) -> Seen:
    """Return what the grid sees of the residual of a field on a probe; ``sizes`` are those of the jets of the error."""
    (at_nodes, _), (between, slopes), (random, _) = (_values(probe, axes, system, solution) for axes in probe.tensors)
    mean_square, between_size = float(np.mean(np.square(random))), _root_mean_square(between)
    unresolved = _root_mean_square(between - interpolate(at_nodes, probe.nodes, probe.between, 4))
    mass = float(np.mean(np.square(interpolate(at_nodes, probe.nodes, probe.random, 2))))
    size = max(math.sqrt(mean_square), between_size, _root_mean_square(at_nodes))
    terms = sum(slope * sizes.get(jet, 0.0) for slope, jet in zip(slopes, probe.jets, strict=True))
    return Seen(
        probe.name, size, _ratio(unresolved, between_size) if size > 0 else 0.0, _ratio(mass, mean_square), _ratio(size, terms)
    )


def _ratio(part: float, whole: float) -> float:
    """Part over whole; nothing over nothing is all of it, something over nothing infinite."""
    return part / whole if whole > 0 else (math.inf if part > 0 else 1.0)


def _values(probe: Probe, axes: tuple[Array, ...], system: System, solution: Solution) -> tuple[Array, list[float]]:
    """Residual of the field on a tensor grid, (times, *space), and the size of its slope by every jet."""
    points, times = tensor_points(axes[1:]), axes[0]
    known: dict[Node, Array] = dict(field_jets(system.problem, solution, probe.jets, points, times))
    known.update({Name(axis.name): points[:, [i]] for i, axis in enumerate(system.grid)})
    if system.problem.time:
        known[Name(system.problem.time)] = times
    with np.errstate(all="ignore"):
        value, *slopes = probe.program(known)
    value = np.where(probe.piece.keeps(points, system.problem.space)[:, None], value, np.zeros((len(points), len(times))))
    return value.T.reshape(tuple(map(len, axes))), [_root_mean_square(np.asarray(slope)) for slope in slopes]


def jet_sizes(error: Discrete, jets: set[Jet]) -> dict[Jet, float]:
    """Return the root mean square over the box of every jet of the error on the grid (positions of images ignored)."""
    layout, found = error.system.layout, {}
    for jet in jets:
        nodes, total = layout.nodes[jet.unknown], np.zeros(())
        for index in jet.operator:
            space, order = layout.space_index(index)
            top = max(1, layout.time_order[jet.unknown]) - 1
            values = layout.field(error.values, jet.unknown, min(order, top))
            for _ in range(order - min(order, top)):
                values = np.gradient(values, error.times, axis=0)
            flat = values.reshape(len(error.times), -1).T
            total = total + (layout.matrix(jet.unknown, space, nodes) @ flat if any(space) else flat)
        found[jet] = _root_mean_square(np.asarray(total))
    return found


def _root_mean_square(values: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0
