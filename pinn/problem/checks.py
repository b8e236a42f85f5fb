"""What is checked of a problem before anything runs: counts, coverage, levels, finite values, the exact solution."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pinn.problem.complaints import about as _about
from pinn.problem.complaints import home as _home
from pinn.problem.complaints import place as _place
from pinn.problem.coverage import uncovered
from pinn.problem.families import check_members
from pinn.problem.formulas.calculus import jets, leaves
from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.program import Program, coordinate_values, site_values
from pinn.problem.formulas.sides import off_the_point
from pinn.problem.formulas.tree import Call, Integral, Jet, Node, Number
from pinn.problem.places import check_lookups
from pinn.problem.problem import Problem, Residual
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import sample, sample_region
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term

NUM_SAMPLES = 512
EXACT_DEFECT = 1e-6
"""Largest defect of the exact solution in a residual, relative to the size of the residual's parts."""


def check(problem: Problem, namespace: Namespace, mapping: Mapping[str, Any]) -> list[str]:
    """Run all checks and return what is missing all the same, one line each: the solution may not be the only one.

    Raises
    ------
    BadInput : the problem cannot be right as it stands.
    """
    check_members(problem)
    _count(problem)
    _finite(problem)
    missing = list(uncovered(problem))
    _level(problem)
    _twice(problem)
    _exact(problem)
    _given(problem)
    _unused(namespace, mapping)
    return missing


def undetermined(problem: Problem) -> str:
    """Return why functions do not follow from equations and conditions where the unknown numbers are known; empty when they do."""
    if not problem.data:
        return "nothing was measured"
    for unknown in problem.unknowns:
        if not unknown.is_number and len(unknown.depends) < problem.dim:
            return f"{unknown.name} is a function of {', '.join(unknown.depends)} only"
    forward = problem.with_numbers({unknown.name: unknown.start for unknown in problem.unknowns if unknown.is_number})
    if forward.free:
        return f"{forward.free[0][0]} is free on a part of the boundary"
    try:
        _count(forward)
        missing = list(uncovered(forward))
        _level(forward)
    except BadInput as error:
        return error.message
    return missing[0] if missing else ""


def _count(problem: Problem) -> None:
    points, have, need = num_equations(problem)
    worst = int(np.argmin(have - need))
    if have[worst] < need[worst] and not problem.data:
        here = [name for name in problem.functions if problem.lives(name, points[worst : worst + 1])[0]]
        where = "" if np.ptp(have - need) == 0 else f" at {_place(problem, points[worst])}"
        names = f"{need[worst]} unknowns ({', '.join(here)}) need {need[worst]} equations"
        raise _about(f"{names}, got {have[worst]}{where}", "equations")
    for unknown in problem.unknowns:
        residuals = problem.equations if len(unknown.depends) == problem.dim else problem.residuals
        if not any(jet.unknown == unknown.name for residual in residuals for jet in jets(residual.tree)):
            raise _about(f"unknown '{unknown.name}' occurs in no equation", "unknowns")
    measured = sum(len(each.values) for each in problem.data)
    if problem.data and measured < len(problem.numbers):
        raise _about(f"{len(problem.numbers)} unknown numbers need at least as many measured values, got {measured}", "data")


def num_equations(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points of the volume (points, dim), how many equations hold at each, and how many unknown functions live there."""
    points = sample(problem, Piece(cut=problem.domain), "equations", NUM_SAMPLES)
    found = np.zeros(len(points), int)
    for equation in problem.equations:
        found += np.any([piece.keeps(points, problem.names) for piece in equation.region], axis=0)
    living = sum((problem.lives(name, points) for name in problem.functions), start=np.zeros(len(points), int))
    return points, found, living


# values ----------------------------------------------------------------------------------------------------------------


def _finite(problem: Problem) -> None:
    """Every part of a formula that depends on coordinates only is a finite number wherever it is used."""
    for residual in problem.laws:
        for piece in residual.region:
            if piece.cut is not None and not len(sample(problem, piece, residual.name, NUM_SAMPLES)):
                raise _about("the selector chooses no points", *_home(residual))
        sites = sample_region(problem, residual.region, residual.name, NUM_SAMPLES)
        values = {**site_values(sites, problem.names), **off_the_point([residual.tree], sites, problem.names, problem.box)}
        if problem.domain is not None or problem.has_places:
            _looked_up_inside(problem, residual, sites)
        for part in _known_parts(residual.tree):
            _all_finite(problem, residual, part, sites.points, values)


def _looked_up_inside(problem: Problem, residual: Residual, sites: Sites) -> None:
    try:
        check_lookups(problem, residual, make_term(problem, residual, sites))
    except BadInput as error:
        raise _about(error.message, *_home(residual)) from None


def _known_parts(tree: Node) -> Iterator[Node]:
    """Yield the largest parts without unknowns; branches of where() whose condition needs unknowns are skipped."""
    if not any(isinstance(leaf, (Jet, Integral)) for leaf in leaves(tree)):
        yield tree
    elif isinstance(tree, Call):
        if tree.function == "/":
            yield from _known_parts(
                Call("/", (Number(1.0), tree.arguments[1])) if not jets(tree.arguments[1]) else tree.arguments[1]
            )
        for argument in tree.arguments[:1] if tree.function in ("where", "/") else tree.arguments:
            yield from _known_parts(argument)


def _all_finite(problem: Problem, residual: Residual, part: Node, points: np.ndarray, values: Mapping[Node, np.ndarray]) -> None:
    try:
        with np.errstate(all="ignore"):
            (result,) = Program([part])(values)
    except BadInput as error:
        raise _about(error.message, *_home(residual)) from None
    bad = np.flatnonzero(~np.isfinite(np.broadcast_to(result, len(points))))
    if len(bad):
        more = f" (first of {len(bad)} among {len(points)} points)" if len(bad) > 1 else ""
        raise _about(f"not a finite number at {_place(problem, points[bad[0]])}{more}", *_home(residual))


# conditions --------------------------------------------------------------------------------------------------------------


def _level(problem: Problem) -> None:
    """An unknown that occurs only differentiated is fixed up to a constant; where something was measured that is a remark."""
    for unknown in floating(problem) if not problem.data else ():
        raise _about(f"{unknown} is determined up to a constant; add for instance gauge: mean({unknown}) = 0", "conditions")


def floating(problem: Problem) -> Iterator[str]:
    """Yield the unknowns that occur only differentiated."""
    for unknown in problem.unknown_names:
        plain = any(
            jet.unknown == unknown and any(sum(index) == 0 for index in jet.operator)
            for residual in problem.residuals
            if residual.kind != "periodic"
            for jet in jets(residual.tree)
        )
        if not plain:
            yield unknown


def prescribed_value(residual: Residual) -> tuple[str, Node] | None:
    """Return (unknown, prescribed tree) for a condition u: g without unknowns in g."""
    for leaf in leaves(residual.tree):
        if (
            isinstance(leaf, Jet)
            and residual.kind == "condition"
            and not leaf.image
            and all(sum(index) == 0 for index in leaf.operator)
        ):
            given = _solved_for(residual.tree, leaf)
            if given is not None:
                return leaf.unknown, given
    return None


def _solved_for(tree: Node, leaf: Node) -> Node | None:
    """Return g of the tree u - g (or u), None when it has another form."""
    if tree == leaf:
        return Number(0.0)
    if isinstance(tree, Call) and tree.function in "+-" and tree.arguments[0] == leaf and not jets(tree.arguments[1]):
        sign = -1.0 if tree.function == "+" else 1.0
        return Call("*", (Number(sign), tree.arguments[1]))
    return None


def _twice(problem: Problem) -> None:
    seen: dict[tuple[str, Any], str] = {}
    for condition in problem.conditions:
        given = prescribed_value(condition)
        if given is None:
            continue
        for piece in (piece for piece in condition.region if piece.cut is None):
            key = given[0], (piece.fixed, piece.surface)
            if key in seen:
                place = " and ".join(f"{name} = {value:g}" for name, value in piece.fixed)
                text = f"{given[0]} has two value conditions on {place}: '{seen[key]}' and '{condition.name}'"
                raise _about(text, *_home(condition))
            seen[key] = condition.name


# the exact solution --------------------------------------------------------------------------------------------------------


def _exact(problem: Problem) -> None:
    if not problem.exact:
        return
    for unknown, tree in problem.exact.items():
        points = sample(problem, Piece(cut=problem.domain), f"exact/{unknown}", NUM_SAMPLES)
        values = coordinate_values(points, problem.names)
        with np.errstate(all="ignore"):
            (result,) = Program([tree])(values)
        if not np.isfinite(np.broadcast_to(result, len(points))).any():
            raise _about(f"{unknown} is nowhere a finite number", "exact")
    for residual in problem.laws:
        if {jet.unknown for jet in jets(residual.tree)} <= set(problem.exact):
            _solves(problem, residual, sample_region(problem, residual.region, f"exact/{residual.name}", 128))


def _solves(problem: Problem, residual: Residual, sites: Any) -> None:
    defect = _residual_of_exact(problem, residual.tree, residual, sites)
    size = _residual_of_exact(problem, _largest_part(residual.tree), residual, sites)
    size = np.maximum(size, typical_jet(problem, residual.tree))
    finite = np.isfinite(defect) & np.isfinite(size)
    if not finite.any():
        return
    scale = max(float(size[finite].max()), 1e-300)
    worst = int(np.argmax(np.where(finite, np.abs(defect), -1)))
    if abs(defect[worst]) > EXACT_DEFECT * scale:
        raise _about(
            f"does not satisfy '{residual.name}': left minus right is {defect[worst]:.3g} "
            f"at {_place(problem, sites.points[worst])}, where the parts are of size {size[worst]:.3g}",
            "exact",
        )


def typical_jet(problem: Problem, tree: Node) -> float:
    """Return the largest value that any derivative in the tree takes in the volume: zeros are only zero to rounding."""
    request = tuple({(jet.unknown, (index,)) for jet in jets(tree) for index in jet.operator})
    with np.errstate(all="ignore"):
        values = np.abs(problem.exact_values(request, sample(problem, Piece(cut=problem.domain), "typical", 64)))
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def _largest_part(tree: Node) -> Node:
    """Return the size of the largest summand of a tree (a residual vanishes because they cancel)."""
    if isinstance(tree, Call) and tree.function in ("+", "-"):
        return Call("max", tuple(map(_largest_part, tree.arguments)))
    return Call("abs", (tree,))


def _residual_of_exact(problem: Problem, tree: Node, residual: Residual, sites: Any) -> np.ndarray:
    term = make_term(problem, replace(residual, tree=tree), sites)
    with np.errstate(all="ignore"):
        columns = [problem.exact_values(image.request, image.sites.points, image.sites.side) for image in term.images]
        return np.broadcast_to(np.asarray(term.evaluate(columns), float), len(sites.points))


def _given(problem: Problem) -> None:
    given = problem.given
    if given is not None:
        kept = problem.contains(given.points)
        for unknown, values in given.values.items():
            if not np.isfinite(values[kept]).any():
                raise _about(f"{given.file} has no number for {unknown} in the domain", "reference")


# names --------------------------------------------------------------------------------------------------------


def _unused(namespace: Namespace, mapping: Mapping[str, Any]) -> None:
    constants = {str(name): value for name, value in (mapping.get("constants") or {}).items()}
    elsewhere = ("title", "citation", "class", "units", "fields", "reference")
    text = " ".join(texts({key: value for key, value in mapping.items() if key not in elsewhere}))
    words = re.findall(r"[A-Za-z]\w*", text)
    known = {*words} | {word.rpartition("_")[0] for word in words}
    parameters = {str(name): ({str(name)} | {*namespace.vectors.get(str(name), ())}) for name in mapping.get("parameters") or {}}
    known |= {name for name, parts in parameters.items() if parts & known}
    groups = {
        "constants": ("constant", constants),
        "define": ("definition", namespace.definitions),
        "parameters": ("parameter", parameters),
        "fields": ("field", namespace.fields),
    }
    for key, (group, names) in groups.items():
        for name in names:
            if name not in known:
                others = [other for _, each in groups.values() for other in each if other != name]
                raise _about(f"{group} '{name}' is never used{nearest(name, others)}", key, name)


def texts(value: Any) -> Iterator[str]:
    """Yield every text inside, keys of conditions included, names of declarations left out."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("constants", "define", "parameters") and isinstance(item, Mapping):
                yield from (text for entry in item.values() for text in texts(entry))
            else:
                yield str(key)
                yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value
