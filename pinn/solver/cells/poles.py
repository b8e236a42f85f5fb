"""Poles of equations: where a denominator with unknowns in it is zero.

A solution that is continuous never crosses one, but the polynomials of coarse cells may, and Gauss-Newton then settles on the far
side, where the equations hold just as well between the poles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from pinn.field.cells.cell_field import CellField
from pinn.problem.formulas.calculus import jets
from pinn.problem.formulas.tree import Call, Node, Number
from pinn.problem.problem import Problem, Residual
from pinn.solver.cells.discretise import Interior


def denominators(tree: Node) -> set[Node]:
    """Return the factors of all denominators of an expanded tree that depend on unknowns."""
    found: set[Node] = set()
    todo, seen = [tree], set()
    while todo:
        node = todo.pop()
        if node in seen or not isinstance(node, Call):
            continue
        seen.add(node)
        todo += node.arguments
        if node.function == "/":
            found |= set(_factors(node.arguments[1]))
        elif node.function == "**" and isinstance(node.arguments[1], Number) and node.arguments[1].value < 0:
            found |= set(_factors(node.arguments[0]))
    return {node for node in found if jets(node)}


def _factors(node: Node) -> Iterator[Node]:
    if isinstance(node, Call) and node.function in ("*", "neg", "/"):
        for each in node.arguments:
            yield from _factors(each)
    elif isinstance(node, Call) and node.function == "**":
        yield from _factors(node.arguments[0])
    else:
        yield node


def pole_residuals(equations: Iterable[Residual]) -> list[Residual]:
    """Return residuals that vanish at the poles of equations."""
    return [replace(row, tree=node) for row in equations for node in sorted(denominators(row.tree), key=str)]


class Poles:
    """Denominators of equations that read unknowns at their own points only, at the basis' grid in every cell.

    Parameters
    ----------
    rows : their denominators, `pole_residuals`.
    """

    def __init__(self, problem: Problem, rows: list[Residual], field: CellField):
        self._interior = Interior(problem, rows, field) if rows else None

    def crossed_by(self, coefficients: np.ndarray) -> str:
        """Return the name of an equation of which a denominator is positive at some points and negative at others, else ''."""
        if self._interior is None:
            return ""
        with np.errstate(all="ignore"):
            found = zip(self._interior.terms, self._interior.residuals(coefficients), strict=True)
            return next((term.name for term, values in found if np.any(values > 0) and np.any(values < 0)), "")

    def are_crossed(self, coefficients: np.ndarray) -> bool:
        """Whether some denominator takes both signs."""
        return bool(self.crossed_by(coefficients))
