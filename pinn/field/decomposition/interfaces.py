"""What networks on two sides of a cut have in common: residuals on the faces between cells, as terms of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pinn.field.cells.cover import Cover, Face
from pinn.problem.flux import flux
from pinn.problem.formulas import calculus
from pinn.problem.formulas.sides import INSIDE, OUTSIDE, seen_from
from pinn.problem.formulas.tree import Jet, Node
from pinn.problem.points import divide
from pinn.problem.problem import Problem, Residual
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import Rule, unit_points
from pinn.problem.sites import Sites, join

Match = Literal["slopes", "flux", "residual"]
"""What is continuous beyond the values: derivatives along the normal below the equation's order; the equation's own flux in place
of the highest of them; or the residuals of the equations and nothing else."""

INNER = 1e-9
"""How far points on a face keep from its rim, in parts of its width."""

CONDITION = "interfaces"
"""Name of the condition that these residuals belong to."""


def interface_residuals(problem: Problem, cover: Cover, match: Match) -> dict[Residual, int]:
    """Return residuals on the faces of a cover, each with the axis that its faces cut.

    On the problem's own interfaces there are none: it says itself what holds there.

    Raises
    ------
    BadInput : an equation without a flux.
    """
    cut = sorted({face.axis for face in matched_faces(problem, cover)})
    several = len(cut) > 1
    found: dict[Residual, int] = {}
    for axis in cut:
        coordinate = problem.names[axis]
        for name, tree in _continuous(problem, coordinate, match).items():
            full = f"{CONDITION}.{name}" + (f" at {coordinate}" if several else "")
            jump = calculus.subtract(seen_from(tree, INSIDE), seen_from(tree, OUTSIDE))
            found[Residual(full, "interface", f"[{name}] = 0", jump, (), CONDITION)] = axis
    return found


def matched_faces(problem: Problem, cover: Cover) -> list[Face]:
    """Return the faces of a cover that lie on no interface of the problem."""
    return [face for face in cover.faces() if not problem.on_interface(face.box.mean(axis=1)[None], face.axis).any()]


def _continuous(problem: Problem, coordinate: str, match: Match) -> dict[str, Node]:
    """Return what has no jump across faces on which a coordinate is constant, by name."""
    axis = problem.names.index(coordinate)
    in_time = coordinate == problem.time
    found: dict[str, Node] = {}
    for unknown in problem.unknown_names:
        order = problem.order(unknown, coordinate)
        orders = {"residual": 1, "flux": order - 1, "slopes": order}["slopes" if in_time else match]
        for k in range(max(orders, 1)):
            index = tuple(k if number == axis else 0 for number in range(problem.dim))
            name = f"{unknown}_{coordinate * k}" if k else unknown
            found[name] = Jet(unknown, (index,))
    for equation in () if in_time or match == "slopes" else problem.equations:
        found[equation.name if match == "residual" else f"flux of {equation.name}"] = _matched(equation, coordinate, match, problem)
    return {name: tree for name, tree in found.items() if calculus.has_unknowns(tree)}


def _matched(equation: Residual, coordinate: str, match: Match, problem: Problem) -> Node:
    if match == "residual":
        return equation.tree
    try:
        return flux(equation.tree, coordinate, problem.names)
    except BadInput as error:
        raise BadInput(f"'{equation.name}' {error.message}", "decomposition.match") from None


def draw_interfaces(
    residuals: Mapping[Residual, int], faces: Sequence[Face], num: int, rule: Rule, seed: int, epoch: int
) -> dict[str, Sites]:
    """Return points on faces for each residual; ``num`` in all for each axis, divided by area, at least one on each face.

    Normals point up along the axis.
    """
    by_axis: dict[int, Sites] = {}
    for axis in sorted(set(residuals.values())):
        across = [face for face in faces if face.axis == axis]
        areas = [float(np.prod(np.delete(np.ptp(face.box, axis=1), axis))) for face in across]
        counts = divide(num, areas, [len(face.box) == 1 for face in across])
        rng = generator(seed, f"{CONDITION}/{axis}", epoch)
        by_axis[axis] = join([_on_face(face, count, rule, rng) for face, count in zip(across, counts, strict=True)])
    return {residual.name: by_axis[axis] for residual, axis in residuals.items()}


def _on_face(face: Face, num: int, rule: Rule, rng: np.random.Generator) -> Sites:
    points = np.repeat(face.box[:, :1].T, num, axis=0)
    free = [axis for axis in range(len(face.box)) if axis != face.axis]
    if free:
        unit = unit_points(rule, num, len(free), rng)
        points = np.repeat(face.box[:, :1].T, len(unit), axis=0)
        points[:, free] += np.clip(unit, INNER, 1 - INNER) * np.ptp(face.box[free], axis=1)
    normals = np.zeros_like(points)
    normals[:, face.axis] = 1.0
    return Sites(points, normals)
