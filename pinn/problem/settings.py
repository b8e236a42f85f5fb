"""Settings: frozen dataclasses that check their own values, and the one error that bad input raises."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal

LARGEST_WHOLE_NUMBER = 10**9


class BadInput(ValueError):
    """Input that cannot be used, told in one line: which setting, what was required, what was got.

    Parameters
    ----------
    message : what is wrong, without the name of the setting.
    setting : dotted name of the setting, ``""`` when the message names it itself.
    detail : further lines (a caret under a formula), printed below the message.

    Attributes
    ----------
    path : keys of the text of a problem under which the fault stands; None while only the reader knows where it is.
    placed : whether the message already tells the place.
    """

    path: tuple[str, ...] | None = None
    placed: bool = False

    def __init__(self, message: str, setting: str = "", detail: str = ""):
        super().__init__(message, setting, detail)
        self.message, self.setting, self.detail = message, setting, detail

    def under(self, parent: str) -> BadInput:
        """Return the same complaint about a setting that lives inside ``parent``."""
        other = copy.copy(self)
        other.setting = f"{parent}.{self.setting}" if self.setting else parent
        return other

    def about(self, *path: str) -> BadInput:
        """Return the same complaint about what stands under these keys of the text of a problem."""
        other = copy.copy(self)
        other.path = path
        return other

    def __str__(self) -> str:
        head = f"{self.setting} {self.message}" if self.setting else self.message
        return f"{head}\n{self.detail}" if self.detail else head


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'sin'?"`` for the closest known name, or nothing when none is close."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def setting(
    default: Any = MISSING,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a field of a `Settings` class together with the range of its values (element by element for tuples)."""
    limits = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    metadata = {name: limit for name, limit in limits.items() if limit is not None}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """Base of every settings class: values only, checked and normalised against the annotations when made.

    Understood annotations: ``int float bool str``, ``Literal[...]``, ``tuple[int, ...]``, ``tuple[str, ...]``, ``Mapping``, another
    `Settings` class (for which a mapping of its settings will do), and unions of these with ``None``. Text that spells a number is
    accepted as that number (``"1e3"`` is the whole number 1000), so a configuration file and a Python call mean the same.

    Raises
    ------
    BadInput : a value of the wrong kind or outside its range; ``setting`` is the field's name.
    """

    def __post_init__(self):
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            try:
                value = normalise(getattr(self, field.name), hints[field.name], field.metadata)
            except BadInput as error:
                raise error.under(field.name) from None
            object.__setattr__(self, field.name, value)


def normalise(value: Any, kind: Any, limits: Mapping[str, float]) -> Any:
    """Return ``value`` as an instance of the annotation ``kind`` within ``limits``, or raise `BadInput`."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _union(value, typing.get_args(kind), limits)
    if origin is Literal:
        return _choice(value, typing.get_args(kind))
    if origin is tuple:
        return _tuple(value, typing.get_args(kind), limits)
    if kind in (int, float, bool, str):
        return {int: _whole, float: _real, bool: _truth, str: _text}[kind](value, limits)
    plain = origin or kind
    if isinstance(plain, type) and isinstance(value, plain):
        return value
    if isinstance(plain, type) and issubclass(plain, Settings) and isinstance(value, Mapping):
        return _from_mapping(plain, value)
    raise BadInput(f"must be {_words(kind)}, got {_shown(value)}")


def _from_mapping(kind: type[Settings], given: Mapping) -> Settings:
    known = {field.name: field for field in dataclasses.fields(kind)}
    for name in given:
        if name not in known:
            raise BadInput(f"is not a setting; known are {', '.join(known)}{nearest(name, known)}", str(name))
    for name, field in known.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise BadInput("has no value", name)
    return kind(**given)


def _union(value: Any, kinds: tuple, limits: Mapping[str, float]) -> Any:
    if value is None and type(None) in kinds:
        return None
    if isinstance(value, str) and value == "None" and type(None) in kinds:
        rest = [kind for kind in kinds if kind is not type(None)]
        raise BadInput(f"must be null or {_words(rest[0])}; 'None' is text in YAML")
    complaint = None
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return normalise(value, kind, limits)
        except BadInput as error:
            complaint = complaint or error
    if complaint is None:
        raise BadInput(f"must be null, got {value!r}")
    others = [_words(kind) for kind in kinds if kind is not type(None)]
    if len(others) > 1:
        raise BadInput(f"must be {' or '.join(others)}, got {_shown(value)}")
    raise complaint


def _choice(value: Any, choices: tuple) -> Any:
    if value in choices and not (isinstance(value, bool) and True not in choices):
        return value
    listed = ", ".join(str(choice) for choice in choices)
    raise BadInput(f"must be one of {listed}, got {_shown(value)}{nearest(value, map(str, choices))}")


def _tuple(value: Any, kinds: tuple, limits: Mapping[str, float]) -> tuple:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise BadInput(f"must be a list, got {_shown(value)}")
    items = tuple(value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = kinds[:1] * len(items)
    if len(items) != len(kinds):
        raise BadInput(f"must be a list of {len(kinds)} values, got {len(items)}")
    return tuple(normalise(item, kind, limits) for item, kind in zip(items, kinds, strict=True))


def _number(value: Any, wanted: str) -> float | int:
    if isinstance(value, bool) or value is None:
        raise BadInput(f"must be {wanted}, got {_shown(value)}")
    if isinstance(value, str):
        if value.strip() == "":
            raise BadInput("has no value given")
        if value == "None":
            raise BadInput(f"must be {wanted}; 'None' is text in YAML")
        try:
            return int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise BadInput(f"must be {wanted}, got {value!r}") from None
    if not isinstance(value, (int, float)):
        raise BadInput(f"must be {wanted}, got {_shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"must be a finite number, got {value}")
    return value


def _whole(value: Any, limits: Mapping[str, float]) -> int:
    number = _number(value, "a whole number")
    if number != int(number):
        raise BadInput(f"must be a whole number, got {_shown(value)}")
    limits = {"at_most": LARGEST_WHOLE_NUMBER, **limits}
    return _within(int(number), limits, value)


def _real(value: Any, limits: Mapping[str, float]) -> float:
    number = _number(value, "a number")
    try:
        return _within(float(number), limits, value)
    except OverflowError:
        raise BadInput(f"must be a finite number, got {_shown(value)}") from None


def _within(number: Any, limits: Mapping[str, float], value: Any) -> Any:
    tests = {
        "at_least": (lambda a, b: a >= b, "at least"),
        "above": (lambda a, b: a > b, "greater than"),
        "at_most": (lambda a, b: a <= b, "at most"),
        "below": (lambda a, b: a < b, "less than"),
    }
    for name, limit in limits.items():
        holds, words = tests[name]
        if not holds(number, limit):
            raise BadInput(
                f"must be {words} {limit:g}, got {_shown(value)}"
                if limit != LARGEST_WHOLE_NUMBER
                else f"must be {words} {LARGEST_WHOLE_NUMBER}, got {_shown(value)}"
            )
    return number


def _truth(value: Any, limits: Mapping[str, float]) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    raise BadInput(f"must be true or false, got {_shown(value)}")


def _text(value: Any, limits: Mapping[str, float]) -> str:
    if isinstance(value, str):
        return value
    raise BadInput(f"must be text, got {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value) if isinstance(value, str) else f"{value}"


def _words(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "a list"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Mapping: "a mapping", dict: "a mapping"}
    plain = typing.get_origin(kind) or kind
    if plain in names:
        return names[plain]
    return f"settings of {plain.__name__}" if isinstance(plain, type) else str(plain)
