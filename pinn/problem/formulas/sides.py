"""Formulas on a surface seen from one side of it: unknowns and coefficients may jump there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pinn.problem.formulas import calculus
from pinn.problem.formulas.calculus import ZERO, build
from pinn.problem.formulas.tree import Call, Jet, Known, Name, Node
from pinn.problem.sites import Sites

if TYPE_CHECKING:
    from pinn.problem.formulas.namespace import Namespace

INSIDE, OUTSIDE, HERE = "inside", "outside", "here"
"""Against the normal of a surface, along it, and towards where a point itself is seen from."""

SIGNS = {INSIDE: -1.0, OUTSIDE: 1.0}
"""Of the normal, for the two images of a point on a surface."""

NUDGE = 1e-9
"""How far from a surface the side of it is looked at, in parts of the coordinates' ranges."""


@dataclass(frozen=True)
class Beside(Node):
    """Leaf: a coordinate a little off the point, on one side of it."""

    coordinate: str
    side: str


def seen_from(tree: Node, side: str) -> Node:
    """Return a formula on a surface as it is on one side: jets are those of this side, conditions hold there."""

    def leaf(node: Node) -> Node:
        return Jet(node.unknown, node.operator, ((side, ZERO),)) if isinstance(node, Jet) and not node.image else node

    return calculus.replace(conditions_beside(tree, side), leaf)


def conditions_beside(tree: Node, side: str) -> Node:
    """Return the tree with every condition of a ``where``, and every function that jumps, asked a little off the point."""
    memo: dict[Node, Node] = {}

    def shifted(node: Node) -> Node:
        return Beside(node.name, side) if isinstance(node, Name) else node

    def walk(node: Node) -> Node:
        if not isinstance(node, Call):
            return node
        if node not in memo:
            arguments = [walk(argument) for argument in node.arguments]
            if node.function == "where":
                arguments[0] = calculus.replace(arguments[0], shifted)
            if isinstance(arguments[0], Known) and arguments[0].function.jumps:
                arguments[1:] = [calculus.replace(place, shifted) for place in arguments[1:]]
            memo[node] = build(node.function, *arguments)
        return memo[node]

    return walk(tree)


def is_side(image: tuple[tuple[str, Node], ...]) -> bool:
    """Whether the image of a jet is its own point, seen from one side."""
    return bool(image) and image[0][0] in SIGNS


def nudged(points: np.ndarray, direction: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return points (points, dim) moved a little along directions (points, dim), within a box (dim, 2)."""
    return np.clip(points + NUDGE * np.ptp(box, axis=1) * direction, *box.T)


def beside(names: Sequence[str], points: np.ndarray, side: str) -> dict[Node, np.ndarray]:
    """Return the values of the coordinates off a point, on a side, at nudged points (points, dim)."""
    return {Beside(name, side): points[:, axis] for axis, name in enumerate(names)}


def off_the_point(trees: Iterable[Node], sites: Sites, names: Sequence[str], box: np.ndarray) -> dict[Node, np.ndarray]:
    """Return the coordinates beside the points of sites, on all sides that trees speak of."""
    found: dict[Node, np.ndarray] = {}
    leaves = (leaf for tree in trees for leaf in calculus.leaves(tree))
    for side in {leaf.side for leaf in leaves if isinstance(leaf, Beside)}:
        found |= beside(names, nudged(sites.points, direction(sites, side), box), side)
    return found


def direction(sites: Sites, side: str) -> np.ndarray:
    """Return towards where a side of each point lies, (points, dim)."""
    found = sites.side if side == HERE else sites.normals
    assert found is not None
    return SIGNS.get(side, 1.0) * found


def jumps_along(tree: Node, coordinate: str, namespace: Namespace) -> bool:
    """Whether a tree jumps along a coordinate elsewhere than on the problem's interfaces."""
    if not isinstance(tree, Call):
        return False
    if (
        tree.function == "where"
        and coordinate in calculus.names(tree.arguments[0])
        and not changes_at_interfaces(tree.arguments[0], namespace)
    ):
        return True
    return any(jumps_along(argument, coordinate, namespace) for argument in tree.arguments)


def changes_at_interfaces(condition: Node, namespace: Namespace) -> bool:
    """Whether a boolean tree changes at interfaces only."""
    if any(condition == namespace.shapes[name] for name in namespace.rims):
        return True
    if not isinstance(condition, Call) or condition.function not in ("and", "or", "not"):
        return False
    return all(changes_at_interfaces(part, namespace) for part in condition.arguments)
