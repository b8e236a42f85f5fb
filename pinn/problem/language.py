"""From the text of a problem (plain values, as YAML gives them) to a `Problem`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinn.problem import checks
from pinn.problem.classes import read_class
from pinn.problem.data.given import read_given
from pinn.problem.data.tables import with_absolute_files
from pinn.problem.declarations import Declarations, declare
from pinn.problem.exact import apply_exact, read_exact
from pinn.problem.formulas.calculus import has_unknowns, subtract
from pinn.problem.formulas.complex_numbers import Complex, build_scalar
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import BadKey, Namespace, point_at
from pinn.problem.formulas.parser import FormulaError, parse, parse_equation
from pinn.problem.formulas.source import caret
from pinn.problem.formulas.tree import Jet, Name, Node, Number, Position
from pinn.problem.notes import notes
from pinn.problem.observations import read_observations, sized
from pinn.problem.places import from_both_sides
from pinn.problem.problem import Coordinate, Problem, Residual
from pinn.problem.reading import section
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes import selectors
from pinn.problem.shapes.bodies import inside_of
from pinn.problem.shapes.pieces import Piece
from pinn.problem.text import plain, read_text

Where = Callable[[tuple, int | None], Position | None]
"""Tells where the value at a path of keys (and an offset in it) stands in a file; the offset None asks for the key."""

KEYS = [
    "title",
    "citation",
    "class",
    "coordinates",
    "time",
    "parameters",
    "unknowns",
    "constants",
    "define",
    "fields",
    "shapes",
    "domain",
    "interfaces",
    "equations",
    "conditions",
    "data",
    "exact",
    "manufactured",
    "reference",
    "quantities",
    "units",
]
_SETTINGS = ("network", "solver", "points", "weights", "hard", "seed", "device", "precision", "accuracy", "report", "threads")
"""Words that belong to a run, which people write into problems."""


def load_problem(path: str | Path, tables: bool = True) -> Problem:
    """Read a problem file, with ``tables`` also the files of numbers it names (see `read_problem`).

    Raises
    ------
    BadInput : with file, line and a caret.
    """
    document = read_text(path)
    mapping = with_absolute_files(document.mapping, Path(path).parent)
    return read_problem(mapping, Path(path).stem, document.position, tables)


def _advice(key: str) -> str:
    """Return what to do about an unknown key."""
    if key in _SETTINGS:
        return f": a problem says what is asked; '{key}' is a setting of the run, given after the file: pinn run FILE {key}..."
    return f"{nearest(key, KEYS)}; keys: {', '.join(KEYS)}"


def read_problem(mapping: Mapping[str, Any], name: str = "problem", where: Where | None = None, tables: bool = True) -> Problem:
    """Return the problem described by plain values.

    Parameters
    ----------
    mapping : what stands in the file: ``coordinates``, ``unknowns``, ``equations``, ``conditions`` and the optional keys. Tuples
        and NumPy arrays count as lists; `Problem.source` holds a copy in plain values.
    name : short name used in tables and folders.
    where : tells where a value stands, for messages; without it the path of keys is shown.
    tables : False leaves files of numbers unread and values unchecked, for those who only look at the formulas.

    Raises
    ------
    BadInput : one line that says what is wrong, with a caret under the formula it is about.
    """
    try:
        return _Reader(with_absolute_files(plain(mapping, name), Path()), name, where, tables).problem()
    except RecursionError:
        raise BadInput(f"{name}: a formula is nested too deep") from None


class _Reader:
    def __init__(self, mapping: Mapping[str, Any], name: str, where: Where | None, tables: bool):
        self.mapping, self.name, self.where, self.tables = mapping, name, where, tables
        self.path: tuple = ()

    @contextmanager
    def at(self, *path: Any) -> Iterator[None]:
        """Complain about what goes wrong inside with the place it stands at."""
        outer, self.path = self.path, (*self.path, *path)
        try:
            yield
        except BadInput as error:
            if error.placed:
                raise
            raise self._placed(error) from None
        finally:
            self.path = outer

    def _placed(self, error: BadInput) -> BadInput:
        path = self.path if error.path is None else error.path
        offset = None if isinstance(error, BadKey) else error.column if isinstance(error, FormulaError) else 0
        position = self.where(path, offset) if self.where else None
        place = self.name if position is None else f"{Path(position.file).name} line {position.line}"
        keys = ".".join(str(key) for key in path[: -1 if isinstance(error, BadKey) else None])
        detail = error.detail if position is None else caret(position)
        placed = BadInput(f"{place}: {keys}: {error.message}" if keys else f"{place}: {error.message}", detail=detail)
        placed.placed = True
        return placed

    def problem(self) -> Problem:
        with self.at():
            self._check_keys()
        self.declarations: Declarations = declare(self.mapping, self.at, self.tables)
        self.namespace: Namespace = self.declarations.namespace
        with self.at("exact"):
            self.exact = read_exact(self.mapping, self.namespace, self.at)
        with self.at("reference"):
            given = read_given(self.mapping.get("reference") if self.tables else None, self.namespace)
        self.term_names: dict[str, str] = {}
        problem = Problem(
            name=self.name,
            title=str(self.mapping.get("title") or self.name),
            citation=str(self.mapping.get("citation") or ""),
            class_=read_class(self.mapping, self.at),
            coordinates=tuple(
                Coordinate(x, *self.namespace.box[x], self.namespace.parameters.get(x)) for x in self.namespace.coordinates
            ),
            time=self.namespace.time,
            unknowns=tuple(
                replace(unknown, place=self.namespace.places.get(name)) for name, unknown in self.declarations.unknowns.items()
            ),
            equations=tuple(self._equations()),
            interfaces=self.namespace.interfaces,
            domain=self.namespace.domain,
            edges=self.namespace.edges,
            exact=self.exact,
            given=given,
            units=self._units(),
            files=self.declarations.files,
            source=self.mapping,
        )
        problem = self._with_conditions(problem)
        problem = replace(problem, quantities=self._quantities())
        if not self.tables:
            return problem
        with self.at():
            section(self.mapping, "data", self.at, "observations")
            observed = read_observations(self.mapping, problem, self.namespace, self.at, self._register)
        files = {**problem.files, **{file: digest for each in observed for file, digest in each.files.items()}}
        problem = replace(problem, data=observed, unknowns=sized(problem.unknowns, observed), files=files)
        with self.at():
            missing = checks.check(problem, self.namespace, self.mapping)
        return replace(problem, warnings=(*missing, *notes(problem, self.mapping)))

    def _check_keys(self) -> None:
        for key in self.mapping:
            with self.at(key):
                if key not in KEYS:
                    raise BadKey(f"unknown key '{key}'{_advice(str(key))}")
        for key in ("coordinates", "unknowns", "equations"):
            if not self.mapping.get(key):
                raise BadInput(f"'{key}' is missing or empty; a problem needs coordinates, unknowns, equations and conditions")

    # formulas --------------------------------------------------------------------------------------------------------

    def _equation(self, text: Any) -> tuple[dict[str, Node], str]:
        """Return the expanded trees, left minus right, by their ending of the name, and the printed formula."""
        left, right = parse_equation(text)
        with self._pointing(text):
            sides = [Expander(self.namespace).complex_scalar(side) for side in (left, right)]
            return _real_rows(build_scalar("-", *sides)), f"{left} = {right}"

    @contextmanager
    def _pointing(self, text: Any) -> Iterator[None]:
        try:
            yield
        except FormulaError as error:
            raise point_at(text if isinstance(text, str) else "", error) from None

    def _register(self, name: str, place: str) -> str:
        if not re.fullmatch(r"[A-Za-z]\w*", str(name)):
            raise BadInput(f"the name '{name}' must be a letter followed by letters, digits and underscores")
        if name in self.term_names:
            raise BadInput(f"the name '{name}' is already used in {self.term_names[name]}; terms of the loss need different names")
        self.term_names[name] = place
        return name

    # parts -----------------------------------------------------------------------------------------------------------

    def _equations(self) -> Iterator[Residual]:
        region = (selectors.volume(self.namespace),)
        forced = self.mapping.get("manufactured")
        with self.at("manufactured"):
            if not (forced is None or isinstance(forced, bool)):
                raise BadInput(f"must be true or false, got {forced!r}")
        for name, text in section(self.mapping, "equations", self.at, "equations").items():
            with self.at("equations", name):
                part: tuple[Piece, ...] = region
                if isinstance(text, Mapping):
                    part, text = self._part(text)
                rows, printed = self._equation(text)
                if not any(map(has_unknowns, rows.values())):
                    raise BadInput("the equation does not contain an unknown")
                self._register(str(name), "equations")
                for ending, tree in rows.items():
                    if forced:
                        tree = subtract(tree, self._forcing(tree))
                    text = f"{printed} + forcing" if forced else printed
                    yield Residual(f"{name}{ending}", "equation", text, tree, part, str(name))

    def _part(self, entry: Mapping) -> tuple[tuple[Piece, ...], Any]:
        """Return where an equation holds, and its text."""
        if set(entry) != {"at", "equation"}:
            raise BadInput("an equation on a part of the domain is written {at: selector, equation: left = right}")
        with self.at("at"), self._pointing(entry["at"]):
            return selectors.select_volume(entry["at"], self.namespace), entry["equation"]

    def _forcing(self, tree: Node) -> Node:
        missing = sorted(set(self.namespace.unknowns) - set(self.exact))
        if missing:
            raise BadInput(f"manufactured: true needs an exact formula for {', '.join(missing)}")
        return apply_exact(tree, self.exact, self.namespace.coordinates)

    def _with_conditions(self, problem: Problem) -> Problem:
        rows: list[Residual] = []
        periodic: list[str] = []
        free: list[tuple[str, Piece]] = []
        for name, entry in section(self.mapping, "conditions", self.at, "conditions").items():
            with self.at("conditions", name):
                self._register(str(name), "conditions")
                if not isinstance(entry, Mapping):
                    rows += self._regionless(str(name), entry)
                elif "periodic" in entry:
                    found, axes = self._periodic(str(name), entry, problem)
                    rows += found
                    periodic += axes
                elif "free" in entry:
                    free += self._free(entry)
                else:
                    rows += self._on_region(str(name), entry)
        return replace(problem, conditions=tuple(rows), periodic=tuple(dict.fromkeys(periodic)), free=tuple(free))

    def _regionless(self, name: str, text: Any) -> list[Residual]:
        rows, printed = self._equation(text)
        space = self.namespace
        found = []
        for ending, tree in rows.items():
            if not has_unknowns(tree):
                raise BadInput("the condition does not contain an unknown")
            free = selectors.matters(tree, space.coordinates)
            fixed = tuple((x, space.box[x][0]) for x in space.coordinates if x not in free)
            found.append(Residual(f"{name}{ending}", "condition", printed, tree, (Piece(fixed, None, None, free),), name, None))
        return found

    def _periodic(self, name: str, entry: Mapping, problem: Problem) -> tuple[list[Residual], list[str]]:
        if set(entry) != {"periodic"}:
            raise BadInput("a periodic condition has no other key; write {periodic: x}")
        axes = [part for axis in _listed(entry["periodic"]) for part in self.namespace.vectors.get(axis, (axis,))]
        rows = []
        for axis in axes:
            if axis not in self.namespace.space:
                raise BadInput(f"'{axis}' is not a space coordinate{nearest(axis, self.namespace.space)}")
            rows += self._wrapped(name, axis, problem, len(axes) > 1)
        return rows, axes

    def _wrapped(self, name: str, axis: str, problem: Problem, several: bool) -> list[Residual]:
        """Value and derivatives up to one below the highest order agree on both faces across ``axis``."""
        coordinates, (low, high) = self.namespace.coordinates, self.namespace.box[axis]
        free = tuple(x for x in coordinates if x != axis)
        cut = inside_of(self.namespace.domain, axis, (low, high), -1)
        region = (Piece(((axis, low),), (axis, -1), None if isinstance(cut, bool) else cut, free),)
        rows = []
        for unknown, depends in self.namespace.unknowns.items():
            if axis not in depends:
                continue
            for order in range(max(problem.order(unknown, axis), 1)):
                operator = (tuple(order * (x == axis) for x in coordinates),)
                left, right = (Jet(unknown, operator, ((axis, Number(value)),)) for value in (low, high))
                shown = unknown + ("_" + axis * order if order else "")
                text = f"{shown}({axis}={low:g}) = {shown}({axis}={high:g})"
                row = f"{name}.{axis}.{shown}" if several else f"{name}.{shown}"
                rows.append(Residual(row, "periodic", text, subtract(left, right), region, name, unknown))
        return rows

    def _free(self, entry: Mapping) -> list[tuple[str, Piece]]:
        if set(entry) - {"at", "free"} or "at" not in entry:
            raise BadInput("write {at: selector, free: u}")
        pieces, unknowns = self._select(entry["at"]), _listed(entry["free"])
        for unknown in unknowns:
            if not self.namespace.parts(unknown):
                raise BadInput(f"'{unknown}' is not an unknown{nearest(unknown, self.namespace.unknowns)}")
        return [(part, piece) for unknown in unknowns for part in self.namespace.parts(unknown) for piece in pieces]

    def _select(self, text: Any) -> tuple[Piece, ...]:
        with self.at("at"), self._pointing(text):
            return selectors.select(text, self.namespace)

    def _on_region(self, name: str, entry: Mapping) -> list[Residual]:
        if "at" not in entry:
            sides = ", ".join(str(key) for key in entry)
            raise BadInput(
                f"no region: add at: (boundary, x = 0, t = 0 ...) to {{{sides}}}, or write the condition as one equation"
            )
        region = self._select(entry["at"])
        lefts = {str(key): value for key, value in entry.items() if key != "at"}
        if not lefts:
            raise BadInput("nothing is required here; write for instance u: 0, or free: u")
        rows = []
        for left, right in lefts.items():
            with self.at(left):
                row = name if len(lefts) == 1 else f"{name}.{left.replace(' ', '')}"
                rows += self._condition(row, name, left, right, region)
        return rows

    def _condition(self, row: str, name: str, left: str, right: Any, region: tuple[Piece, ...]) -> list[Residual]:
        on_walls = all(piece.has_normals for piece in region)
        inner = all(piece.is_inner for piece in region)
        expander = Expander(self.namespace, surface=on_walls, interface=inner)
        with self._pointing(left):
            left_tree = parse(left)
            value = expander.complex_scalar(left_tree)
        with self._pointing(right):
            right_tree = parse(right)
            required = self._exact_value(value) if right_tree == Name("exact") else expander.complex_scalar(right_tree)
        found = []
        for ending, tree in _real_rows(build_scalar("-", value, required)).items():
            if not has_unknowns(tree):
                raise BadInput("the condition does not contain an unknown")
            text = f"{left_tree} = {right_tree}"
            whole = Residual(f"{row}{ending}", "condition", text, tree, region, name, self._determined(left_tree, ending))
            found += from_both_sides(whole, self.namespace)
        return found

    def _exact_value(self, value: Node | Complex) -> Node | Complex:
        def put_in(tree: Node) -> Node:
            return apply_exact(tree, self.exact, self.namespace.coordinates)

        return value.map(put_in) if isinstance(value, Complex) else put_in(value)

    def _determined(self, left: Node, ending: str) -> str | None:
        """Return the unknown that a plain left side (u, u_n, u_t) determines."""
        if isinstance(left, Name):
            for name in (left.name, left.name.rpartition("_")[0]):
                parts = self.namespace.parts(name)
                if parts and len(parts) <= 2:
                    return parts[-1 if ending == ".imag" else 0]
        return None

    def _units(self) -> dict[str, str]:
        given = section(self.mapping, "units", self.at, "labels, for instance {x: m, u: K}")
        return {name: str(label) for name, label in given.items()}

    def _quantities(self) -> dict[str, Node]:
        trees = {}
        for name, text in section(self.mapping, "quantities", self.at, "formulas").items():
            with self.at("quantities", name), self._pointing(text):
                trees[self._register(name, "quantities")] = Expander(self.namespace).scalar(parse(text))
        return trees


def _listed(value: Any) -> list[str]:
    """Return a name, or a list of names, as a list."""
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise BadInput(f"must be a name or a list of names, got {value!r}")
    return names


def _real_rows(value: Node | Complex) -> dict[str, Node]:
    """Return the real residuals of a residual that may be complex, by their ending of the name."""
    if not isinstance(value, Complex):
        return {"": value}
    return {".real": value.real, ".imag": value.imag}
