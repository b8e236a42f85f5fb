"""Parts of space that integrals run over: bodies, the domain, and surfaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from pinn.problem.formulas.calculus import names
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.parser import FormulaError
from pinn.problem.formulas.tree import Call, Name, Node
from pinn.problem.settings import BadInput
from pinn.problem.shapes.bodies import comparisons, plane, with_parts
from pinn.problem.shapes.facets import edged, straightened
from pinn.problem.shapes.geometry import Geometry
from pinn.problem.shapes.level_sets import LevelSet, level_set
from pinn.problem.shapes.pieces import Piece, holds_at
from pinn.problem.shapes.quadrature import Rule, volume
from pinn.problem.shapes.selectors import body_of, select_tree
from pinn.problem.shapes.surface_quadrature import surface
from pinn.problem.shapes.surfaces import Ellipse, Segment, Sphere

NOTHING = 1e-12
"""Part of the box that is none."""


@dataclass(frozen=True)
class Part:
    """A part of space.

    Attributes
    ----------
    text : as it is written. pieces : of surfaces; none for a volume. body : boolean tree of a volume. geometry : what it ends at.
    domain : boolean tree; of a volume what is in it counts, or all of a volume none of which is. None is the whole box.
    """

    text: str
    geometry: Geometry = field(repr=False)
    pieces: tuple[Piece, ...] = field(default=(), repr=False)
    body: Node | None = field(default=None, repr=False)
    domain: Node | None = field(default=None, repr=False)

    @property
    def is_inner(self) -> bool:
        """Whether it is a surface with the domain on both sides."""
        return any(piece.is_inner for piece in self.pieces)

    def rule(self, quadrature: int) -> Rule:
        """Return nodes for it: points (nodes, space), weights, and normals on surfaces.

        Parameters
        ----------
        quadrature : nodes along an interval as long as the box.

        Raises
        ------
        BadInput : too many nodes, bodies that meet in a way that is not covered, a part without points.
        """
        return _rule(self, quadrature)


@lru_cache(maxsize=64)
def _rule(part: Part, quadrature: int) -> Rule:
    geometry = part.geometry
    if part.pieces:
        rules = [surface(geometry, piece, quadrature) for whole in part.pieces for piece in edged(whole)]
        return Rule(*(np.concatenate(columns) for columns in zip(*rules, strict=True)))
    found = volume(geometry, part.body, quadrature)
    inside = holds_at(part.domain, found.points, geometry.names)
    whole = np.prod(np.ptp(geometry.box, axis=1))
    if found.weights.sum() <= NOTHING * whole:
        raise BadInput(f"'{part.text}' is no part of the domain, so there is no integral over it")
    if found.weights[inside].sum() > NOTHING * whole:
        found = Rule(found.points[inside], found.weights[inside])
    return found


def whole_domain(namespace: Namespace) -> Part | None:
    """Return the domain, or None where it is the box."""
    if namespace.domain is None:
        return None
    return Part("the domain", _geometry("the domain", [namespace.domain], namespace), body=namespace.domain)


def volume_part(tree: Node, namespace: Namespace) -> Part:
    """Return the part of the domain in a body; a body that is no part of the domain, such as a hole, is taken as it is.

    Raises
    ------
    FormulaError : it is a surface, or ends along a surface for which there is no quadrature.
    """
    body = body_of(tree, namespace)
    trees = [each for each in (body, namespace.domain) if each is not None]
    return Part(str(tree), _geometry(str(tree), trees, namespace), body=body, domain=namespace.domain)


def surface_part(tree: Node, namespace: Namespace) -> Part:
    """Return the surfaces that a selector chooses.

    Raises
    ------
    FormulaError : it chooses none, or the space at a time; one ends along a surface for which there is no quadrature.
    """
    pieces = select_tree(tree, namespace)
    if not all(piece.has_normals for piece in pieces):
        raise FormulaError(f"a surface integral runs over surfaces in space; '{tree}' chooses an instant")
    trees = [_expanded(with_parts(tree, namespace), namespace)]
    trees += [each for each in (namespace.domain, *(namespace.shapes[name] for name in namespace.rims)) if each is not None]
    return Part(str(tree), _geometry(str(tree), trees, namespace), pieces=pieces)


def _expanded(tree: Node, namespace: Namespace) -> Node:
    """Return a selector with the bodies' comparisons for their names, and formulas expanded."""
    if isinstance(tree, Name):
        return namespace.shapes.get(tree.name, tree)
    assert isinstance(tree, Call)
    if tree.function in ("and", "or", "not"):
        return Call(tree.function, tuple(_expanded(argument, namespace) for argument in tree.arguments))
    return Call(tree.function, tuple(Expander(namespace).scalar(side) for side in tree.arguments))


def _geometry(text: str, trees: Sequence[Node], namespace: Namespace) -> Geometry:
    planes: list[tuple[str, float]] = []
    rims = []
    for comparison in dict.fromkeys(_all_comparisons(trees)):
        if namespace.time in names(comparison):
            raise FormulaError(f"an integral over '{text}', which changes with {namespace.time}, is not supported yet")
        known = namespace.surfaces.get(comparison, ())
        if known and all(isinstance(each, (Sphere, Ellipse, Segment)) for one in known for each in straightened(one)):
            rims.append((comparison, tuple(each for one in known for each in straightened(one))))
        elif (found := plane(comparison)) is not None:
            planes.append(found)
        elif (outline := _outline(comparison, namespace)) is not None:
            rims.append((comparison, (outline,)))
        else:
            raise FormulaError(
                f"an integral over what ends along '{comparison}' is not supported yet; planes such as x < 0, balls, boxes, "
                "ellipses, polygons and formulas of two coordinates are"
            )
    box = tuple(namespace.box[name] for name in namespace.space)
    inner = {(name, value) for name, value in planes if namespace.box[name][0] < value < namespace.box[name][1]}
    return Geometry(namespace.space, box, tuple(sorted(inner)), tuple(rims))


def _outline(comparison: Call, namespace: Namespace) -> LevelSet | None:
    """Return the rim of a formula of two coordinates, None for another comparison."""
    known = namespace.surfaces.get(comparison, ())
    found = known[0] if known else level_set(comparison, namespace)
    return found if isinstance(found, LevelSet) and len(found.names) == 2 and not found.moves else None


def _all_comparisons(trees: Sequence[Node]) -> Iterator[Call]:
    for tree in trees:
        yield from comparisons(tree)
