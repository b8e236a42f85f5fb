"""Quadrature over surfaces in a box: faces, edges of polygons, circles, ellipses, rims of formulas, spheres, and parts of them.

Closed curves take the trapezium rule in arc length, which is spectral for smooth rims; arcs take Gauss-Legendre nodes between the
places where other bodies cut them. Spheres are cut into circles: with x = h a sphere of radius r in m coordinates has the element
dA = (r / ρ) dh dA', ρ² = r² − (h − c)², of the sphere of radius ρ in the others.
"""

from __future__ import annotations

import numpy as np

from pinn.problem.shapes.geometry import Array, Geometry, crossings
from pinn.problem.shapes.level_sets import LevelSet
from pinn.problem.shapes.outlines import Outline
from pinn.problem.shapes.pieces import Piece, holds_at
from pinn.problem.shapes.quadrature import Rule, along, fill, graded, intervals, legendre, places
from pinn.problem.shapes.surfaces import STILL, Segment, Sphere, Surface

PER_ARC = 8
"""Nodes of an arc of a formula's rim at most: these are short."""

ARCS = 4
"""Arcs that a closed curve is divided into at least, where it is not taken whole."""

DOUBLINGS = 8
"""Of the nodes on a curve until its moments stay as they are."""

SETTLED = 1e-13
"""Difference of moments, in parts of their size, that is none."""


def surface(geometry: Geometry, piece: Piece, quadrature: int) -> Rule:
    """Return a rule for a piece of a surface, with its unit normals.

    Raises
    ------
    BadInput : too many nodes, or surfaces that meet in a way that is not covered.
    """
    names = geometry.names

    def keep(points: Array) -> Array:
        return piece.keeps(points, names)

    if piece.surface is None:
        pinned = dict(piece.fixed)
        start = Rule(np.array([list(pinned.values())]), np.ones(1))
        rule = along(geometry, lambda points: holds_at(piece.cut, points, names), quadrature, tuple(pinned), start)
        return rule._replace(normals=piece.normals(rule.points, names))
    if isinstance(piece.surface, Sphere) and len(piece.surface.names) > 2:
        start = _sphere(geometry, piece.surface, quadrature)
    else:
        start = _curve(geometry, piece.surface, quadrature)
    rule = along(geometry, keep, quadrature, piece.surface.names, start)
    return rule._replace(normals=piece.normals(rule.points, names))


def _curve(geometry: Geometry, curve: Surface, quadrature: int) -> Rule:
    """Return a rule for all of a curve in a plane, with nodes in arcs that other bodies do not cut."""
    breaks = crossings(geometry, curve)
    if isinstance(curve, Segment):
        ends = np.unique(np.concatenate([[0.0], breaks, [1.0]]))
        unit, weights = _pieces(ends, 1, quadrature)
        start, end = np.array(curve.start), np.array(curve.end)
        return Rule(start + unit[:, None] * (end - start), curve.measure * weights)
    if isinstance(curve, LevelSet):
        unit, weights = _pieces(np.union1d(breaks, Outline(curve).arcs), 1, min(quadrature, PER_ARC))
        return Rule(curve.place(unit[:, None]), curve.measure * weights)
    cyclic = np.concatenate([breaks, breaks[:1] + 1.0])
    points, weights = np.empty((0, 2)), np.empty(0)
    moments = np.full((2, 2), np.inf)
    for doubling in range(DOUBLINGS):
        if len(breaks):
            unit, weights = _pieces(cyclic, ARCS << doubling, quadrature)
        else:
            count = (2 * quadrature) << doubling
            unit, weights = np.arange(count) / count, np.full(count, 1 / count)
        points = curve.place(unit[:, None] % 1.0, STILL)
        before, moments = moments, (points - points.mean(axis=0)).T @ (weights[:, None] * (points - points.mean(axis=0)))
        if np.abs(moments - before).max() <= SETTLED * np.abs(moments).max():
            break
    return Rule(points, curve.measure * weights)


def _pieces(ends: Array, per_unit: int, quadrature: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes between ascending numbers, and so many times divided for each 1 that they are apart."""
    divided = [
        np.linspace(low, high, int(np.ceil(per_unit * (high - low))) + 1) for low, high in zip(ends[:-1], ends[1:], strict=True)
    ]
    low, high = (np.concatenate([each[part] for each in divided]) for part in (slice(None, -1), slice(1, None)))
    unit, weight = legendre(quadrature)
    return (low[:, None] + (high - low)[:, None] * unit).ravel(), ((high - low)[:, None] * weight).ravel()


def _sphere(geometry: Geometry, sphere: Sphere, quadrature: int) -> Rule:
    """Return a rule for all of a sphere in space, with nodes in parts that other bodies do not cut."""
    geometry.refuse_strange()
    names, center = sphere.names, np.array(sphere.center)
    order = (*names, *(name for name in geometry.names if name not in names))
    points, weights, radii = np.empty((1, 0)), np.ones(1), np.full(1, sphere.radius)
    for number in range(len(names) - 2):
        ends, sharp = places(geometry, order, number, points)
        low, high = (center[number] + sign * radii[:, None] for sign in (-1, 1))
        ends = np.sort(np.concatenate([np.clip(ends, low, high), low, high], axis=1), axis=1)
        rows, values, factors = fill(*graded(*intervals(ends), sharp), 2 * float(sphere.radius), quadrature, True)
        around = np.sqrt(np.maximum(radii[rows] ** 2 - (values - center[number]) ** 2, 0))
        weights = weights[rows] * factors * radii[rows] / around
        points, radii = np.column_stack([points[rows], values]), around
    return _circles(geometry, sphere, points, weights, radii, quadrature)


def _circles(geometry: Geometry, sphere: Sphere, points: Array, weights: Array, radii: Array, quadrature: int) -> Rule:
    """Return a rule for the circles of a sphere on which all but the last two coordinates are given, (circles, names − 2)."""
    center = np.array(sphere.center)[-2:]
    angles = np.sort(np.column_stack(_angles(geometry, sphere, points, radii)) % (2 * np.pi), axis=1)
    is_whole = np.isnan(angles[:, 0])
    closing = angles[:, :1] + 2 * np.pi
    ends = np.nan_to_num(np.column_stack([np.where(np.isnan(angles), closing, angles), closing]))
    count = 2 * quadrature
    rows = np.repeat(np.flatnonzero(is_whole), count)
    angle = np.tile(2 * np.pi * np.arange(count) / count, len(rows) // count)
    factors = np.full(len(rows), 2 * np.pi / count)
    more, nodes, steps = fill(*intervals(ends), 2 * np.pi, count, False)
    rows, angle, factors = np.concatenate([rows, more]), np.concatenate([angle, nodes]), np.concatenate([factors, steps])
    on = center + radii[rows, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Rule(np.column_stack([points[rows], on]), weights[rows] * radii[rows] * factors)


def _angles(geometry: Geometry, sphere: Sphere, points: Array, radii: Array) -> list[Array]:
    """Return the angles (circles,) at which circles of a sphere meet planes and other spheres; nan where they do not."""
    found, (a, b) = [], sphere.names[-2:]
    middle = dict(zip(sphere.names, sphere.center, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, turn in ((a, 0.0), (b, np.pi / 2)):
            for value in geometry.values(name):
                half = np.arccos((value - middle[name]) / radii)
                found += [turn + half, turn - half]
        for other in geometry.quadrics:
            if isinstance(other.surface, Sphere) and set(other.center) == set(sphere.names) and other.surface != sphere:
                square = other.surface.radius**2
                for name, column in zip(sphere.names[:-2], points.T, strict=True):
                    square = square - (column - other.center[name]) ** 2
                away = np.array([other.center[name] - middle[name] for name in (a, b)])
                distance = float(np.hypot(*away))
                half = np.arccos((radii**2 + distance**2 - square) / (2 * radii * distance))
                found += [np.arctan2(away[1], away[0]) + half, np.arctan2(away[1], away[0]) - half]
    return found
