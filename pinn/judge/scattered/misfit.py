"""How much a least-squares solution misses its rows, by formula: contradictions have an answer, too, but one that misses them."""

from __future__ import annotations

import numpy as np

from pinn.judge.scattered.cloud import Array
from pinn.judge.scattered.rows import Block
from pinn.judge.scattered.solve import Solved
from pinn.judge.system import Discretised
from pinn.problem.formulas.tree import Jet, Name, Node

PLACES = 500
"""Places in the domain where the sizes of derivatives are taken."""


def misfits(solved: Solved) -> dict[str, float]:
    """Return the mean size of every formula's rows over the sum of the mean sizes of its terms, by name.

    Means of sizes over the domain or its rim are finite at corners, where those of squares of derivatives are not. In problems with
    a time, formulas without derivatives in time are looked at, at the last time.
    """
    system, layout, found = solved.system, solved.layout, {}
    times, y = solved.times[-1:], solved.vector[-1][:, None]
    nothing = np.zeros_like(y)
    residual, load = system.evaluate(times, y, nothing), system.evaluate(times, None, None)
    sizes: dict[Jet, float] = {}
    for compiled in system.compiled:
        block = compiled.block
        assert isinstance(block, Block)
        if compiled.rates is not None:
            continue
        known: dict[Node, Array] = system.values(compiled, y, nothing, None, 1)
        if system.problem.time:
            known = known | {Name(system.problem.time): times}
        weights = layout.spacing(block.points()) ** (layout.space.dim - (block.kind != "equation"))
        size = _mean_size(load[block.rows], weights)
        for leaf, slope in zip(compiled.leaves, compiled.slopes(known), strict=True):
            assert isinstance(leaf, Jet)
            if leaf not in sizes:
                sizes[leaf] = _size(system, solved, leaf)
            size += _mean_size(np.broadcast_to(slope, (len(weights), 1)), weights) * sizes[leaf]
        found[block.name] = _mean_size(residual[block.rows], weights) / size if size > 0 else 0.0
    return found


def _size(system: Discretised, solved: Solved, jet: Jet) -> float:
    """Mean size of the terms of an operator in the domain, at the last time."""
    layout, total = solved.layout, 0.0
    points = layout.space.evenly(PLACES, "sizes")
    for index in jet.operator:
        space, order = layout.space_index(index)
        values = layout.matrix(space, points) @ layout.field(solved.vector[-1], jet.unknown, order)
        total += _mean_size(values[:, None], np.ones(len(points)))
    return total


def _mean_size(values: Array, weights: Array) -> float:
    return float(weights @ np.abs(values[:, 0]) / weights.sum())
