"""Distances to pieces of the boundary of a domain: they vanish on a piece, grow like the distance there, and are smooth inside.

A whole surface has its own function f. Where the same surface goes on inside the domain beyond the piece, f is trimmed by a
function t that is positive on the piece: ω = sqrt(f² + ((φ − t)/2)²), φ = sqrt(t² + f⁴) (Sukumar & Srivastava 2022, Comput. Methods
Appl. Mech. Eng. 389, 114333; Rvachev & Sheiko 1995, Appl. Mech. Rev. 48, 151). For t > 0 it is written
|f| sqrt(1 + (f³/(2 (φ + t)))²), which is smooth up to the piece. Comparisons joined by ``and`` and ``or`` give t by R-functions
a + b ∓ sqrt(a² + b²), a comparison l < r by h / sqrt(h² + |∇h|²), h = r − l, which has slope one where it vanishes. Distances to
several pieces are joined by 1/ω = Σ 1/ω_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pinn.field.taylor import Array, Monomials, Taylor, choose, constant
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.sides import NUDGE
from pinn.problem.formulas.tree import Call, Node
from pinn.problem.problem import Problem
from pinn.problem.randomness import generator
from pinn.problem.shapes.bodies import both, comparisons, either, opposite
from pinn.problem.shapes.facets import edged
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.surfaces import STILL, Segment, Sphere

NUM_TRIALS = 2048
"""Points of a surface at which it is looked whether it goes on inside the domain beyond its piece."""

BEHIND = 1e-7
"""A point this far behind a surface, in parts of the box, is behind it and not on it."""


class Untrimmable(Exception):
    """A piece for which there is no distance, with the reason."""


@dataclass(frozen=True)
class Distance:
    """The distance to a piece of the boundary.

    Attributes
    ----------
    piece : whose surface it is. trim : boolean tree that is true on the piece and false where the same surface goes on inside the
        domain; None where it does not.
    """

    piece: Piece
    trim: Node | None = None

    def __call__(self, problem: Problem, points: Array, monomials: Monomials) -> Taylor:
        """Return the distance near points (points, dim)."""
        surface, size = self.piece.surface, float(np.ptp(problem.box, axis=1).max())
        at = {
            name: Taylor.coordinate(monomials, axis, points[:, axis]) for axis, name in enumerate(problem.names)
        }  # fmt: skip
        own = _height(self.piece, at)
        trims = [] if self.trim is None else [_truth(self.trim, problem, points, monomials)]
        if isinstance(surface, Segment):
            trims.append(_along(surface, at))
        if not trims:
            return own
        trim = trims[0] if len(trims) == 1 else _conjunction(*trims)
        own = own * (1 / size)
        trim = trim * (1 / size) if isinstance(surface, Segment) else trim
        is_behind = own.value < -BEHIND
        side = choose(is_behind, -own, own)
        square = own * own
        root = (trim * trim + square * square).sqrt()
        bent = square * own * (root + trim).power(-1.0) * 0.5
        beside = (square + (root - trim) * (root - trim) * 0.25).sqrt()
        return choose(trim.value > 0, side * (bent * bent + 1.0).sqrt(), beside) * size


def _height(piece: Piece, at: Mapping[str, Taylor]) -> Taylor:
    """Return the function of a piece's whole surface: zero on it, positive inside the domain, slope one along the normal."""
    surface = piece.surface
    if surface is None:
        ((name, value),) = piece.fixed
        assert piece.outward is not None
        return (at[name] - value) * -float(piece.outward[1])
    center = getattr(surface, "center", (0.0,) * len(surface.names))
    away = [at[name] - value for name, value in zip(surface.names, center, strict=True)]
    if isinstance(surface, Segment):
        along = (np.array(surface.end) - surface.start) / surface.measure
        x, y = (at[name] - value for name, value in zip(surface.names, surface.start, strict=True))
        return (y * along[0] - x * along[1]) * float(piece.sign)
    if isinstance(surface, Sphere):
        square = sum((each * each for each in away[1:]), away[0] * away[0])
        if piece.sign < 0:
            return square.sqrt() - surface.radius
        return (square - surface.radius**2) * (-0.5 / surface.radius)
    radii = getattr(surface, "radii", None)
    if radii is None:
        raise Untrimmable("it ends along a surface whose distance is not known")
    parts = [(each * each * (1 / radius**2), each * each * (4 / radius**4)) for each, radius in zip(away, radii, strict=True)]
    height = sum((part for part, _ in parts[1:]), parts[0][0]) - 1.0
    slope = sum((part for _, part in parts[1:]), parts[0][1])
    return height * (height * height * (1 / min(radii) ** 2) + slope).power(-0.5) * -float(piece.sign)


def _along(edge: Segment, at: Mapping[str, Taylor]) -> Taylor:
    """Return a function that is positive in the disk over an edge, with slope one at its ends."""
    away = [at[name] - (a + b) / 2 for name, a, b in zip(edge.names, edge.start, edge.end, strict=True)]
    return (away[0] * away[0] + away[1] * away[1] - edge.measure**2 / 4) * (-1 / edge.measure)


def _conjunction(a: Taylor, b: Taylor) -> Taylor:
    return a + b - (a * a + b * b).sqrt()


def _truth(tree: Node, problem: Problem, points: Array, monomials: Monomials) -> Taylor:
    """Return a function that is positive where a boolean tree is true and negative where it is false."""
    assert isinstance(tree, Call)
    if tree.function == "not":
        return -_truth(tree.arguments[0], problem, points, monomials)
    if tree.function in ("and", "or"):
        a, b = (_truth(argument, problem, points, monomials) for argument in tree.arguments)
        return _conjunction(a, b) if tree.function == "and" else -_conjunction(-a, -b)
    left, right = tree.arguments if tree.function in ("<", "<=") else tree.arguments[::-1]
    height = calculus.subtract(right, left)
    slopes = [calculus.derivative(height, name, problem.names) for name in problem.names]
    squares = calculus.total(calculus.power(each, calculus.TWO) for each in (height, *slopes))
    normalised = calculus.divide(height, calculus.call("sqrt", squares))
    return series(normalised, problem, points, monomials)


def series(tree: Node, problem: Problem, points: Array, monomials: Monomials) -> Taylor:
    """Return a formula of coordinates near points."""
    trees = derivatives(tree, monomials.indices, problem.names)
    with np.errstate(all="ignore"):
        values = Program(trees)(coordinate_values(points, problem.names))
    table = np.stack([np.broadcast_to(np.asarray(value, float), len(points)) for value in values], axis=1)
    return Taylor.of_derivatives(monomials, table)


def derivatives(tree: Node, indices: Sequence[tuple[int, ...]], names: tuple[str, ...]) -> list[Node]:
    """Return the partial derivatives of a tree, every lower one built once."""
    known: dict[tuple[int, ...], Node] = {(0,) * len(names): tree}

    def get(index: tuple[int, ...]) -> Node:
        if index not in known:
            axis = next(i for i, order in enumerate(index) if order)
            lower = (*index[:axis], index[axis] - 1, *index[axis + 1 :])
            known[index] = calculus.derivative(get(lower), names[axis], names)
        return known[index]

    return [get(index) for index in indices]


def joined(distances: Sequence[Taylor]) -> tuple[Taylor, list[Taylor]]:
    """Return 1/Σ 1/ω_i, which vanishes where any of some distances does, and the shares (1/ω_i) / Σ 1/ω_j, which add up to one."""
    if len(distances) == 1:
        (only,) = distances
        return only, [constant(only.monomials, np.ones(len(only.value)))]
    others = [_product([*distances[:number], *distances[number + 1 :]]) for number in range(len(distances))]
    inverse = sum(others[1:], others[0]).power(-1.0)
    return _product(distances) * inverse, [other * inverse for other in others]


def _product(factors: Sequence[Taylor]) -> Taylor:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def distances_to(problem: Problem, pieces: Sequence[Piece]) -> list[Distance]:
    """Return a distance for each surface that has some of the pieces.

    Raises
    ------
    Untrimmable : a piece that is cut off by a polygon.
    """
    alike: dict[tuple, list[Piece]] = {}
    for piece in dict.fromkeys(edge for whole in pieces for edge in edged(whole)):
        if piece.surface is not None and piece.surface.moves:
            raise Untrimmable("it moves")
        if not piece.keeps(_on_surface(problem, piece), problem.names).any():
            continue  # an edge on a face of the box, which is that of a piece of its own
        alike.setdefault((piece.fixed, piece.surface, piece.sign, piece.outward), []).append(piece)
    found: list[Distance] = []
    for several in alike.values():
        if _goes_on(problem, several):
            found += [Distance(piece, _trim(problem, piece)) for piece in several]
        else:
            found.append(Distance(several[0]))
    return found


def _on_surface(problem: Problem, piece: Piece) -> Array:
    """Return random points of all of a piece's surface in the box, (points, dim)."""
    random = generator(0, "hard surface")
    low, high = problem.box.T
    points = low + (high - low) * random.random((NUM_TRIALS, problem.dim))
    if piece.surface is not None:
        columns = [problem.names.index(name) for name in piece.surface.names]
        points[:, columns] = piece.surface.place(random.random((NUM_TRIALS, piece.surface.num_params)), STILL)
        points = points[((points >= low) & (points <= high)).all(axis=1)]
    for name, value in piece.fixed:
        points[:, problem.names.index(name)] = value
    return points


def _goes_on(problem: Problem, pieces: Sequence[Piece]) -> bool:
    """Whether the surface of some pieces has other points in the domain; edges of polygons are trimmed at their ends anyway."""
    points = _inside(problem, pieces[0])
    return not np.any([piece.keeps(points, problem.names) for piece in pieces], axis=0).all()


def _inside(problem: Problem, piece: Piece) -> Array:
    points = _on_surface(problem, piece)
    return points[problem.contains(points)]


def _trim(problem: Problem, piece: Piece) -> Node:
    """Return the boolean tree that tells a piece from the rest of its surface."""
    points = _on_surface(problem, piece)
    points = points[piece.keeps(points, problem.names)]
    trim: bool | Node = True if piece.cut is None else piece.cut
    if piece.surface is not None and piece.body is not None:
        off = NUDGE * piece.surface.measure * piece.normals(points, problem.names)
        inner, outer = (_settled(piece.body, points + sign * off, points - sign * off, problem) for sign in (-1, 1))
        trim = both(trim, both(inner, opposite(outer)))
    trim = _told_apart(trim, _inside(problem, piece), problem)
    if isinstance(trim, bool):
        raise Untrimmable("its surface goes on inside the domain")
    if any("where" in str(comparison) for comparison in comparisons(trim)):
        raise Untrimmable("it is cut off by a polygon")
    return trim


def _told_apart(tree: bool | Node, points: Array, problem: Problem) -> bool | Node:
    """Return a conjunction without the parts that are true at all points (points, dim)."""
    if isinstance(tree, Call) and tree.function == "and":
        left, right = (_told_apart(argument, points, problem) for argument in tree.arguments)
        return both(left, right)
    if isinstance(tree, bool):
        return tree
    (value,) = Program([tree])(coordinate_values(points, problem.names))
    return True if np.all(value) else tree


def _settled(tree: Node, here: Array, there: Array, problem: Problem) -> bool | Node:
    """Return a boolean tree with those comparisons settled that change across a surface, for its one side."""
    assert isinstance(tree, Call)
    if tree.function in ("and", "or"):
        left, right = (_settled(argument, here, there, problem) for argument in tree.arguments)
        return both(left, right) if tree.function == "and" else either(left, right)
    if tree.function == "not":
        return opposite(_settled(tree.arguments[0], here, there, problem))
    first, second = (
        np.broadcast_to(Program([tree])(coordinate_values(points, problem.names))[0], len(points)) for points in (here, there)
    )
    return bool(first[0]) if (first != second).all() else tree
