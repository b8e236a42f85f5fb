"""What was measured: values of formulas at points, read from a file or made from a formula, with their noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pinn.problem.data.tables import KEYS as TABLE_KEYS
from pinn.problem.data.tables import read_table
from pinn.problem.exact import apply_exact
from pinn.problem.formulas.calculus import ZERO, has_unknowns, multiply, subtract
from pinn.problem.formulas.complex_numbers import pair
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace, Value, point_at
from pinn.problem.formulas.parser import FormulaError, parse
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.tree import Jet, Measured, Name, Node, Number
from pinn.problem.problem import Problem, Residual
from pinn.problem.randomness import generator
from pinn.problem.reading import known_keys, real_number
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import unit_points
from pinn.problem.sites import Sites, tensor_points
from pinn.problem.unknowns import Unknown

At = Callable[..., AbstractContextManager]

MOST_POINTS = 1_000_000
"""Of one set of observations."""

_OPTIONS = ("noise", "add_noise", "seed")


@dataclass(frozen=True, eq=False)
class Observation(Residual):
    """Measured values of one formula: the residual is the formula minus the value, divided by ``size``.

    Attributes
    ----------
    formula : what was measured. points : where, (points, dim). values : what came out, (points,).
    noise : standard deviation of the values as stated, or None.
    files : digest of the file they came from, by its path.
    size : what misfits are divided by, so that the squares of several observations weigh as their noise and their number say.
    """

    formula: Node = ZERO
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    values: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    noise: float | None = None
    size: float = 1.0
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Observation):
            return NotImplemented
        same = (self.name, self.tree, self.noise, self.size) == (other.name, other.tree, other.noise, other.size)
        return same and np.array_equal(self.points, other.points) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.name, self.tree))

    @property
    def sites(self) -> Sites:
        """The points, with the measured values that `tree` reads."""
        return Sites(self.points, columns={self.name: self.values})


@dataclass(frozen=True)
class _Reading:
    """One set of observations: where, and what was measured of which formulas there."""

    points: np.ndarray
    measured: Mapping[str, np.ndarray | Node]
    files: Mapping[str, str] = field(default_factory=dict)


def read_observations(
    mapping: Mapping[str, Any], problem: Problem, namespace: Namespace, at: At, register: Callable[[str, str], str]
) -> tuple[Observation, ...]:
    """Return the observations of a problem.

    Parameters
    ----------
    problem : as far as it is read; its domain says where points may lie, its exact formulas what ``exact`` means.
    register : refuses names that are taken.

    Raises
    ------
    BadInput : entries that cannot be used, points outside the domain.
    """
    found: list[Observation] = []
    for name, entry in (mapping.get("data") or {}).items():
        with at("data", name):
            register(str(name), "data")
            if not isinstance(entry, Mapping):
                raise BadInput("observations are written {file: ...}, or {points: ..., u: values}")
            found += _observations(str(name), entry, problem, namespace, at)
    return _balanced(found)


def _observations(name: str, entry: Mapping, problem: Problem, namespace: Namespace, at: At) -> list[Observation]:
    noise = _deviation(entry, "noise", namespace)
    added = _deviation(entry, "add_noise", namespace)
    if noise is not None and added is not None:
        raise BadInput("either noise (stated) or add_noise (added to made values), not both")
    reading = _from_file(name, entry, problem, namespace) if "file" in entry else _from_points(name, entry, problem, namespace, at)
    _check_places(reading.points, problem)
    found = []
    for text, given in reading.measured.items():
        with at(text):
            for ending, formula, values in _rows(text, given, reading.points, problem, namespace):
                label = f"data.{name}" + ("" if len(reading.measured) == 1 else f".{text.replace(' ', '')}") + ending
                if added:
                    values = values + added * generator(_seed(entry), f"noise/{label}").standard_normal(len(values))
                tree, piece = subtract(formula, Measured(label)), (Piece(free=problem.names),)
                shown = f"{text} as measured at {len(values)} point{'s' if len(values) > 1 else ''}"
                known = formula, reading.points, values, added or noise
                found.append(Observation(label, "data", shown, tree, piece, name, None, *known, files=reading.files))
    return found


def _deviation(entry: Mapping, key: str, namespace: Namespace) -> float | None:
    if entry.get(key) is None:
        return None
    value = real_number(entry[key], namespace, "the standard deviation of the noise, a number greater than 0")
    if not value > 0:
        raise BadInput(f"{key} must be a standard deviation greater than 0, got {entry[key]!r}")
    return value


def _seed(entry: Mapping) -> int:
    seed = entry.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadInput(f"seed must be a whole number of at least 0, got {seed!r}")
    return seed


# points and formulas -----------------------------------------------------------------------------------------------------


def _from_points(name: str, entry: Mapping, problem: Problem, namespace: Namespace, at: At) -> _Reading:
    if "points" not in entry:
        raise BadInput("no points: write {points: {x: [first, last, number], ...}, u: values}, a number of points, or file: ...")
    with at("points"):
        points = _points(entry["points"], name, _seed(entry), problem, namespace)
    lefts = {str(key): value for key, value in entry.items() if key not in ("points", *_OPTIONS)}
    known = [key for key in lefts if key in (*TABLE_KEYS, "take")]
    if known:
        raise BadInput(f"'{known[0]}' belongs to observations from a file")
    if not lefts:
        raise BadInput("nothing is measured here; write for instance u: 0.3")
    return _Reading(points, {left: _formula(right) for left, right in lefts.items()})


def _formula(text: Any) -> Node:
    return parse(text)


def _points(given: Any, name: str, seed: int, problem: Problem, namespace: Namespace) -> np.ndarray:
    """Return points (points, dim): so many random ones, or a tensor grid."""
    if isinstance(given, int) and not isinstance(given, bool):
        if not 1 <= given <= MOST_POINTS:
            raise BadInput(f"must be from 1 to {MOST_POINTS} points, got {given}")
        return _random_points(given, name, seed, problem)
    if not isinstance(given, Mapping):
        raise BadInput(f"must be a number of random points, or a mapping such as {{x: [0, 1, 11]}}, got {given!r}")
    for key in given:
        if key not in problem.names:
            raise BadInput(f"'{key}' is not a coordinate{nearest(str(key), problem.names)}")
    missing = [each for each in problem.names if each not in given]
    if missing:
        raise BadInput(f"coordinate {missing[0]} is missing; give {', '.join(problem.names)}")
    axes = [_axis(given[each], each, namespace) for each in problem.names]
    if math.prod(map(len, axes)) > MOST_POINTS:
        raise BadInput(f"more than {MOST_POINTS} points")
    points = tensor_points(axes)
    return points[problem.contains(points)] if problem.domain is not None else points


def _axis(entry: Any, name: str, namespace: Namespace) -> np.ndarray:
    if not isinstance(entry, list):
        return np.array([real_number(entry, namespace, f"a number, or [first, last, number], for {name}")])
    if len(entry) != 3 or isinstance(entry[2], bool) or not isinstance(entry[2], int) or entry[2] < 1:
        raise BadInput(f"{name} must be a number, or [first, last, number] with a whole number of places, got {entry!r}")
    first, last = (real_number(item, namespace, f"a number for {name}") for item in entry[:2])
    return np.linspace(first, last, entry[2])


def _random_points(num: int, name: str, seed: int, problem: Problem) -> np.ndarray:
    """Return points evenly at random in the domain, a function of name and seed alone."""
    rng, low, high = generator(seed, f"observations/{name}"), *problem.box.T
    found = np.empty((0, problem.dim))
    for _ in range(1000):
        points = low + (high - low) * unit_points("uniform", num, problem.dim, rng)
        found = np.concatenate([found, points[problem.inside(points)]])
        if len(found) >= num:
            return found[:num]
    raise BadInput("the domain is too small to find random points in it")


def _check_places(points: np.ndarray, problem: Problem) -> None:
    if not len(points):
        raise BadInput("there are no points in the domain")
    low, high = problem.box.T
    slack = 1e-9 * (high - low)
    outside = ((points < low - slack) | (points > high + slack)).any(axis=1)
    if not outside.any() and problem.domain is not None:
        outside = ~problem.contains(points)
    if outside.any():
        place = ", ".join(f"{name}={value:.6g}" for name, value in zip(problem.names, points[np.argmax(outside)], strict=True))
        raise BadInput(f"{outside.sum()} of {len(points)} points lie outside the domain, the first one at {place}")


def _rows(
    text: str, given: np.ndarray | Node, points: np.ndarray, problem: Problem, namespace: Namespace
) -> list[tuple[str, Node, np.ndarray]]:
    """Return ending of the name, formula and measured values of every real quantity that a left side stands for."""
    try:
        left = Expander(namespace).expand(parse(text))
    except FormulaError as error:
        raise point_at(text, error) from None
    formulas = _real_parts(left)
    if not any(has_unknowns(formula) for _, formula in formulas):
        raise BadInput(f"'{text}' holds no unknown: nothing can be learnt from it")
    if isinstance(given, np.ndarray):
        values = _columns(given, len(formulas), text)
    else:
        values = [_evaluated(tree, points, problem) for tree in _required(given, left, problem, namespace)]
    if len(values) != len(formulas):
        raise BadInput(f"'{text}' stands for {len(formulas)} numbers, its value for {len(values)}")
    return [(ending, formula, each) for (ending, formula), each in zip(formulas, values, strict=True)]


def _real_parts(value: Value) -> list[tuple[str, Node]]:
    """Return the real numbers in a value with the ending of each one's name: ``.1`` of a vector, ``.real`` of a complex number."""
    if isinstance(value, tuple):
        pairs = [(number, part) for number, item in enumerate(value, 1) for part in _real_parts(item)]
        return [(f".{number}{ending}", tree) for number, (ending, tree) in pairs]
    both = pair(value)
    return [("", value)] if isinstance(value, Node) else [(".real", both.real), (".imag", both.imag)]


def _required(right: Node, left: Value, problem: Problem, namespace: Namespace) -> list[Node]:
    if right == Name("exact"):
        return [apply_exact(tree, problem.exact, problem.names) for _, tree in _real_parts(left)]
    value = Expander(namespace).expand(right)
    trees = [tree for _, tree in _real_parts(value)]
    if any(has_unknowns(tree) for tree in trees):
        raise BadInput("the measured value must be known: a formula of coordinates, or exact")
    return trees


def _evaluated(tree: Node, points: np.ndarray, problem: Problem) -> np.ndarray:
    with np.errstate(all="ignore"):
        (values,) = Program([tree])(coordinate_values(points, problem.names))
    values = np.broadcast_to(np.asarray(values, float), len(points)).copy()
    if not np.isfinite(values).all():
        place = points[int(np.argmin(np.isfinite(values)))]
        shown = ", ".join(f"{name}={value:.6g}" for name, value in zip(problem.names, place, strict=True))
        raise BadInput(f"the measured value is not a finite number at {shown}")
    return values


def _columns(given: np.ndarray, count: int, text: str) -> list[np.ndarray]:
    """Return the real columns of measured numbers, (points,) or (points, components), real or complex."""
    parts = [given] if given.ndim == 1 else list(given.T)
    found = [half for part in parts for half in ((part.real, part.imag) if np.iscomplexobj(part) else (part,))]
    if len(found) != count:
        raise BadInput(f"'{text}' stands for {count} numbers at each point, the file has {len(found)}")
    return [np.ascontiguousarray(part, float) for part in found]


# files ---------------------------------------------------------------------------------------------------------------------


def _from_file(name: str, entry: Mapping, problem: Problem, namespace: Namespace) -> _Reading:
    known_keys(entry, (*TABLE_KEYS, "take", *_OPTIONS))
    table = read_table(entry, namespace.box, namespace.time).flat()
    missing = [name for name in problem.names if name not in table.coordinates]
    if missing:
        raise BadInput(f"{table.name}: needs the column {missing[0]} to say where each value was measured")
    table.refuse_outside(namespace.box)
    rows = _taken(entry, table.num_rows, name)
    columns = {text: column[rows] for text, column in table.columns.items()}
    return _Reading(table.points[rows], columns, {table.file: table.digest})


def _taken(entry: Mapping, num: int, name: str) -> np.ndarray:
    """Return the numbers of the rows that are used: all, or ``take`` random ones."""
    take = entry.get("take")
    if take is None:
        return np.arange(num)
    if isinstance(take, bool) or not isinstance(take, int) or not 1 <= take <= num:
        raise BadInput(f"take must be a whole number from 1 to {num}, the rows of the file, got {take!r}")
    return np.sort(generator(_seed(entry), f"rows/{name}").choice(num, take, replace=False))


# weights -------------------------------------------------------------------------------------------------------------------


def _balanced(found: list[Observation]) -> tuple[Observation, ...]:
    """Return observations with the sizes that make the sum of their mean squares a multiple of Σ (misfit / noise)².

    The most precise one, measured by its noise relative to its values, is divided by the root mean square of its values. Where no
    noise is stated each is divided by that of its own values.
    """
    if not found:
        return ()
    sizes = [_typical(each) for each in found]
    if all(each.noise for each in found):
        common = max(size / each.noise for size, each in zip(sizes, found, strict=True) if each.noise)
        most = max(len(each.values) for each in found)
        sizes = [each.noise * common * math.sqrt(most / len(each.values)) for each in found if each.noise]
    pairs = zip(found, sizes, strict=True)
    return tuple(replace(each, size=size, tree=multiply(Number(1 / size), each.tree)) for each, size in pairs)


def _typical(each: Observation) -> float:
    """Return the root mean square of measured values, or of their noise where they vanish."""
    return float(np.sqrt(np.mean(np.square(each.values)))) or each.noise or 1.0


def sized(unknowns: Sequence[Unknown], found: Sequence[Observation]) -> tuple[Unknown, ...]:
    """Return unknowns whose typical size, where it is not stated, is that of their measured values."""
    sizes: dict[str, float] = {}
    for each in found:
        if isinstance(each.formula, Jet) and not any(map(any, each.formula.operator)):
            sizes.setdefault(each.formula.unknown, float(f"{_typical(each):.2g}"))
    return tuple(replace(each, scale=each.scale or (None if each.is_number else sizes.get(each.name))) for each in unknowns)
