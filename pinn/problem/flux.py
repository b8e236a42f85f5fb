"""The flux of an equation along a coordinate, found by formal integration: R = D_x f + what holds no derivative by x."""

from __future__ import annotations

import math

import numpy as np

from pinn.problem.formulas import calculus
from pinn.problem.formulas.calculus import ZERO
from pinn.problem.formulas.program import Program
from pinn.problem.formulas.tree import Call, Jet, Name, Node, Normal, Number
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput

MOST_PARTS, HIGHEST_POWER = 40, 8
"""Integrations by one derivative, and powers of what is integrated over, that are tried."""

TRIALS = 16
"""Random values of all leaves, true and false of all conditions, at which a formula has to vanish to count as zero."""


def flux(residual: Node, coordinate: str, names: tuple[str, ...]) -> Node:
    """Return f with R − D f free of derivatives by a coordinate, D being the total derivative by it; f vanishes with the unknowns.

    For a conservation law that is the flux through a plane on which the coordinate is constant: u²/2 − ν u_x along x for
    u_t + u u_x − ν u_xx. The highest derivative in R is integrated over the one below it, the total derivative of what comes out is
    taken off, and so on.

    Parameters
    ----------
    residual : expanded tree of an equation, left side minus right side.
    names : the problem's coordinates, in the order of the indices of jets.

    Raises
    ------
    BadInput : there is no such f, or not by integration of polynomials.
    """
    axis = names.index(coordinate)
    rest, found = _single(residual), calculus.total([])
    for _ in range(MOST_PARTS):
        highest = _highest(rest, axis)
        if highest is None:
            return found
        ((index,), factor) = highest.operator, calculus.partial(rest, highest)
        lower = Jet(highest.unknown, ((*index[:axis], index[axis] - 1, *index[axis + 1 :]),))
        if not _vanishes(calculus.partial(factor, highest)):
            break
        part = _integrated(factor, lower)
        if part is None:
            break
        found, rest = calculus.add(found, part), calculus.subtract(rest, calculus.derivative(part, coordinate, names))
    raise BadInput(f"has no flux along {coordinate} that could be found; write it as a sum of derivatives, or match something else")


def _single(tree: Node) -> Node:
    """Return the tree with sums of derivatives, such as Laplacians, written out."""

    def leaf(node: Node) -> Node:
        if not isinstance(node, Jet):
            return node
        return calculus.total([Jet(node.unknown, (index,), node.image) for index in node.operator])

    return calculus.replace(tree, leaf)


def _highest(tree: Node, axis: int) -> Jet | None:
    """Return the jet with the highest derivative along an axis on which the tree depends, None if there is none."""
    known = [jet for jet in calculus.jets(tree) if jet.operator[0][axis] > 0 and not jet.image]
    known.sort(key=lambda jet: (jet.operator[0][axis], sum(jet.operator[0])), reverse=True)
    return next((jet for jet in known if not _vanishes(calculus.partial(tree, jet))), None)


def _integrated(factor: Node, lower: Jet) -> Node | None:
    """Return the integral of a factor over one jet from 0, or None where the factor is no polynomial in it."""
    terms, slope = [], factor
    for power in range(HIGHEST_POWER + 1):
        coefficient = calculus.replace(slope, lambda leaf: ZERO if leaf == lower else leaf)
        scale = Number(1.0 / math.factorial(power + 1))
        terms.append(calculus.multiply(calculus.multiply(scale, coefficient), calculus.power(lower, Number(power + 1.0))))
        slope = calculus.partial(slope, lower)
        if _vanishes(slope):
            return calculus.total(terms)
    return None


def _vanishes(tree: Node) -> bool:
    """Whether a tree is zero at random values of its leaves."""
    if tree == ZERO:
        return True
    conditions: dict[Node, Name] = {}

    def undecided(node: Node) -> Node:
        if not isinstance(node, Call):
            return node
        if node.function == "lookup":
            return Name(str(node))
        arguments = [undecided(argument) for argument in node.arguments]
        if node.function == "where":
            arguments[0] = conditions.setdefault(node.arguments[0], Name(f"condition {len(conditions)}"))
        return Call(node.function, tuple(arguments))

    tree = undecided(tree)
    known = sorted((leaf for leaf in calculus.leaves(tree) if isinstance(leaf, (Jet, Name, Normal))), key=str)
    drawn = generator(0, "vanishes").uniform(0.5, 1.5, (len(known), TRIALS))
    values: dict[Node, np.ndarray] = dict(zip(known, drawn, strict=True))
    values |= {name: values[name] > 1 for name in conditions.values() if name in values}
    with np.errstate(all="ignore"):
        (result,) = Program([tree])(values)
    return bool(np.all(np.abs(result) < 1e-10))
