"""Whether every face, edge, interface and start carries as many conditions as the equations need."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pinn.problem.complaints import about, home, place
from pinn.problem.formulas.calculus import jets
from pinn.problem.formulas.sides import nudged
from pinn.problem.problem import Problem
from pinn.problem.shapes.bodies import inside_of
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import sample


def uncovered(problem: Problem) -> Iterator[str]:
    """Yield what is missing all the same, one line each: the solution may not be the only one.

    Raises
    ------
    BadInput : a face, an edge or an interface without conditions, a start without a value, or one that the equations determine.
    """
    yield from _coverage(problem)
    _joined(problem)
    yield from _edged(problem)


def _coverage(problem: Problem) -> Iterator[str]:
    for unknown in unmeasured(problem):
        for axis in problem.space:
            needed = problem.order(unknown, axis) // 2
            if needed and axis not in problem.periodic:
                for side, value in zip((-1, 1), problem.box[problem.names.index(axis)], strict=True):
                    yield from _covered(problem, unknown, axis, side, value, needed)
        if problem.time is not None:
            yield from _started(problem, unknown, problem.time, problem.order(unknown, problem.time))


def unmeasured(problem: Problem) -> list[str]:
    """Return the unknowns that conditions must determine, since no values of them were measured."""
    measured = {jet.unknown for each in problem.data for jet in jets(each.formula)}
    return [name for name in problem.unknown_names if name not in measured]


def _covered(problem: Problem, unknown: str, axis: str, side: int, value: float, needed: int) -> Iterator[str]:
    """Every point of a face carries enough conditions on an unknown, or is free on purpose; yield what others alone have."""
    low, high = problem.box[problem.names.index(axis)].tolist()
    cut = inside_of(problem.domain, axis, (low, high), side)
    if cut is False:
        return
    face = Piece(((axis, value),), (axis, side), None if cut is True else cut, ())
    given = [(piece, needed) for name, piece in problem.free if name == unknown and piece.fixed == face.fixed]
    for condition in problem.conditions:
        if condition.kind == "condition" and any(jet.unknown == unknown and not jet.image for jet in jets(condition.tree)):
            given += [(piece, 1) for piece in condition.region if piece.fixed == face.fixed]
    is_cut = any(piece.cut is not None for piece in (face, *(piece for piece, _ in given)))
    points = sample(problem, face, f"{axis}{side}", 256 if is_cut or problem.has_places else 1)
    inwards = np.array([-side * (name == axis) for name in problem.names])
    points = points[problem.lives(unknown, nudged(points, inwards, problem.box))]
    if not len(points):
        return
    found = np.zeros(len(points), int)
    for piece, count in given:
        found += count * piece.keeps(points, problem.names)
    bad = np.flatnonzero(found < needed)
    if len(bad):
        where = f"{axis} = {value:g}" + ("" if len(bad) == len(points) else f" (for instance at {place(problem, points[bad[0]])})")
        if found[bad[0]]:
            order = problem.order(unknown, axis)
            raise about(
                f"order {order} along {axis} needs {needed} conditions for {unknown} on {where}, got {found[bad[0]]}", "conditions"
            )
        other = f", or time: {axis}, to start there" if side > 0 and _starts(problem, unknown, axis) else ""
        missing = f"no condition for {unknown} on {where}; add one, or say free: {unknown}{other}"
        if needed > 1 or not _has_conditions(problem, points[bad], face):
            raise about(missing, "conditions")
        yield missing


def _starts(problem: Problem, unknown: str, axis: str) -> bool:
    """Whether the only coordinate could be the time: as many conditions as its order stand at its lower end."""
    start = ((axis, problem.box[problem.names.index(axis), 0]),)
    rows = [row for row in problem.conditions if row.kind == "condition" and any(jet.unknown == unknown for jet in jets(row.tree))]
    found = sum(piece.fixed == start for row in rows for piece in row.region)
    return problem.time is None and len(problem.names) == 1 and found >= problem.order(unknown, axis)


def _has_conditions(problem: Problem, points: np.ndarray, face: Piece) -> bool:
    """Whether some condition holds at each of some points (points, dim) of a face or an edge."""
    found = np.zeros(len(points), bool)
    for condition in problem.conditions:
        for piece in condition.region if condition.kind == "condition" else ():
            if _is_part(piece, face):
                found |= piece.keeps(points, problem.names)
    return bool(found.all())


def _is_part(piece: Piece, face: Piece) -> bool:
    return (piece.fixed, piece.surface, piece.sign) == (face.fixed, face.surface, face.sign)


def _joined(problem: Problem) -> None:
    """Every interface carries as many conditions on an unknown as the order of the equations across it."""
    for piece in problem.interfaces:
        ((axis, value),) = piece.fixed
        points = sample(problem, piece, f"interface/{axis}{value}", 64)
        for unknown in problem.unknown_names:
            normals = piece.normals(points, problem.names)
            sides = [problem.lives(unknown, nudged(points, sign * normals, problem.box)) for sign in (-1, 1)]
            needed, found = problem.order(unknown, axis) * np.sum(sides, axis=0) // 2, np.zeros(len(points), int)
            for condition in problem.conditions:
                if any(jet.unknown == unknown for jet in jets(condition.tree)):
                    for other in condition.region:
                        if other.fixed == piece.fixed and other.is_inner:
                            found += other.keeps(points, problem.names)
            if (found < needed).any():
                order, worst = problem.order(unknown, axis), int(np.argmin(found - needed))
                raise about(
                    f"order {order} along {axis} needs {needed[worst]} conditions for {unknown} on the interface "
                    f"{axis} = {value:g}, got {found[worst]}; "
                    f"for instance {{at: interfaces, jump({unknown}): 0, jump({unknown}_n): 0}}",
                    "conditions",
                )


def _edged(problem: Problem) -> Iterator[str]:
    """Every edge of the domain inside the box carries enough conditions on an unknown, or is free on purpose."""
    for number, piece in enumerate(problem.edges):
        every = sample(problem, piece, f"edge/{number}", 512)
        for unknown in problem.unknown_names:
            points = every[problem.lives(unknown, nudged(every, -piece.normals(every, problem.names), problem.box))]
            needed = max(problem.order(unknown, axis) for axis in problem.space) // 2
            given = [(other, needed) for name, other in problem.free if name == unknown]
            for condition in problem.conditions:
                if condition.kind == "condition" and any(jet.unknown == unknown and not jet.image for jet in jets(condition.tree)):
                    given += [(other, 1) for other in condition.region]
            found = np.zeros(len(points), int)
            for other, count in given:
                if _is_part(other, piece):
                    found += count * other.keeps(points, problem.names)
            if len(points) and found.min() < needed:
                where = place(problem, points[int(found.argmin())])
                got = f"no condition for {unknown}" if found.min() == 0 else f"{found.min()} of {needed} conditions for {unknown}"
                missing = f"{got} on the edge of the domain at {where}; add one, or say free: {unknown}"
                if needed > 1 or not _has_conditions(problem, points[found < needed], piece):
                    raise about(missing, "conditions")
                yield missing


def _started(problem: Problem, unknown: str, time: str, needed: int) -> Iterator[str]:
    _no_later_start(problem, unknown, time, needed)
    found = sum(
        any(jet.unknown == unknown for jet in jets(condition.tree))
        for condition in problem.conditions
        if any(name == time for piece in condition.region for name, _ in piece.fixed)
    )
    found += sum(
        any(coordinate == time for coordinate, _ in piece.fixed) * needed for name, piece in problem.free if name == unknown
    )
    if found < needed:
        start = problem.box[problem.names.index(time)][0]
        missing = unknown if found == 0 else f"{unknown}_{time * found}"
        order = {1: "first", 2: "second"}.get(needed, f"{needed}th")
        advice = f"initial: {{at: {time} = {start:g}, {missing}: ...}}"
        text = f"the equations are of {order} order in {time}: a start value of {missing} is needed, e.g. {advice}"
        if found == 0 or unknown not in problem.exact:
            raise about(text, "conditions")
        yield f"{text}; without it the solution is not unique, and 'exact' is one of many"


def _no_later_start(problem: Problem, unknown: str, time: str, needed: int) -> None:
    """Nothing is given at the start of a derivative that the equations themselves determine."""
    place = problem.names.index(time)
    for condition in problem.conditions:
        if any(piece.fixed == ((time, problem.box[place][0]),) for piece in condition.region):
            for jet in jets(condition.tree):
                order = max(index[place] for index in jet.operator)
                if jet.unknown == unknown and order >= max(needed, 1):
                    order_of = "hold no derivative of" if needed == 0 else f"are of order {needed} in {time} for"
                    raise about(
                        f"the equations {order_of} {unknown}, so {unknown}_{time * order} is not given at the start: "
                        "they determine it",
                        *home(condition),
                    )
