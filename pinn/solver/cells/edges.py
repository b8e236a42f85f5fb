"""Straight edges of a domain: cells beyond them, faces that join cells, and places towards which cells become small."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pinn.field.cells.cover import Cover, Face
from pinn.problem.formulas.sides import NUDGE
from pinn.problem.jumps import Jump, jumps
from pinn.problem.problem import Problem

Array = np.ndarray

DEEPER = 2
"""How often cells at such a corner are cut again where they have been cut: there one cut helps little."""

SMALLEST, SMALLEST_IN_THREE = 2.0**-16, 2.0**-4
"""Width of cells where prescribed values jump, in parts of the box: at corners, and along edges, of which there are many."""

LEAST_JUMP = 1e-3
"""Jumps of less than this part of the values are left alone."""

JUMPING = 1e-3
"""What conditions weigh, of what they do elsewhere, in cells at whose edge they jump: no polynomial meets both, and what is left
would hide whether everything else is satisfied."""

SIGNS = np.array(list(itertools.product((-1, 1), repeat=2)))
"""The four sides of a corner."""


def empty(problem: Problem, cover: Cover) -> Array:
    """Return which cells lie outside the domain, (cells,); not known, and none, where it ends within cells."""
    if not problem.edges or not all(piece.fixed for piece in problem.edges):
        return np.zeros(cover.num_cells, bool)
    return ~problem.inside(cover.centers)


def joined(problem: Problem, cover: Cover) -> list[Face]:
    """Return the faces of which both sides are in the domain, but for those on its interfaces."""
    is_empty, found = empty(problem, cover), []
    for face in cover.faces():
        is_edge = is_empty[face.left] or is_empty[face.right]
        if not is_edge and not problem.on_interface(face.box.mean(axis=1)[None], face.axis).any():
            found.append(face)
    return found


def graded(problem: Problem, cover: Cover, is_new: Array) -> Cover:
    """Return a cover whose new cells (cells,) are cut further where they touch a corner that points inwards."""
    for _ in range(DEEPER):
        touched = {int(cell): axes for cell in np.flatnonzero(is_new) if (axes := corner(problem, cover.boxes[cell]))}
        cover, parents = cover.split(touched)
        is_new = np.isin(parents, list(touched))
    return cover


def corner(problem: Problem, box: Array) -> tuple[int, ...]:
    """Return the axes normal to two straight edges of the domain that meet at a corner of a cell (dim, 2) and point inwards."""
    nudge, planes = NUDGE * np.ptp(problem.box, axis=1), problem.straight_edges
    for pair in itertools.combinations(range(problem.dim), 2):
        for at in itertools.product(*box[list(pair)]):
            if any(plane not in planes for plane in zip(pair, at, strict=True)):
                continue
            around = np.repeat(box.mean(axis=1)[None], len(SIGNS), axis=0)
            around[:, pair] = at + SIGNS * nudge[list(pair)]
            if problem.inside(around).sum() == len(SIGNS) - 1:
                return pair
    return ()


def large_jumps(problem: Problem) -> list[Jump]:
    """Return where prescribed values jump, if the solution stays like that: with time, jumps at the start smooth out."""
    return [] if problem.time is not None else [jump for jump in jumps(problem) if jump.share > LEAST_JUMP]


def touches(problem: Problem, box: Array, jump: Jump) -> bool:
    """Whether a cell (dim, 2) has a jump on its edge."""
    return all(value in box[problem.names.index(name)] for name, value in jump.edge.items())


def cut_towards(problem: Problem, cover: Cover, found: Sequence[Jump], part: float = 1.0) -> Cover:
    """Return a cover whose cells have halves where they touch jumps, halves of these, and so on to a part of the smallest."""
    width = part * (SMALLEST if problem.dim < 3 else SMALLEST_IN_THREE) * np.ptp(problem.box, axis=1)
    for jump in found:
        axes = tuple(map(problem.names.index, jump.edge))
        while large := {
            cell: axes
            for cell, box in enumerate(cover.boxes)
            if touches(problem, box, jump) and (np.ptp(box, axis=1) > 1.5 * width)[list(axes)].all()
        }:
            cover, _ = cover.split(large)
    return cover
