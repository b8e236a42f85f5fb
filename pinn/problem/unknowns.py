"""What is sought: names and settings of the unknowns, functions of all coordinates or of some, and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.tree import Node
from pinn.problem.reading import At, components, known_keys, real_number
from pinn.problem.settings import BadInput, nearest


@dataclass(frozen=True)
class Unknown:
    """A function that is sought, or a number.

    Attributes
    ----------
    depends : the coordinates it depends on, in the problem's order; none for a number.
    scale : its typical size, or None when not stated.
    start : where the search for a number begins.
    bounds : between which a number is sought, or None.
    positive : whether a number is sought in its logarithm.
    place : boolean tree of the part of the domain that it lives in; None is all of it.
    """

    name: str
    depends: tuple[str, ...]
    scale: float | None = None
    start: float = 1.0
    bounds: tuple[float, float] | None = None
    positive: bool = False
    place: Node | None = None

    @property
    def is_number(self) -> bool:
        """Whether it depends on nothing."""
        return not self.depends

    def value(self, parameter: Any, exp: Callable[[Any], Any] = math.exp) -> Any:
        """Return a number from a parameter that is 0 at the start and of size one where the number has changed by its typical size.

        It is start + scale · parameter; start · exp(parameter) where it is positive; where it has bounds it moves between them as
        the logistic function does.
        """
        if self.bounds is not None:
            low, high = self.bounds
            return low + (high - low) / (1 + (high - self.start) / (self.start - low) * exp(-parameter))
        if self.positive:
            return self.start * exp(parameter)
        return self.start + (self.scale or abs(self.start) or 1.0) * parameter


_OF_NUMBERS = ("start", "bounds", "positive")


def read_unknowns(mapping: Mapping, namespace: Namespace, at: At) -> tuple[Namespace, dict[str, Unknown]]:
    """Return the namespace with the unknowns of a problem, and what is stated of each scalar one.

    Raises
    ------
    BadInput : names or settings that cannot be used.
    """
    given = _listed(mapping["unknowns"], at)
    found: dict[str, Unknown] = {}
    vectors, pairs = dict(namespace.vectors), {}
    for name, settings in given.items():
        with at("unknowns", name):
            settings = _settings(name, settings)
            parts = components(str(name), settings)
            if parts != (name,):
                vectors[str(name)] = parts
            if settings.get("complex"):
                pairs.update({part: (f"{part}_real", f"{part}_imag") for part in parts})
                parts = tuple(half for part in parts for half in pairs[part])
            found.update(_unknowns(parts, settings, namespace))
    depends = {name: unknown.depends for name, unknown in found.items()}
    with at("unknowns"):
        if all(unknown.is_number for unknown in found.values()):
            raise BadInput("at least one unknown must be a function of coordinates")
    return replace(namespace, unknowns=depends, vectors=vectors, complex=pairs), found


def _listed(given: Any, at: At) -> Mapping:
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
    return given


def _settings(name: Any, settings: Any) -> Mapping:
    if isinstance(name, bool) or name is None or not isinstance(name, str):
        raise BadInput(f"name {name!r} was read by YAML as something else; rename it or put it in quotes")
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise BadInput(f"settings of an unknown are a mapping, got {settings!r}")
    known_keys(settings, ("of", "complex", "at", "start", "bounds", "positive", "scale", "dimension"))
    return settings


def _unknowns(parts: tuple[str, ...], settings: Mapping, namespace: Namespace) -> dict[str, Unknown]:
    """Return the scalar unknowns that a name stands for."""
    depends = _depends(settings.get("of"), namespace)
    for key in _OF_NUMBERS:
        if depends and settings.get(key) not in (None, False):
            raise BadInput(f"'{key}' is for unknown numbers (of: []); conditions, equations and data say what a function is")
    scale = None if settings.get("scale") is None else real_number(settings["scale"], namespace, "a number greater than 0")
    if scale is not None and not scale > 0:
        raise BadInput(f"scale must be a number greater than 0, got {settings['scale']!r}")
    bounds, positive = _bounds(settings.get("bounds"), namespace), settings.get("positive") or False
    if not isinstance(positive, bool):
        raise BadInput(f"positive must be true or false, got {positive!r}")
    starts = _starts(settings.get("start"), len(parts), bounds, namespace)
    for start in starts:
        _check_start(start, bounds, positive)
    return {part: Unknown(part, depends, scale, start, bounds, positive) for part, start in zip(parts, starts, strict=True)}


def _depends(given: Any, namespace: Namespace) -> tuple[str, ...]:
    if given is None:
        return namespace.coordinates
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise BadInput(f"of must be a list of coordinates, [] for a number, got {given!r}")
    names = {part for name in given for part in namespace.vectors.get(name, (name,))}
    for name in names:
        if name not in namespace.coordinates:
            known = ", ".join(namespace.coordinates)
            raise BadInput(f"of: '{name}' is not a coordinate{nearest(str(name), namespace.coordinates)}; coordinates: {known}")
    return tuple(name for name in namespace.coordinates if name in names)


def _bounds(given: Any, namespace: Namespace) -> tuple[float, float] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:
        raise BadInput(f"bounds must be a list of two numbers, [low, high], got {given!r}")
    low, high = (real_number(item, namespace, "a number") for item in given)
    if not low < high:
        raise BadInput(f"bounds: the lower one must be below the upper one, got [{low:g}, {high:g}]")
    return low, high


def _starts(given: Any, count: int, bounds: tuple[float, float] | None, namespace: Namespace) -> list[float]:
    if given is None:
        return [1.0 if bounds is None else (bounds[0] + bounds[1]) / 2] * count
    if isinstance(given, list):
        if len(given) != count:
            raise BadInput(f"start must be a number or a list of {count}, got {len(given)}")
        return [real_number(item, namespace, "a number") for item in given]
    return [real_number(given, namespace, "a number")] * count


def _check_start(start: float, bounds: tuple[float, float] | None, positive: bool) -> None:
    if positive and not start > 0:
        raise BadInput(f"start must be greater than 0 where the unknown is positive, got {start:g}")
    if bounds is not None and not bounds[0] < start < bounds[1]:
        raise BadInput(f"start must lie between the bounds {bounds[0]:g} and {bounds[1]:g}, got {start:g}")
    if positive and bounds is not None and not bounds[0] >= 0:
        raise BadInput(f"bounds must not be negative where the unknown is positive, got {bounds[0]:g}")
