"""What a problem declares before its equations: coordinates, unknowns, constants and definitions, in one namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pinn.problem.data.fields import read_fields, stand_ins
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import BadKey, Namespace, Value, point_at
from pinn.problem.formulas.parser import RESERVED, FormulaError, parse
from pinn.problem.formulas.tree import Node, Number
from pinn.problem.parameters import KINDS, Parameter, read_parameter
from pinn.problem.places import with_places
from pinn.problem.reading import At, components, constant, known_keys, real_number, section
from pinn.problem.settings import BadInput, nearest
from pinn.problem.shapes.bodies import with_bodies
from pinn.problem.unknowns import Unknown, read_unknowns


@dataclass(frozen=True)
class Declarations:
    """The namespace of a problem, what the person stated of its scalar unknowns by name, and digests of the files read."""

    namespace: Namespace
    unknowns: Mapping[str, Unknown]
    files: Mapping[str, str]


def declare(mapping: Mapping[str, Any], at: At, tables: bool = True) -> Declarations:
    """Read the declarations of a problem, and with ``tables`` the files of its fields.

    Raises
    ------
    BadInput : a name that is reserved, declared twice or hides a derivative; a range that is empty; a circle of constants.
    """
    definitions = section(mapping, "define", at, "formulas")
    parameters = section(mapping, "parameters", at, "ranges, for instance {nu: [0.1, 1]}")
    without = Namespace(parameters=dict.fromkeys(map(str, parameters)))
    namespace = replace(without, constants=_constants(section(mapping, "constants", at, "values"), without, at))
    namespace = _parameters(parameters, _coordinates(mapping, namespace, at), at)
    namespace, unknowns = read_unknowns(mapping, namespace, at)
    fields = section(mapping, "fields", at, "tables, for instance {k: {file: k.csv}}")
    namespace = replace(namespace, definitions=_definitions(definitions, at), fields=dict.fromkeys(map(str, fields), Number(0.0)))
    _check_names(mapping, namespace, at)
    values, files = read_fields(fields, mapping, namespace, at) if tables else (stand_ins(fields, namespace), {})
    namespace = replace(namespace, fields=values)
    namespace = with_places(mapping, with_bodies(mapping, namespace, at), at)
    for name, tree in namespace.definitions.items():
        with at("define", name):
            try:
                Expander(namespace, surface=True, pending=(name,)).expand(tree)
            except FormulaError as error:
                raise point_at(str(definitions[name]), error) from None
    namespace.used.clear()
    return Declarations(namespace, unknowns, files)


def _constants(given: Mapping[str, Any], namespace: Namespace, at: At) -> dict[str, Value]:
    """Evaluate constants in any order; a constant may be a number, a formula, a list or a list of lists."""
    done: dict[str, Value] = {}

    def value(name: str, pending: tuple[str, ...]) -> Value:
        if name in done:
            return done[name]
        if name in pending:
            circle = " -> ".join((*pending[pending.index(name) :], name))
            raise BadInput(f"constant '{name}' is defined by itself: {circle}").about("constants", name)
        try:
            done[name] = read(given[name], (*pending, name))
        except BadInput as error:  # may be about a constant that this one uses
            raise (error if error.path else error.about("constants", name)) from None
        return done[name]

    def read(entry: Any, pending: tuple[str, ...]) -> Value:
        if isinstance(entry, list):
            if not entry:
                raise BadInput("an empty list")
            return tuple(read(item, pending) for item in entry)
        tree = parse(entry)
        wanted = {other: value(other, pending) for other in _names_in(tree) if other in given}
        return constant(tree, replace(namespace, constants=wanted), entry)

    for name in given:
        with at("constants", name):
            value(name, ())
    return done


def _names_in(tree: Node) -> set[str]:
    return set(re.findall(r"[A-Za-z]\w*", str(tree)))


def _bounds(entry: Any, namespace: Namespace) -> tuple[float, float]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise BadInput(f"a range is a list of two numbers, [low, high], got {'nothing' if entry is None else repr(entry)}")
    ends = []
    for item in entry:
        value = constant(parse(item), namespace, item)
        if not isinstance(value, Number):
            raise BadInput(f"a bound is one real number, got '{item}'")
        ends.append(value.value)
    if not ends[0] < ends[1]:
        raise BadInput(f"the lower bound must be below the upper bound, got [{ends[0]:g}, {ends[1]:g}]")
    return ends[0], ends[1]


def _coordinates(mapping: Mapping, namespace: Namespace, at: At) -> Namespace:
    given = section(mapping, "coordinates", at, "ranges, for instance {x: [0, 1], t: [0, 1]}")
    box: dict[str, tuple[float, float]] = {}
    vectors: dict[str, tuple[str, ...]] = {}
    for name, entry in given.items():
        with at("coordinates", name):
            settings = entry if isinstance(entry, Mapping) else {"range": entry}
            known_keys(settings, ("range", "dimension"))
            bounds = _bounds(settings.get("range"), namespace)
            parts = components(str(name), settings)
            if parts != (name,):
                vectors[str(name)] = parts
            box.update(dict.fromkeys(parts, bounds))
    time = mapping.get("time", "t" if "t" in box else None)
    with at("time"):
        if time is not None and not (isinstance(time, str) and time in box):
            raise BadInput(f"'{time}' is not a coordinate{nearest(str(time), box)}")
    return replace(namespace, coordinates=tuple(box), box=box, time=time, vectors=vectors)


def _parameters(given: Mapping[str, Any], namespace: Namespace, at: At) -> Namespace:
    """Return the namespace in which parameters are coordinates, after all others."""
    found: dict[str, Parameter] = {}
    vectors = dict(namespace.vectors)
    for name, entry in given.items():
        with at("parameters", name):
            if isinstance(entry, Mapping):
                known_keys(entry, (*KINDS, "scale", "dimension"))
            read = read_parameter(str(name), entry, lambda item: _bounds(item, namespace), lambda item: _pair(item, namespace))
            parts = components(str(name), entry if isinstance(entry, Mapping) else {})
            for part in {str(name), *parts} & {*namespace.coordinates, *vectors, *found}:
                raise BadKey(f"the name '{part}' is already declared")
            if parts != (name,):
                vectors[str(name)] = parts
            found |= {part: replace(read, name=part, vector=str(name)) for part in parts}
    box = dict(namespace.box) | {name: parameter.ends for name, parameter in found.items()}
    return replace(namespace, coordinates=(*namespace.coordinates, *found), parameters=found, box=box, vectors=vectors)


def _pair(entry: Any, namespace: Namespace) -> list[float]:
    """Return the mean and the standard deviation of a normal distribution."""
    if not isinstance(entry, list) or len(entry) != 2:
        raise BadInput(f"normal is a list of two numbers, [mean, std], got {entry!r}")
    return [real_number(item, namespace) for item in entry]


def _definitions(given: Mapping[str, Any], at: At) -> dict[str, Node]:
    trees = {}
    for name, text in given.items():
        with at("define", name):
            trees[name] = parse(text)
    return trees


def _check_names(mapping: Mapping, namespace: Namespace, at: At) -> None:
    groups = {
        "coordinates": _declared(
            namespace, mapping["coordinates"], [x for x in namespace.coordinates if x not in namespace.parameters]
        ),
        "parameters": _declared(namespace, mapping.get("parameters") or {}, namespace.parameters),
        "unknowns": _declared(namespace, mapping["unknowns"], [*namespace.unknowns, *namespace.complex]),
        "constants": list(namespace.constants),
        "define": list(namespace.definitions),
        "fields": list(namespace.fields),
        "shapes": [str(name) for name in section(mapping, "shapes", at, "selectors")],
    }
    owner: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            with at(group, *([name] if isinstance(mapping.get(group), Mapping) and name in mapping[group] else [])):
                _check_name(name, namespace)
                if name in owner:
                    raise BadKey(f"the name '{name}' is already declared in {owner[name]}")
                owner[name] = group


def _declared(namespace: Namespace, given: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return names and the vectors that are declared with them."""
    return [*names, *(name for name in namespace.vectors if name in given)]


def _check_name(name: str, namespace: Namespace) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", name):
        raise BadKey(f"the name '{name}' must be a letter, then letters, digits and single underscores")
    if name == "n":
        raise BadKey("the name 'n' is reserved for the outward normal; call it m or ne")
    if name in RESERVED:
        raise BadKey(f"the name '{name}' is reserved")
    try:
        parse(name)
    except FormulaError as error:
        raise BadKey(error.message) from None
    if namespace.reads_as_derivative(name):
        base, _, letters = name.rpartition("_")
        raise BadKey(f"the name '{name}' reads as the derivative of '{base}' along {letters}; rename it")
