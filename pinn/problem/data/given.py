"""A solution given by numbers from a file: what stands under ``reference:``, at the places that the file has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pinn.problem.data.fields import as_grid
from pinn.problem.data.tables import KEYS, Table, read_table, refuse_unknown_keys
from pinn.problem.formulas.complex_numbers import Complex, pair
from pinn.problem.formulas.expand import Expander
from pinn.problem.formulas.namespace import Namespace, UnusableName
from pinn.problem.formulas.parser import FormulaError, parse
from pinn.problem.formulas.tree import Jet, Node
from pinn.problem.settings import BadInput, nearest

Array = np.ndarray


@dataclass(frozen=True)
class Given:
    """Values of unknowns at places, not a number where the file has none.

    Attributes
    ----------
    file : its name.
    points : (rows, dim).
    values : by unknown, (rows,).
    error : relative L2 error of the values as stated, None where it is not.
    axes : the places along every coordinate where they are a grid, else None; values are then in the order of its points.
    left_out : unknowns that the file does not have. columns_left_out : its columns that are no unknowns.
    digest : of the file's bytes.
    """

    file: str
    points: Array
    values: Mapping[str, Array]
    error: float | None = None
    axes: tuple[Array, ...] | None = None
    left_out: tuple[str, ...] = ()
    columns_left_out: tuple[str, ...] = ()
    digest: str = field(default="", repr=False)


def read_given(settings: Any, namespace: Namespace) -> Given | None:
    """Return the solution that a table gives, None without one.

    Raises
    ------
    BadInput : no table, places outside the box, no column of an unknown, a column of something that is no unknown.
    """
    if settings is None:
        return None
    refuse_unknown_keys(settings, (*KEYS, "error"))
    wanted = [*namespace.complex, *namespace.vectors, *namespace.unknowns]
    table = read_table(settings, namespace.box, namespace.time, gaps=True, wanted=wanted)
    missing = [name for name in namespace.coordinates if name not in table.coordinates]
    if missing:
        raise BadInput(f"{table.name} needs a column for every coordinate, it has none for {', '.join(missing)}")
    table = table.flat()
    table.refuse_outside(namespace.box)
    values, left_out = {}, []
    for column, numbers in table.columns.items():
        found = dict(_unknowns(table.name, column, numbers, namespace, isinstance(settings.get("columns"), Mapping)))
        values.update(found)
        left_out += [] if found else [column]
    if not values:
        names = ", ".join(namespace.complex or namespace.unknowns)
        raise BadInput(f"{table.name} has no column of an unknown ({names}), but {', '.join(table.columns)}")
    axes, order = _axes(table)
    return Given(
        table.name,
        table.points[order],
        {name: values[name][order] for name in namespace.unknowns if name in values},
        _stated(settings.get("error")),
        axes,
        tuple(name for name in namespace.unknowns if name not in values),
        tuple(left_out),
        table.digest,
    )


def _stated(error: Any) -> float | None:
    if error is None:
        return None
    try:
        value = float(error) if not isinstance(error, bool) else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < 1:
        raise BadInput(f"error is how exact the values are, relative, between 0 and 1, for instance 1e-4; got {error!r}")
    return value


def _unknowns(file: str, column: str, numbers: Array, namespace: Namespace, strict: bool) -> Iterator[tuple[str, Array]]:
    """Yield the scalar unknowns that a column holds, and their values; nothing where it is no unknown and may be left out."""
    try:
        value = Expander(namespace).expand(parse(column))
    except UnusableName:
        if strict:
            known = ", ".join(namespace.complex or namespace.unknowns)
            raise BadInput(f"columns: '{column}' is no unknown{nearest(column, namespace.unknowns)}; unknowns: {known}") from None
        return
    except FormulaError:
        if strict:
            raise
        return
    items = value if isinstance(value, tuple) else (value,)
    parts = numbers if numbers.ndim == 2 else numbers[:, None]
    if len(items) != parts.shape[1]:
        raise BadInput(f"{file}: '{column}' has {len(items)} components, its array {parts.shape[1]}")
    for item, part in zip(items, parts.T, strict=True):
        if isinstance(item, Complex):
            halves = [(item.real, np.real(part)), (item.imag, np.imag(part))]
        elif np.iscomplexobj(part):
            raise BadInput(f"{file}: the values of '{column}' are complex, the unknown is real")
        else:
            halves = [(pair(item).real, part)]
        if not all(_is_unknown(tree) for tree, _ in halves):
            if strict:
                raise BadInput(f"columns: '{column}' is no unknown; a reference holds values of unknowns, real(u) or imag(u)")
            return
        yield from ((tree.unknown, np.ascontiguousarray(half)) for tree, half in halves if isinstance(tree, Jet))


def _is_unknown(tree: Node) -> bool:
    return isinstance(tree, Jet) and not tree.image and all(sum(index) == 0 for index in tree.operator)


def _axes(table: Table) -> tuple[tuple[Array, ...] | None, Array]:
    """Return the axes of a grid, increasing, and the order of rows that runs over its points; None and all rows of no grid."""
    rows = np.arange(table.num_rows)
    found = as_grid(table, rows.astype(float))
    if found is None:
        return None, rows
    axes, numbers = found
    return tuple(axes.values()), numbers.ravel().astype(int)
