"""Tables: columns of numbers from files, each the values of a coordinate or of something measured or computed at them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pinn.problem.data.table_files import Contents, read_contents
from pinn.problem.settings import BadInput, nearest
from pinn.problem.sites import tensor_points

Array = np.ndarray

KEYS = ("file", "columns", "axes")
"""Settings of a table."""

SLACK = 1e-9
"""How far a place may lie outside a range, in parts of it."""


@dataclass(frozen=True)
class Table:
    """Numbers from a file, finite unless gaps were allowed.

    Attributes
    ----------
    file : absolute path.
    coordinates : values of the coordinates that the file has, in the problem's order: (rows,) each, or (length,) where `axes` are
        given.
    columns : everything else, by name or formula, real or complex: (rows,) or (rows, components) for a vector, or shaped by `axes`.
    axes : the coordinates along the axes of gridded columns; () for flat ones.
    lines : of text, the line of each row in the file.
    digest : of the file's bytes.
    """

    file: str
    coordinates: Mapping[str, Array]
    columns: Mapping[str, Array]
    axes: tuple[str, ...] = ()
    lines: Array | None = None
    digest: str = ""

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return Path(self.file).name

    @property
    def num_rows(self) -> int:
        """Number of places at which there are values."""
        return int(np.prod([len(values) for values in self.coordinates.values()])) if self.axes else len(self.points)

    @property
    def points(self) -> Array:
        """The places as (rows, coordinates); of a grid all of them, its last axis fastest."""
        if self.axes:
            found = tensor_points([self.coordinates[name] for name in self.axes])
            return found[:, [self.axes.index(name) for name in self.coordinates]]
        return np.stack(list(self.coordinates.values()), axis=1)

    def flat(self) -> Table:
        """Return the same with a row for every place."""
        if not self.axes:
            return self
        points = self.points
        coordinates = {name: points[:, axis] for axis, name in enumerate(self.coordinates)}
        return replace(self, coordinates=coordinates, columns={key: each.ravel() for key, each in self.columns.items()}, axes=())

    def refuse_outside(self, box: Mapping[str, tuple[float, float]]) -> None:
        """Raise `BadInput` about the first place that lies outside the ranges of the coordinates."""
        for name, values in self.coordinates.items():
            low, high = box[name]
            beyond = np.flatnonzero((values < low - SLACK * (high - low)) | (values > high + SLACK * (high - low)))
            if len(beyond):
                place = self.name if self.lines is None else f"{self.name} line {self.lines[beyond[0]]}"
                more = f" ({len(beyond)} such places)" if len(beyond) > 1 else ""
                raise BadInput(f"{place}: {name} = {values[beyond[0]]:.6g} is outside its range {low:g} to {high:g}{more}")


def with_absolute_files(mapping: Mapping[str, Any], folder: Path, existing: bool = False) -> dict[str, Any]:
    """Return the text of a problem in which files of tables and shapes are absolute paths; relative ones belong to ``folder``.

    With ``existing`` those that are not there stay as they are.
    """
    found = dict(mapping)
    for key in ("fields", "data"):
        if isinstance(found.get(key), Mapping):
            found[key] = {name: _absolute(entry, folder, existing) for name, entry in found[key].items()}
    if isinstance(found.get("shapes"), Mapping):
        shapes = {name: shape if isinstance(shape, Mapping) else {} for name, shape in found["shapes"].items()}
        bodies = {name: {kind: _absolute(body, folder, existing) for kind, body in shape.items()} for name, shape in shapes.items()}
        found["shapes"] = {name: bodies[name] or shape for name, shape in found["shapes"].items()}
    if "reference" in found:
        found["reference"] = _absolute(found["reference"], folder, existing)
    return found


def _absolute(entry: Any, folder: Path, existing: bool) -> Any:
    file = entry.get("file") if isinstance(entry, Mapping) else None
    if not isinstance(file, str) or not file.strip() or (existing and not (folder / file).exists()):
        return entry
    return {**entry, "file": str((folder / file).absolute())}


def refuse_unknown_keys(settings: Any, known: Sequence[str]) -> None:
    """Raise `BadInput` unless the settings of a table are a mapping with known keys only."""
    if not isinstance(settings, Mapping):
        raise BadInput(f"must be a table, for instance {{file: measured.csv}}, got {settings!r}")
    for key in settings:
        if key not in known:
            raise BadInput(f"unknown key '{key}'{nearest(str(key), known)}; keys: {', '.join(known)}")


def read_table(
    settings: Mapping[str, Any],
    box: Mapping[str, tuple[float, float]],
    time: str | None = None,
    gaps: bool = False,
    wanted: Sequence[str] = (),
) -> Table:
    """Read a table.

    Parameters
    ----------
    settings : ``file``; ``columns``, a list of names in order or a mapping {name in the file: name or formula}; ``axes``, the
        coordinates along the axes of gridded arrays. Other keys are left to the caller.
    box : range of each coordinate of the problem.
    time : the coordinate along which a picture does not lie.
    gaps : allow values that are not a number.
    wanted : names that are looked for where ``columns`` does not say any; when the file has one, others are left out.

    Raises
    ------
    BadInput : one line that names the file, and the line or array in it.
    """
    file, columns, axes = (settings.get(key) for key in KEYS)
    if not isinstance(file, str) or not file.strip():
        raise BadInput("needs the name of a file, for instance file: measured.csv")
    path = Path(file).absolute()
    contents = read_contents(path)
    if contents.image:
        contents = _over_the_box(path.name, contents, box, time, axes)
        axes = None
    chosen = _chosen(path.name, contents, columns, box, wanted)
    arrays = {key: _checked(path.name, contents, source, key in box, gaps) for key, source in chosen.items()}
    coordinates = {name: arrays.pop(name) for name in box if name in arrays}
    table = Table(str(path), coordinates, arrays, (), contents.lines, contents.digest)
    _refuse_empty(table, box, contents)
    if contents.lines is not None:
        _refuse_axes(path.name, axes)
        return table
    return _arranged(table, axes, {key: contents.axes.get(source) for key, source in chosen.items()})


def _refuse_empty(table: Table, box: Mapping, contents: Contents) -> None:
    if not table.coordinates:
        raise BadInput(f"{table.name} has no coordinate; needs at least one of {', '.join(box)} among {_listed(contents.arrays)}")
    if not table.columns:
        raise BadInput(f"{table.name} has coordinates only ({', '.join(table.coordinates)}); a column with values is missing")


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))


def _over_the_box(name: str, contents: Contents, box: Mapping, time: str | None, axes: Any) -> Contents:
    """Spread a picture over the box: columns along the first space coordinate, rows along the second, the top row at its end."""
    across = _axis_names(axes, box) or tuple(coordinate for coordinate in box if coordinate != time)[:2]
    if len(across) != 2:
        raise BadInput(f"{name}: a picture needs two space coordinates, there is {_listed(across) or 'none'}")
    pixels = contents.arrays["grey"].T
    places = {each: np.linspace(box[each][0], box[each][1], length) for each, length in zip(across, pixels.shape, strict=True)}
    return replace(contents, arrays={**places, "grey": pixels}, axes={"grey": across})


def _axis_names(axes: Any, box: Mapping) -> tuple[str, ...]:
    """Return the names in ``axes:``, () when it is not given."""
    if axes is None:
        return ()
    if not isinstance(axes, (list, tuple)) or not all(isinstance(name, str) for name in axes):
        raise BadInput(f"axes is a list of coordinates in the order of the arrays' axes, such as [t, x], got {axes!r}")
    for name in axes:
        if name not in box:
            raise BadInput(f"axes: '{name}' is not a coordinate{nearest(name, box)}; coordinates: {', '.join(box)}")
    if len(set(axes)) < len(axes):
        raise BadInput(f"axes: a coordinate is named twice in {_listed(axes)}")
    return tuple(axes)


def _refuse_axes(name: str, axes: Any) -> None:
    if axes is not None:
        raise BadInput(f"{name} has columns, not arrays; axes belongs to gridded arrays of npz, mat and nc files")


def _chosen(file: str, contents: Contents, columns: Any, box: Mapping, wanted: Sequence[str]) -> dict[str, str]:
    """Return the names in the file by what they are called in the problem."""
    known = list(contents.arrays)
    if columns is None:
        if not contents.named:
            raise BadInput(f"{file} has {len(known)} columns without names; say which they are: columns: [{', '.join(box)}, ...]")
        looked_for = [name for name in wanted if name in known]
        return {name: name for name in ([*(x for x in box if x in known), *looked_for] if looked_for else known)}
    if isinstance(columns, Mapping):
        found = {}
        for source, meaning in columns.items():
            if not contents.named:
                raise BadInput(
                    f"{file} has {len(known)} columns without names; list them in order: columns: [{', '.join(box)}, ...]"
                )
            if source not in contents.arrays:
                raise BadInput(f"{file} has no column '{source}'{nearest(str(source), known)}; it has {_listed(known)}")
            if not isinstance(meaning, (str, int, float)) or isinstance(meaning, bool):
                raise BadInput(f"columns: '{source}' needs the name or formula that it is, got {meaning!r}")
            if str(meaning) in found:
                raise BadInput(f"columns: two columns are '{meaning}'")
            found[str(meaning)] = str(source)
        named = {name: name for name in box if name in contents.arrays and name not in found and name not in columns}
        return {**named, **found}
    if not isinstance(columns, (list, tuple)) or not columns or not all(isinstance(name, str) for name in columns):
        raise BadInput(f"columns is a list of names in order, or a mapping {{in the file: name or formula}}, got {columns!r}")
    if len(set(columns)) < len(columns):
        raise BadInput(f"columns: a name is listed twice in {_listed(columns)}")
    if contents.lines is not None:
        if len(columns) != len(known):
            raise BadInput(f"{file} needs columns {_listed(columns)}, it has {len(known)} ({_listed(known)})")
        return dict(zip(columns, known, strict=True))
    for name in columns:
        if name not in contents.arrays:
            raise BadInput(
                f"{file} needs columns {_listed(columns)}, it has no '{name}'{nearest(name, known)}; it has {_listed(known)}"
            )
    return {**{name: name for name in box if name in contents.arrays}, **{name: name for name in columns}}


def _checked(file: str, contents: Contents, name: str, is_coordinate: bool, gaps: bool) -> Array:
    """Return an array of the file as finite numbers."""
    values = contents.arrays[name]
    if values.dtype.kind not in "biufc":
        raise BadInput(f"{file}: '{name}' holds no numbers but {values.dtype}")
    if not values.size:
        raise BadInput(f"{file}: '{name}' is empty")
    values = np.ascontiguousarray(values, complex if values.dtype.kind == "c" else float)
    if is_coordinate and values.dtype.kind == "c":
        raise BadInput(f"{file}: the coordinate '{name}' is complex")
    if not (gaps and not is_coordinate):
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            raise BadInput(f"{file} {contents.place(name, bad[0])} is not a number")
    return values


# arrays and their axes ------------------------------------------------------------------------------------------------


def _arranged(table: Table, axes: Any, labels: Mapping[str, tuple[str, ...] | None]) -> Table:
    """Return arrays as flat columns, or as a grid whose axes are known."""
    shapes = {key: _squeezed(values).shape for key, values in table.columns.items()}
    places = {name: _squeezed(values) for name, values in table.coordinates.items()}
    stated = _axis_names(axes, table.coordinates) or _labelled(table, labels)
    flat = _flat(table, places, shapes)
    if flat is not None and not stated:
        return flat
    vectors = {name: np.atleast_1d(values) for name, values in places.items()}
    for name, values in vectors.items():
        if values.ndim > 1:
            raise BadInput(f"{table.name}: '{name}' has shape {_shape(values)}, which is neither that of the values nor a list")
        if len(np.unique(values)) < len(values):
            raise BadInput(f"{table.name}: '{name}' has a value twice, so that it is no axis of a grid")
    columns: dict[str, Array] = {}
    order = stated
    for key, values in table.columns.items():
        found = _order(table.name, key, values, {name: len(each) for name, each in vectors.items()}, stated)
        if columns and found != order:
            raise BadInput(f"{table.name}: '{key}' has its axes in another order than '{next(iter(columns))}'")
        order = found
        columns[key] = values.reshape([len(vectors[name]) for name in order])
    return replace(table, coordinates=vectors, columns=columns, axes=order)


def _squeezed(values: Array) -> Array:
    return np.squeeze(values) if values.size > 1 else values.reshape(1)


def _shape(values: Array) -> str:
    return "x".join(map(str, values.shape))


def _labelled(table: Table, labels: Mapping[str, tuple[str, ...] | None]) -> tuple[str, ...]:
    """Return the axes that the file itself names, () when it does not name them all."""
    for key in table.columns:
        names = labels.get(key) or ()
        if names and set(names) == set(table.coordinates) and all(table.coordinates[name].ndim == 1 for name in names):
            return tuple(names)
    return ()


def _flat(table: Table, places: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> Table | None:
    """Return the table as flat columns when every place has a value of its own in every coordinate, else None."""
    shape = next(iter(places.values())).shape
    if any(values.shape != shape for values in places.values()):
        return None
    columns = {}
    for key, values in table.columns.items():
        if shapes[key] == shape:
            columns[key] = values.ravel()
        elif len(shape) == 1 and len(shapes[key]) == 2 and shapes[key][0] == shape[0] and shapes[key] != shape * len(places):
            columns[key] = _squeezed(values)
        else:
            return None
    return replace(table, coordinates={name: values.ravel() for name, values in places.items()}, columns=columns)


def _order(file: str, key: str, values: Array, lengths: Mapping[str, int], stated: tuple[str, ...]) -> tuple[str, ...]:
    """Return which coordinate lies along each axis of an array."""
    long = [name for name, length in lengths.items() if length > 1]
    shape = tuple(length for length in values.shape if length > 1)
    sizes = _listed(f"{name} {length}" for name, length in lengths.items())
    if stated:
        if set(stated) != set(lengths):
            raise BadInput(f"{file}: axes must name {_listed(lengths)}, got {_listed(stated)}")
        if tuple(lengths[name] for name in stated if lengths[name] > 1) != shape:
            raise BadInput(f"{file}: '{key}' has shape {_shape(values)}, axes {_listed(stated)} have lengths {sizes}")
        return stated
    fitting = [order for order in itertools.permutations(long) if tuple(lengths[name] for name in order) == shape]
    if not fitting:
        raise BadInput(f"{file}: '{key}' has shape {_shape(values)}, the coordinates have lengths {sizes}")
    if len(fitting) > 1:
        choices = " or ".join(f"[{', '.join(order)}]" for order in fitting[:2])
        raise BadInput(f"{file}: '{key}' has shape {_shape(values)}; say which axis is which: axes: {choices}")
    return (*fitting[0], *(name for name in lengths if name not in long))
