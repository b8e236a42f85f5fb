"""Exact solutions: read from the text, put into each other and into residuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from pinn.problem.formulas import calculus
from pinn.problem.formulas.calculus import ZERO, has_unknowns, jets, substitute, total
from pinn.problem.formulas.complex_numbers import pair
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace, point_at
from pinn.problem.formulas.parser import FormulaError, parse
from pinn.problem.formulas.sides import is_side, seen_from
from pinn.problem.formulas.tree import Integral, Jet, Node
from pinn.problem.settings import BadInput, nearest


def read_exact(mapping: Mapping[str, Any], namespace: Namespace, at: Callable[..., AbstractContextManager]) -> dict[str, Node]:
    """Return the exact formulas of a problem as trees over coordinates, by scalar unknown; empty when none is given.

    Raises
    ------
    BadInput : a formula for no unknown, lengths that differ, formulas that refer to each other in a circle.
    """
    given = mapping.get("exact")
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return _resolved(_exact_of(_only_unknown(mapping), given, namespace), namespace)
    trees = {}
    for unknown, text in given.items():
        with at(unknown):
            trees.update(_exact_of(str(unknown), text, namespace))
    return _resolved(trees, namespace)


def _only_unknown(mapping: Mapping[str, Any]) -> str:
    listed = mapping["unknowns"]
    unknowns = [listed] if isinstance(listed, str) else list(listed)
    if len(unknowns) != 1:
        formulas = ", ".join(f"{unknown}: formula" for unknown in unknowns)
        raise BadInput(f"there are {len(unknowns)} unknowns; write a mapping {{{formulas}}}")
    return unknowns[0]


def _exact_of(unknown: str, text: Any, namespace: Namespace) -> dict[str, Node]:
    names = namespace.parts(unknown)
    if not names:
        raise BadInput(f"'{unknown}' is not an unknown{nearest(unknown, namespace.unknowns)}")
    try:
        value = Expander(namespace).expand(parse(text))
    except FormulaError as error:
        raise point_at(text if isinstance(text, str) else "", error) from None
    values = value if isinstance(value, tuple) else (value,)
    if {unknown, *namespace.vectors.get(unknown, ())} & set(namespace.complex):
        values = tuple(part for item in map(pair, values) for part in (item.real, item.imag))
    if len(values) != len(names):
        raise BadInput(f"'{unknown}' has {len(names)} components, the formula has {len(values)}")
    return dict(zip(names, values, strict=True))


def _resolved(trees: dict[str, Node], namespace: Namespace) -> dict[str, Node]:
    """Put exact formulas that use other exact unknowns into each other."""
    for _ in range(len(trees)):
        plain = {name: tree for name, tree in trees.items() if not has_unknowns(tree)}
        for name, tree in trees.items():
            if has_unknowns(tree) and {jet.unknown for jet in jets(tree)} <= set(plain):
                trees = {**trees, name: apply_exact(tree, plain, namespace.coordinates)}
    if any(has_unknowns(tree) for tree in trees.values()):
        raise BadInput("the exact formulas refer to each other in a circle, or to an unknown without an exact formula")
    if any(isinstance(leaf, Integral) for tree in trees.values() for leaf in calculus.leaves(tree)):
        raise BadInput("cannot hold an integral; without 'exact' the error is measured against a reference that is computed")
    return trees


def apply_exact(tree: Node, exact: Mapping[str, Node], coordinates: tuple[str, ...]) -> Node:
    """Return the tree with every unknown replaced by its exact formula (trees over coordinates).

    Raises
    ------
    FormulaError : an unknown has no exact formula.
    """

    def leaf(node: Node) -> Node:
        if isinstance(node, Jet):
            if node.unknown not in exact:
                raise FormulaError(f"'exact' is used, but no exact formula is given for {node.unknown}")
            value = total(calculus.derivative_by_index(exact[node.unknown], index, coordinates) for index in node.operator)
            return seen_from(value, node.image[0][0]) if is_side(node.image) else substitute(value, dict(node.image))
        if isinstance(node, Integral):
            inner = calculus.replace(node.integrand, leaf)
            return ZERO if inner == ZERO else replace(node, integrand=inner)
        return node

    return calculus.replace(tree, leaf)
