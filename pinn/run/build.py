"""From nested mappings to settings objects and back; `_target_` names a class of a closed list, nothing else is looked up."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

import pinn
from pinn.problem.settings import BadInput, Settings, nearest

TARGET = "_target_"


@functools.cache
def targets() -> Mapping[str, str]:
    """Return the closed list, name in YAML to ``module:class``: the options of `pinn` and the entry points ``pinn.options``."""
    shipped = {f"pinn.{name}": f"{module}:{name}" for name, module in pinn.OPTIONS.items()}
    added = {point.name: point.value for point in importlib.metadata.entry_points(group="pinn.options")}
    return {**shipped, **added}


def option(name: str) -> type[Settings]:
    """Return the settings class called ``name`` on the closed list."""
    module, _, attribute = targets()[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def build(node: Any, where: str = "") -> Any:
    """Return ``node`` with every mapping that has a ``_target_`` replaced by that settings object, checked.

    Raises
    ------
    BadInput : a class that is not on the list, a setting the class does not have, or a value it refuses; ``setting`` is the
        dotted name below ``where``.
    """
    if isinstance(node, Mapping):
        values = {key: build(value, _join(where, key)) for key, value in node.items() if key != TARGET}
        return _make(node[TARGET], values, where) if TARGET in node else values
    if isinstance(node, (list, tuple)):
        return [build(item, _join(where, str(number))) for number, item in enumerate(node)]
    return node


def _make(name: Any, values: Mapping[str, Any], where: str) -> Settings:
    if not isinstance(name, str) or name not in targets():
        known = ", ".join(targets())
        raise BadInput(f"must be one of {known}, got {name!r}{nearest(name, targets())}", _join(where, TARGET))
    return make(option(name), values, where)


def make(kind: type[Settings], values: Mapping[str, Any], where: str = "") -> Any:
    """Return ``kind(**values)``; complaints carry the dotted name of the setting below ``where``."""
    known = [field.name for field in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            path = _join(where, str(key))
            raise BadInput(f"unknown setting '{path}'{nearest(path, [_join(where, name) for name in known])}")
    required = [field.name for field in dataclasses.fields(kind) if _is_required(field)]
    for name in required:
        if name not in values:
            raise BadInput(f"setting '{_join(where, name)}' has no value")
    try:
        return kind(**values)
    except BadInput as error:
        raise (error.under(where) if where else error) from None


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def plain(value: Any) -> Any:
    """Return settings as nested mappings, lists and numbers: the inverse of `build`, with the values as they were normalised.

    What cannot stand in a file, a torch module, is described by its text.
    """
    if isinstance(value, Settings):
        kind = f"{type(value).__module__}:{type(value).__name__}"
        named = [(TARGET, name) for name, place in targets().items() if place == kind]
        return dict(named[:1]) | {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else str(key)
