"""Plain values of a problem's text: sections, numbers, lists of known keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from pinn.problem.formulas.complex_numbers import Complex
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace, Value, point_at
from pinn.problem.formulas.parser import FormulaError, parse
from pinn.problem.formulas.tree import Node, Number
from pinn.problem.settings import BadInput, nearest

At = Callable[..., AbstractContextManager]
"""Names the place of what is read inside, for messages."""

MAX_DIMENSION = 1000


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


def constant(tree: Node, namespace: Namespace, text: Any) -> Value:
    """Return the finite value of a tree that needs constants only; ``text`` is what a complaint shows."""
    try:
        result = Expander(namespace).expand(tree)
    except FormulaError as error:
        raise point_at(str(text), error) from None
    if not _all_numbers(result):
        raise BadInput(f"'{text}' is not a finite number")
    return result


def real_number(entry: Any, namespace: Namespace, what: str = "a number") -> float:
    """Return the real number that an entry, a formula of constants, stands for; ``what`` it is to be, for a complaint."""
    if isinstance(entry, bool) or not isinstance(entry, (int, float, str)):
        raise BadInput(f"must be {what}, got {entry!r}")
    value = constant(parse(entry), namespace, entry)
    if not isinstance(value, Number):
        raise BadInput(f"must be {what}, got '{entry}'")
    return value.value


def known_keys(settings: Mapping, known: tuple[str, ...]) -> None:
    """Raise `BadInput` about a key that is not known."""
    for key in settings:
        if key not in known:
            raise BadInput(f"unknown key '{key}'{nearest(str(key), known)}; keys: {', '.join(known)}")


def components(name: str, settings: Mapping) -> tuple[str, ...]:
    """Return the names of the components of what has a ``dimension``, else the name alone."""
    dimension = settings.get("dimension")
    if dimension is None:
        return (name,)
    if isinstance(dimension, bool) or not isinstance(dimension, int) or not 1 <= dimension <= MAX_DIMENSION:
        raise BadInput(f"dimension must be a whole number from 1 to {MAX_DIMENSION}, got {dimension!r}")
    return tuple(f"{name}{k}" for k in range(1, dimension + 1))


def _all_numbers(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(map(_all_numbers, value))
    return _all_numbers((value.real, value.imag)) if isinstance(value, Complex) else isinstance(value, Number)
