"""Known functions from files: what stands under ``fields:``, as values that formulas hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pinn.problem.data.interpolation import KINDS, Interpolant, through_grid
from pinn.problem.data.scattered import through_points
from pinn.problem.data.tables import KEYS, Table, read_table, refuse_unknown_keys
from pinn.problem.formulas.complex_numbers import Complex
from pinn.problem.formulas.namespace import Namespace, Value
from pinn.problem.formulas.tree import Call, Index, Known, Name, Node
from pinn.problem.settings import BadInput, nearest

Array = np.ndarray

SAME = 1e-9
"""Places closer than this part of their range are one."""


def read_fields(
    given: Mapping[str, Any], mapping: Mapping[str, Any], namespace: Namespace, at: Callable[..., AbstractContextManager]
) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the values of all fields at the point, and the digests of their files by path.

    Parameters
    ----------
    given : tables by the names of the fields.
    mapping : the whole problem, which says along which coordinates it is periodic, and whether it has a domain of its own.

    Raises
    ------
    BadInput : a file that cannot be used, a table that does not cover the box.
    """
    fields: dict[str, Value] = {}
    digests: dict[str, str] = {}
    periods = _periods(mapping, namespace)
    for name, settings in given.items():
        with at("fields", name):
            kind = _settings(settings)
            table = read_table(settings, namespace.box, namespace.time, wanted=[str(name)])
            parts = _functions(str(name), table, kind, periods)
            if mapping.get("domain") is None:
                for part in parts:
                    part.refuse_uncovered(namespace.box)
            values = [_lookup(part, f"{table.digest} {settings} {number}") for number, part in enumerate(parts)]
            fields[str(name)] = values[0] if len(values) == 1 else Complex(*values)
            digests[table.file] = table.digest
    return fields, digests


def stand_ins(given: Mapping[str, Any], namespace: Namespace) -> dict[str, Value]:
    """Return fields whose files are not read: they are zero everywhere."""
    low, high = np.array(list(namespace.box.values())).T
    return {
        str(name): _lookup(Interpolant(str(name), "", namespace.coordinates, low, high, (4, 4), "", _nothing)) for name in given
    }


def _nothing(points: Array, orders: Index) -> Array:
    return np.zeros(len(points))


def _lookup(function: Interpolant, key: str = "") -> Node:
    """Return the value of a function at the point."""
    names = function.names
    return Call("lookup", (Known(function.name, names, (0,) * len(names), key, function), *map(Name, names)))


def _settings(settings: Any) -> str:
    """Return how to interpolate."""
    refuse_unknown_keys(settings, (*KEYS, "interpolate"))
    kind = settings.get("interpolate", "cubic")
    if kind not in KINDS:
        raise BadInput(f"interpolate must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {kind!r}{nearest(str(kind), KINDS)}")
    return kind


def _periods(mapping: Mapping[str, Any], namespace: Namespace) -> dict[str, tuple[float, float]]:
    """Return the ranges of the coordinates along which the solution is periodic."""
    conditions = mapping.get("conditions")
    entries = conditions.values() if isinstance(conditions, Mapping) else ()
    found: list[str] = []
    for entry in entries:
        axes = entry.get("periodic") if isinstance(entry, Mapping) else None
        listed = axes if isinstance(axes, list) else [axes]
        found += [part for axis in listed if isinstance(axis, str) for part in namespace.vectors.get(axis, (axis,))]
    return {axis: namespace.box[axis] for axis in found if axis in namespace.space}


def _functions(name: str, table: Table, kind: str, periods: Mapping[str, tuple[float, float]]) -> list[Interpolant]:
    """Return the function of a table, or its real and its imaginary part."""
    values = table.columns[_column(name, table)]
    parts = [np.real(values), np.imag(values)] if np.iscomplexobj(values) else [values]
    return [_interpolant(name, table, kind, part, periods) for part in parts]


def _column(name: str, table: Table) -> str:
    """Return the column that holds the values of a field: the one of its name, or the only one."""
    if name in table.columns:
        return name
    if len(table.columns) > 1:
        names = ", ".join(table.columns)
        raise BadInput(
            f"{table.name} has the columns {names}; say which one is '{name}': columns: {{{list(table.columns)[0]}: {name}}}"
        )
    return next(iter(table.columns))


def _interpolant(name: str, table: Table, kind: str, values: Array, periods: Mapping[str, tuple[float, float]]) -> Interpolant:
    if values.ndim > 1 and not table.axes:
        raise BadInput(f"{table.name}: '{name}' has {values.shape[1]} components; a field is one function")
    places = {axis: table.coordinates[axis] for axis in table.axes}
    grid = _sorted(places, values, tuple(table.coordinates)) if table.axes else as_grid(table, values)
    if grid is not None:
        return through_grid(name, table.name, kind, *grid, periods)
    coordinates, values = _without_copies(table, values)
    return through_points(name, table.name, kind, coordinates, values)


def _sorted(places: Mapping[str, Array], values: Array, order: tuple[str, ...]) -> tuple[dict[str, Array], Array]:
    """Return a grid with increasing places and its axes in a given order."""
    for axis, each in enumerate(places.values()):
        values = np.take(values, np.argsort(each), axis)
    values = np.transpose(values, [list(places).index(name) for name in order])
    return {name: np.sort(places[name]) for name in order}, values


def as_grid(table: Table, values: Array) -> tuple[dict[str, Array], Array] | None:
    """Return a flat table as places along axes and the values on their grid, None where its points are none.

    Parameters
    ----------
    values : of one column, (rows,).
    """
    axes, numbers = {}, []
    for name, each in table.coordinates.items():
        axes[name], number = _levels(each)
        numbers.append(number)
    shape = tuple(map(len, axes.values()))
    if np.prod([float(length) for length in shape]) != len(values):
        return None
    where = np.ravel_multi_index(numbers, shape)
    if len(np.unique(where)) < len(where):
        return None
    found = np.empty(len(values))
    found[where] = values
    return axes, found.reshape(shape)


def _levels(values: Array) -> tuple[Array, Array]:
    """Return the different values in order, but for rounding, and the number of each."""
    order = np.argsort(values, kind="stable")
    new = np.diff(values[order]) > SAME * max(np.ptp(values), 1e-300)
    number = np.empty(len(values), int)
    number[order] = np.concatenate([[0], np.cumsum(new)])
    return values[order][np.concatenate([[True], new])], number


def _without_copies(table: Table, values: Array) -> tuple[Mapping[str, Array], Array]:
    """Return a table without rows that say the same twice.

    Raises
    ------
    BadInput : two different values at one place.
    """
    _, first, which = np.unique(table.points, axis=0, return_index=True, return_inverse=True)
    which = which.ravel()
    apart = np.flatnonzero(values != values[first][which])
    if len(apart):
        place = ", ".join(f"{name} = {each[apart[0]]:.6g}" for name, each in table.coordinates.items())
        raise BadInput(f"{table.name} has two values at {place}, {values[first][which][apart[0]]:.6g} and {values[apart[0]]:.6g}")
    return {name: each[first] for name, each in table.coordinates.items()}, values[first]
