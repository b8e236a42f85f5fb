"""Conditions that hold by construction: u = g + d · N with a lift g that meets them and a distance d that vanishes where they hold.

On a box both are formulas. Along each coordinate with conditions the lift is corrected by interpolation between the faces,
``G ← G + Σ_f L_f(x) (g_f − G|_f)``, which after the last coordinate is the Boolean sum of the projections (transfinite
interpolation: Gordon & Hall 1973, Numer. Math. 21, 109). The distance is the product of the distances to the faces (Lagaris,
Likas & Fotiadis 1998, IEEE Trans. Neural Netw. 9, 987). Derivatives of g and d do not depend on θ: they are differentiated
symbolically and evaluated once per set of points. On other shapes they are those of `pinn.field.shaped`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pinn.field.distance import Distance, Untrimmable, derivatives, distances_to
from pinn.field.request import below, minus
from pinn.field.shaped import Moment, Shaped
from pinn.problem.formulas import calculus
from pinn.problem.formulas.calculus import ONE, ZERO
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Index, Jet, Name, Node, Normal, Number
from pinn.problem.problem import Problem, Residual
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import sample

TOLERANCE = 1e-9
NUM_TRIALS = 64

ALL = "all"
"""Name for all conditions that can hold by construction."""


class Prescribed(NamedTuple):
    """What a residual prescribes: ``unknown`` (order 0) or its first derivative by time (order 1) is ``data``."""

    unknown: str
    order: int
    data: Node


class Given(NamedTuple):
    """What a residual prescribes on one piece of its region."""

    residual: Residual
    order: int
    data: Node
    piece: Piece


class Face(NamedTuple):
    """A face of the box with the value, and perhaps the slope, that one unknown has on it."""

    place: float
    value: Node
    slope: Node | None


class Constraint:
    """The hard conditions of a problem.

    Parameters
    ----------
    problem : the problem.
    hard : names of conditions, or of one of their rows (``initial.u``); ``all`` are those that prescribe values.

    Attributes
    ----------
    lift, distance : expanded trees over coordinates, by unknown; of those whose hard conditions hold on whole faces of the box.
    shaped : what takes their place for other unknowns. Those without hard conditions are in neither.
    satisfied : names of the residuals that hold whatever the network.

    Raises
    ------
    BadInput : a condition that cannot be met by construction, with the reason; conditions that differ where they meet.
    """

    def __init__(self, problem: Problem, hard: Sequence[str]):
        self.problem = problem
        residuals = _chosen(problem, hard)
        given = _given(problem, residuals)
        self.shaped = {unknown: _shaped(problem, several) for unknown, several in given.items() if not _on_faces(problem, several)}
        faces = {unknown: _faces(problem, unknown, several) for unknown, several in given.items() if unknown not in self.shaped}
        self.lift = {unknown: _lift(problem, by_axis) for unknown, by_axis in faces.items()}
        self.distance = {unknown: _distance(problem, by_axis) for unknown, by_axis in faces.items()}
        self.satisfied = tuple(residual.name for residual in residuals)
        self._axes = {unknown: set(by_axis) for unknown, by_axis in faces.items()} | dict.fromkeys(self.shaped, set(problem.names))
        self._programs: dict[tuple[str, tuple[Index, ...]], Program] = {}
        for residual in residuals:
            self._check(residual)
        for unknown in self.shaped:
            self._check_inside(unknown)

    def holds(self, unknown: str) -> bool:
        """Whether an unknown has hard conditions."""
        return unknown in self.lift or unknown in self.shaped

    def __bool__(self) -> bool:
        return bool(self.lift or self.shaped)

    def keeps_periodic(self, residual: Residual) -> bool:
        """Whether a periodic condition still holds for g + d · N when N is periodic."""
        axis = residual.region[0].fixed[0][0]
        unknowns = {jet.unknown for jet in calculus.jets(residual.tree)}
        if any(axis in self._axes.get(unknown, ()) for unknown in unknowns):
            return False
        return self._defect(residual)[0] <= TOLERANCE

    def evaluate(self, unknown: str, points: np.ndarray, indices: tuple[Index, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivatives of the lift and of the distance, (points, len(indices)) each."""
        if unknown in self.shaped:
            lift, distance = self.shaped[unknown].evaluate(points, max(map(sum, indices)))
            return lift.derivatives(indices), distance.derivatives(indices)
        key = (unknown, indices)
        if key not in self._programs:
            trees = [derivatives(tree, indices, self.problem.names) for tree in (self.lift[unknown], self.distance[unknown])]
            self._programs[key] = Program([*trees[0], *trees[1]])
        with np.errstate(all="ignore"):
            values = self._programs[key](coordinate_values(points, self.problem.names))
        table = np.stack([np.broadcast_to(np.asarray(value, dtype=float), len(points)) for value in values], axis=1)
        return table[:, : len(indices)], table[:, len(indices) :]

    def _check(self, residual: Residual) -> None:
        defect, point = self._defect(residual)
        if not defect <= TOLERANCE:
            where = ", ".join(f"{name}={value:.3g}" for name, value in zip(self.problem.names, point, strict=True))
            raise BadInput(
                f"conditions cannot hold at once: '{residual.name}' would be off by {defect:.2g} at {where}, "
                "because they differ where they meet; leave one of them to the loss",
                "hard",
            )

    def _check_inside(self, unknown: str) -> None:
        """Refuse values on rims whose formula, which goes on inside, has no derivatives there."""
        points = sample(self.problem, Piece(cut=self.problem.domain), f"hard/{unknown}", NUM_TRIALS)
        lift, distance = self.shaped[unknown].evaluate(points, self.problem.order(unknown))
        bad = ~np.isfinite(lift.coefficients + distance.coefficients).all(axis=1)
        if bad.any():
            where = ", ".join(f"{name}={value:.3g}" for name, value in zip(self.problem.names, points[np.argmax(bad)], strict=True))
            raise BadInput(
                f"conditions on {unknown} cannot hold by construction: their formulas are not smooth inside the domain, at "
                f"{where}; leave them to the loss",
                "hard",
            )

    def _defect(self, residual: Residual) -> tuple[float, np.ndarray]:
        """Return the largest value of a residual with the lifts in place of the unknowns, relative to their size, and where."""
        if any(jet.unknown in self.shaped for jet in calculus.jets(residual.tree)):
            return self._shaped_defect(residual)
        tree = _insert(residual.tree, self.lift, self.problem)
        program = Program([tree, *self.lift.values()])
        worst, place = 0.0, np.zeros(self.problem.dim)
        for piece in residual.region:
            points = sample(self.problem, piece, "hard", NUM_TRIALS)
            known = coordinate_values(points, self.problem.names)
            with np.errstate(all="ignore"):
                values, *sizes = (np.broadcast_to(np.asarray(value, dtype=float), len(points)) for value in program(known))
            defects = np.abs(values) / (1.0 + max((np.nanmax(np.abs(size)) for size in sizes), default=0.0))
            if not defects.max() <= worst:
                worst, place = float(defects.max()), points[np.argmax(defects)]
        return worst, place

    def _shaped_defect(self, residual: Residual) -> tuple[float, np.ndarray]:
        """Return the same of what is prescribed for an unknown with conditions on rims."""
        unknown, order, data = prescribed(self.problem, residual)
        index = tuple(order * (name == self.problem.time) for name in self.problem.names)
        points = np.concatenate([sample(self.problem, piece, "hard", NUM_TRIALS) for piece in residual.region])
        (value,) = Program([data])(coordinate_values(points, self.problem.names))
        lift, _ = self.evaluate(unknown, points, (index,))
        defects = np.abs(lift[:, 0] - value) / (1.0 + np.nanmax(np.abs(lift), initial=0.0))
        worst = int(np.argmax(np.where(np.isnan(defects), np.inf, defects)))
        return float(defects[worst]), points[worst]


def leibniz_factors(distance: Mapping[Index, np.ndarray], operator: Iterable[Index]) -> dict[Index, np.ndarray]:
    """Return the factors (points,) of the derivatives of N in an operator applied to d · N, from the derivatives of d."""
    factors: dict[Index, np.ndarray] = {}
    for index in operator:
        for lower, count in below(index):
            factors[lower] = factors.get(lower, 0.0) + count * distance[minus(index, lower)]
    return factors


def _chosen(problem: Problem, hard: Sequence[str]) -> list[Residual]:
    known = list(dict.fromkeys(name for residual in problem.conditions for name in (residual.condition, residual.name)))
    for name in hard:
        if name not in (*known, ALL):
            raise BadInput(f"unknown condition '{name}'{nearest(name, known)}; conditions: {', '.join(known)}", "hard")
    if ALL in hard and ALL not in known:
        return [residual for residual in problem.conditions if _is_prescribed(problem, residual)]
    return [residual for residual in problem.conditions if {residual.condition, residual.name} & set(hard)]


def _is_prescribed(problem: Problem, residual: Residual) -> bool:
    """Whether a residual prescribes a value, or a first derivative by time, on the boundary or at a time."""
    try:
        prescribed(problem, residual)
    except BadInput:
        return False
    return all(piece.is_wall or _is_instant(problem, piece) for piece in residual.region)


def _refuse(residual: Residual, reason: str) -> BadInput:
    return BadInput(f"'{residual.name}' cannot hold by construction: {reason}; leave it to the loss", "hard")


def prescribed(problem: Problem, residual: Residual) -> Prescribed:
    """Return what a residual prescribes, or raise `BadInput`."""
    leaves = calculus.leaves(residual.tree)
    jets = [leaf for leaf in leaves if isinstance(leaf, Jet)]
    if residual.kind == "periodic":
        raise _refuse(residual, "it is periodic; a network with periodic features meets it without being told")
    is_plain = len(jets) == len(calculus.jets(residual.tree)) == 1 and not jets[0].image
    if not is_plain or any(isinstance(leaf, Normal) for leaf in leaves):
        raise _refuse(residual, "it is not one unknown with a given value")
    (jet,) = jets
    factor = calculus.partial(residual.tree, jet)
    start = tuple(int(name == problem.time) for name in problem.names)
    orders = {(start,): 1, ((0,) * problem.dim,): 0}
    if jet.operator not in orders or not isinstance(factor, Number) or factor.value == 0:
        raise _refuse(residual, "only values, and first derivatives by time at a time, can be hard")
    rest = calculus.replace(residual.tree, lambda leaf: ZERO if leaf == jet else leaf)
    return Prescribed(jet.unknown, orders[jet.operator], calculus.negative(calculus.divide(rest, factor)))


def _given(problem: Problem, residuals: Sequence[Residual]) -> dict[str, list[Given]]:
    """Return what residuals prescribe, piece by piece, by unknown."""
    found: dict[str, list[Given]] = {}
    for residual in residuals:
        unknown, order, data = prescribed(problem, residual)
        for piece in residual.region:
            if not piece.is_wall and not _is_instant(problem, piece):
                raise _refuse(residual, "it holds neither on the boundary nor at a time")
            if order == 1 and not _is_instant(problem, piece):
                raise _refuse(residual, "a derivative by time can be hard at a time only")
            found.setdefault(unknown, []).append(Given(residual, order, data, piece))
    return found


def _is_instant(problem: Problem, piece: Piece) -> bool:
    return len(piece.fixed) == 1 and piece.fixed[0][0] == problem.time


def _on_faces(problem: Problem, given: Sequence[Given]) -> bool:
    """Whether all that is given of an unknown holds on whole faces of the box."""
    pieces = [each.piece for each in given if not _is_instant(problem, each.piece)]
    return not any(piece.is_cut or piece in problem.edges for piece in pieces)


def _faces(problem: Problem, unknown: str, given: Sequence[Given]) -> dict[str, list[Face]]:
    """Return the faces of the box on which an unknown has hard conditions by coordinate, space before time."""
    found: dict[str, dict[float, dict[int, Node]]] = {}
    for residual, order, data, piece in given:
        axis, place = _place(problem, residual, piece)
        data_here = calculus.substitute(data, {axis: Number(place)})
        known = found.setdefault(axis, {}).setdefault(place, {})
        if known.setdefault(order, data_here) != data_here:
            raise _refuse(residual, f"another hard condition gives {unknown} at {axis} = {place:g}")
    faces: dict[str, list[Face]] = {}
    sequence = [*problem.space, problem.time]
    for axis, places in sorted(found.items(), key=lambda item: sequence.index(item[0])):
        if any(1 in data for data in places.values()) and (len(places) > 1 or 0 not in next(iter(places.values()))):
            reason = f"{unknown}_{axis} at a time can be hard only with the value of {unknown} at the same time, and no other"
            raise BadInput(reason, "hard")
        faces[axis] = [Face(place, data[0], data.get(1)) for place, data in sorted(places.items())]
    return faces


def _place(problem: Problem, residual: Residual, piece: Piece) -> tuple[str, float]:
    if len(piece.fixed) != 1 or piece.cut not in (None, problem.domain):
        raise _refuse(residual, "it does not hold at a whole time or on whole faces of the box of the coordinates")
    ((axis, place),) = piece.fixed
    low, high = problem.box[problem.names.index(axis)]
    if place not in (low, high):
        raise _refuse(residual, f"{axis} = {place:g} is not a face of the box")
    return axis, place


def _shaped(problem: Problem, given: Sequence[Given]) -> Shaped:
    """Return the lift and the distance of an unknown with hard conditions on rims."""
    values: dict[Node, list[Distance]] = {}
    for data in dict.fromkeys(each.data for each in given if not _is_instant(problem, each.piece)):
        same = [each for each in given if each.data == data and not _is_instant(problem, each.piece)]
        try:
            values[data] = distances_to(problem, [each.piece for each in same])
        except Untrimmable as error:
            raise _refuse(same[0].residual, str(error)) from None
    instants = [each for each in given if _is_instant(problem, each.piece)]
    unknown = prescribed(problem, given[0].residual).unknown
    by_axis = _faces(problem, unknown, instants)
    faces = by_axis.get(str(problem.time), [])
    places = [face.place for face in faces]
    time = str(problem.time)
    moments = [Moment(*face, _hat(time, face.place, places), _offset(time, face.place)) for face in faces]
    return Shaped(problem, values, moments, _distance(problem, by_axis))


def _lift(problem: Problem, by_axis: Mapping[str, list[Face]]) -> Node:
    lift: Node = ZERO
    for axis, faces in by_axis.items():
        corrections = []
        for face in faces:
            at_face = {axis: Number(face.place)}
            missing = calculus.subtract(face.value, calculus.substitute(lift, at_face))
            corrections.append(calculus.multiply(_hat(axis, face.place, [other.place for other in faces]), missing))
            if face.slope is not None:
                has = calculus.substitute(calculus.derivative(lift, axis, problem.names), at_face)
                corrections.append(calculus.multiply(_offset(axis, face.place), calculus.subtract(face.slope, has)))
        lift = calculus.add(lift, calculus.total(corrections))
    return lift


def _hat(axis: str, place: float, places: Sequence[float]) -> Node:
    """Return Lagrange's polynomial that is 1 at ``place`` and 0 at the other places."""
    result: Node = ONE
    for other in places:
        if other != place:
            result = calculus.multiply(result, calculus.divide(_offset(axis, other), Number(place - other)))
    return result


def _offset(axis: str, place: float) -> Node:
    return calculus.subtract(Name(axis), Number(place))


def _distance(problem: Problem, by_axis: Mapping[str, list[Face]]) -> Node:
    """Return the product of the distances to the faces, in lengths of the box, at most about 1; squared where a slope is given."""
    result: Node = ONE
    for axis, faces in by_axis.items():
        low, high = problem.box[problem.names.index(axis)]
        for face in faces:
            along = _offset(axis, face.place) if face.place == low else calculus.negative(_offset(axis, face.place))
            ratio = calculus.divide(along, Number((high - low) / len(faces)))
            for _ in range(1 if face.slope is None else 2):
                result = calculus.multiply(result, ratio)
    return result


def _insert(tree: Node, lift: Mapping[str, Node], problem: Problem) -> Node:
    """Return a residual's tree with the lifts in place of the unknowns (0 for unknowns without)."""

    def leaf(node: Node) -> Node:
        if isinstance(node, Jet):
            inserted = calculus.total(derivatives(lift.get(node.unknown, ZERO), node.operator, problem.names))
            return calculus.substitute(inserted, dict(node.image))
        return node

    return calculus.replace(tree, leaf)
