"""Formulas that look something up elsewhere: unknowns at images of the point, functions from files at places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pinn.problem.formulas.calculus import has_unknowns, substitute
from pinn.problem.formulas.parser import FormulaError
from pinn.problem.formulas.tree import Call, Jet, Known, Name, Node, Number


def elsewhere(tree: Node, places: Mapping[str, Node]) -> Node:
    """Return a scalar evaluated elsewhere.

    Raises
    ------
    FormulaError : a function from a file would be looked up at an unknown.
    """
    moved = substitute(tree, places)
    if any(map(has_unknowns, places.values())):
        _refuse_unknown_places(moved)
    return moved


def _refuse_unknown_places(tree: Node) -> None:
    if isinstance(tree, Call):
        if tree.function == "lookup" and any(map(has_unknowns, tree.arguments)):
            raise FormulaError(f"'{tree.arguments[0]}' is from a file, and looked up at coordinates only, not at unknowns")
        for argument in tree.arguments:
            _refuse_unknown_places(argument)


def kept_where(condition: Node, tree: Jet | Call) -> Node:
    """Return a jet or a lookup that is taken at the point itself wherever a condition does not hold.

    Elsewhere may be outside the domain there: u(t=t-1) must not leave it for t < 1.
    """
    if isinstance(tree, Jet):
        names, places = [name for name, _ in tree.image], [place for _, place in tree.image]
        return Jet(tree.unknown, tree.operator, tuple(zip(names, _kept(condition, names, places), strict=True)))
    known, *places = tree.arguments
    assert isinstance(known, Known)
    return Call(tree.function, (known, *_kept(condition, known.names, places)))


def _kept(condition: Node, names: Iterable[str], places: Iterable[Node]) -> list[Node]:
    pairs = zip(names, places, strict=True)
    return [at if isinstance(at, Number) or at == Name(x) else Call("where", (condition, at, Name(x))) for x, at in pairs]
