"""What a problem declares before its equations: coordinates, unknowns, constants and definitions, in one namespace."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from pinn.problem.bodies import with_bodies
from pinn.problem.complex_numbers import Complex
from pinn.problem.expand import Expander
from pinn.problem.formula import RESERVED, FormulaError, parse
from pinn.problem.namespace import BadKey, Namespace, Value, point_at
from pinn.problem.places import with_places
from pinn.problem.settings import BadInput, nearest
from pinn.problem.tree import Node, Number

At = Callable[..., AbstractContextManager]
"""Names the place of what is read inside, for messages."""

MAX_DIMENSION = 1000


@dataclass(frozen=True)
class Declarations:
    """The namespace of a problem and the typical sizes that the person stated for its unknowns."""

    namespace: Namespace
    scales: Mapping[str, float]


def declare(mapping: Mapping[str, Any], at: At) -> Declarations:
    """Read the declarations of a problem.

    Raises
    ------
    BadInput : a name that is reserved, declared twice or hides a derivative; a range that is empty; a circle of constants.
    """
    definitions = section(mapping, "define", at, "formulas")
    namespace = Namespace(constants=_constants(section(mapping, "constants", at, "values"), at))
    namespace = _coordinates(mapping, namespace, at)
    namespace, scales = _unknowns(mapping, namespace, at)
    namespace = replace(namespace, definitions=_definitions(definitions, at))
    _check_names(mapping, namespace, at)
    namespace = with_places(mapping, with_bodies(mapping, namespace, at), at)
    for name, tree in namespace.definitions.items():
        with at("define", name):
            try:
                Expander(namespace, surface=True, pending=(name,)).expand(tree)
            except FormulaError as error:
                raise point_at(str(definitions[name]), error) from None
    namespace.used.clear()
    return Declarations(namespace, scales)


def section(mapping: Mapping[str, Any], key: str, at: At, wanted: str) -> Mapping[str, Any]:
    """Return the mapping of names to ``wanted`` that stands under ``key``; empty when nothing does.

    Raises
    ------
    BadInput : something else stands there.
    """
    given = mapping.get(key)
    with at(key):
        if not (given is None or isinstance(given, Mapping)):
            raise BadInput(f"must be a mapping of names to {wanted}, got {given!r}")
    return given or {}


def _constants(given: Mapping[str, Any], at: At) -> dict[str, Value]:
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
        return _number(tree, Namespace(constants=wanted), entry)

    for name in given:
        with at("constants", name):
            value(name, ())
    return done


def _names_in(tree: Node) -> set[str]:
    return set(re.findall(r"[A-Za-z]\w*", str(tree)))


def _number(tree: Node, namespace: Namespace, text: Any) -> Value:
    try:
        result = Expander(namespace).expand(tree)
    except FormulaError as error:
        raise point_at(str(text), error) from None
    if not _all_numbers(result):
        raise BadInput(f"'{text}' is not a finite number")
    return result


def _all_numbers(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(map(_all_numbers, value))
    return _all_numbers((value.real, value.imag)) if isinstance(value, Complex) else isinstance(value, Number)


def _bounds(entry: Any, namespace: Namespace) -> tuple[float, float]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise BadInput(f"a range is a list of two numbers, [low, high], got {'nothing' if entry is None else repr(entry)}")
    ends = []
    for item in entry:
        value = _number(parse(item), namespace, item)
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
            _known_keys(settings, ("range", "dimension"))
            bounds = _bounds(settings.get("range"), namespace)
            parts = _components(str(name), settings)
            if parts != (name,):
                vectors[str(name)] = parts
            box.update(dict.fromkeys(parts, bounds))
    time = mapping.get("time", "t" if "t" in box else None)
    with at("time"):
        if time is not None and not (isinstance(time, str) and time in box):
            raise BadInput(f"'{time}' is not a coordinate{nearest(str(time), box)}")
    return replace(namespace, coordinates=tuple(box), box=box, time=time, vectors=vectors)


def _components(name: str, settings: Mapping) -> tuple[str, ...]:
    dimension = settings.get("dimension")
    if dimension is None:
        return (name,)
    if isinstance(dimension, bool) or not isinstance(dimension, int) or not 1 <= dimension <= MAX_DIMENSION:
        raise BadInput(f"dimension must be a whole number from 1 to {MAX_DIMENSION}, got {dimension!r}")
    return tuple(f"{name}{k}" for k in range(1, dimension + 1))


def _known_keys(settings: Mapping, known: tuple[str, ...]) -> None:
    for key in settings:
        if key not in known:
            raise BadInput(f"unknown key '{key}'{nearest(str(key), known)}; keys: {', '.join(known)}")


_LATER = {
    "of": "unknowns of fewer coordinates",
    "start": "unknown numbers",
    "bounds": "bounds of unknowns",
    "positive": "positive unknowns",
}


def _unknowns(mapping: Mapping, namespace: Namespace, at: At) -> tuple[Namespace, dict[str, float]]:
    given = mapping["unknowns"]
    with at("unknowns"):
        if isinstance(given, str):
            given = [given]
        if isinstance(given, list):
            if any(isinstance(name, (list, Mapping)) for name in given):
                raise BadInput(f"must be a list of names, or a mapping of names to settings, got {given!r}")
            if len(set(map(str, given))) < len(given):
                raise BadInput(f"a name is listed twice: {', '.join(map(str, given))}")
            given = dict.fromkeys(given)
        if not isinstance(given, Mapping) or not given:
            raise BadInput("must be a list of names, or a mapping of names to settings")
    unknowns: dict[str, tuple[str, ...]] = {}
    scales: dict[str, float] = {}
    vectors, pairs = dict(namespace.vectors), {}
    for name, settings in given.items():
        with at("unknowns", name):
            settings = _unknown_settings(name, settings, namespace)
            parts = _components(str(name), settings)
            if parts != (name,):
                vectors[str(name)] = parts
            if settings.get("complex"):
                pairs.update({part: (f"{part}_real", f"{part}_imag") for part in parts})
                parts = tuple(half for part in parts for half in pairs[part])
            unknowns.update(dict.fromkeys(parts, namespace.coordinates))
            if settings.get("scale") is not None:
                scales.update(dict.fromkeys(parts, _scale(settings["scale"], namespace)))
    return replace(namespace, unknowns=unknowns, vectors=vectors, complex=pairs), scales


def _unknown_settings(name: Any, settings: Any, namespace: Namespace) -> Mapping:
    if isinstance(name, bool) or name is None or not isinstance(name, str):
        raise BadInput(f"name {name!r} was read by YAML as something else; rename it or put it in quotes")
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise BadInput(f"settings of an unknown are a mapping, got {settings!r}")
    _known_keys(settings, ("of", "complex", "at", "start", "bounds", "positive", "scale", "dimension"))
    for key, what in _LATER.items():
        if key in settings and not (key == "of" and settings[key] == list(namespace.coordinates)) and settings[key] is not False:
            raise BadInput(f"'{key}': {what} are not supported yet")
    return settings


def _scale(entry: Any, namespace: Namespace) -> float:
    value = _number(parse(entry), namespace, entry)
    if not isinstance(value, Number) or not value.value > 0:
        raise BadInput(f"scale must be a number greater than 0, got {entry!r}")
    return value.value


def _definitions(given: Mapping[str, Any], at: At) -> dict[str, Node]:
    trees = {}
    for name, text in given.items():
        with at("define", name):
            trees[name] = parse(text)
    return trees


def _check_names(mapping: Mapping, namespace: Namespace, at: At) -> None:
    groups = {
        "coordinates": [*namespace.coordinates, *(v for v in namespace.vectors if v in mapping["coordinates"])],
        "unknowns": [*namespace.unknowns, *namespace.complex, *(v for v in namespace.vectors if v not in mapping["coordinates"])],
        "constants": list(namespace.constants),
        "define": list(namespace.definitions),
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
