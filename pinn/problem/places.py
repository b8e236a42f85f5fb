"""Unknowns that live in a part of the domain, which ends at interfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from pinn.problem.formulas.calculus import jets
from pinn.problem.formulas.namespace import Namespace, point_at
from pinn.problem.formulas.parser import FormulaError, parse_selector
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.sides import SIGNS, changes_at_interfaces, nudged, seen_from
from pinn.problem.formulas.tree import Node
from pinn.problem.problem import Problem, Residual
from pinn.problem.settings import BadInput
from pinn.problem.shapes.bodies import some_points
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.selectors import body_of
from pinn.problem.terms import Term


def with_places(mapping: Mapping[str, Any], namespace: Namespace, at: Callable[..., AbstractContextManager]) -> Namespace:
    """Return the namespace with the parts of the domain in which unknowns live that say so with ``at``.

    Raises
    ------
    BadInput : a part that is a surface, or does not end at interfaces.
    """
    given = mapping["unknowns"]
    places: dict[str, Node] = {}
    for name, settings in given.items() if isinstance(given, Mapping) else ():
        text = settings.get("at") if isinstance(settings, Mapping) else None
        if text is not None:
            with at("unknowns", name, "at"):
                place = _place(text, namespace)
                if place is not None:
                    places.update(dict.fromkeys(namespace.parts(str(name)), place))
    return replace(namespace, places=places)


def _place(text: Any, namespace: Namespace) -> Node | None:
    try:
        place = body_of(parse_selector(text), namespace)
    except FormulaError as error:
        raise point_at(str(text), error) from None
    if place is not None and not changes_at_interfaces(place, namespace):
        raise BadInput(f"an unknown lives in a body that is listed in interfaces:, or in 'not' of it, got '{text}'")
    return place


def from_both_sides(condition: Residual, namespace: Namespace) -> list[Residual]:
    """Return a condition as it is; one that does not say from where it looks at an interface holds on both sides of it.

    On a side where one of its unknowns does not live it does not hold.
    """
    inner = tuple(piece for piece in condition.region if piece.is_inner)
    if not inner or all(jet.image for jet in jets(condition.tree)):
        return [condition]
    outer = tuple(piece for piece in condition.region if not piece.is_inner)
    found = [replace(condition, region=outer)] if outer else []
    for side in _sides_of(condition, inner, namespace):
        tree = seen_from(condition.tree, side)
        text = f"{condition.text} ({side})"
        found.append(replace(condition, name=f"{condition.name}.{side}", text=text, tree=tree, region=inner, determines=None))
    return found


def _sides_of(condition: Residual, pieces: tuple[Piece, ...], namespace: Namespace) -> tuple[str, ...]:
    """Return the sides of pieces of interfaces on which all unknowns of a condition live."""
    places = {namespace.places[jet.unknown] for jet in jets(condition.tree) if jet.unknown in namespace.places}
    found = []
    box = np.array([namespace.box[name] for name in namespace.coordinates])
    for side, sign in SIGNS.items():
        lives = True
        for piece in pieces:
            points = some_points(piece, namespace)
            values = coordinate_values(
                nudged(points, sign * piece.normals(points, namespace.coordinates), box), namespace.coordinates
            )
            lives &= all(np.all(value) for value in Program(list(places))(values))
        found += [side] if lives else []
    if not found:
        raise BadInput("on neither side of the interface all of its unknowns live")
    return tuple(found)


def check_lookups(problem: Problem, residual: Residual, term: Term) -> None:
    """Refuse a residual that reads an unknown where it does not live.

    Raises
    ------
    BadInput : with the unknown and the point.
    """
    for image in term.images:
        sites = image.sites
        points = sites.points if sites.side is None else nudged(sites.points, sites.side, problem.box)
        for unknown in {name for name, _ in image.request}:
            absent = ~problem.lives_at(unknown, points)
            if absent.any():
                place = ", ".join(f"{x}={value:.4g}" for x, value in zip(problem.names, points[np.argmax(absent)], strict=True))
                raise BadInput(f"holds {unknown} at {place}, where it does not live; say where it holds with at:", residual.name)
