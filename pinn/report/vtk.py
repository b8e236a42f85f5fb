"""VTK's XML files: ImageData for uniform grids, RectilinearGrid for uneven ones, a collection for time.

Source: VTK file formats, https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html (inline binary data: base64 of a
64-bit length and the little-endian values, together).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from pinn.report.folder import Grid

Arrays = Mapping[str, np.ndarray]
EVEN = 1e-9
"""Steps that differ by less than this part of the range count as equal."""

Written = tuple[tuple[Path, ...], tuple[str, ...]]


def write_vtr(path: Path, grid: Grid, fields: Arrays) -> Written:
    """Write the fields on the grid as it is; returns the files, the one to open first, and no notes."""
    axes = [grid.axes[name] for name in grid.space]
    return _series(path, grid, fields, lambda values: _rectilinear(axes, values)), ()


def write_vti(path: Path, grid: Grid, fields: Arrays) -> Written:
    """Write the fields on a uniform grid; returns the files and a note when they had to be interpolated to it."""
    notes: tuple[str, ...] = ()
    even = {name: np.linspace(grid.axes[name][0], grid.axes[name][-1], len(grid.axes[name])) for name in grid.space}
    uneven = [name for name in grid.space if not is_even(grid.axes[name])]
    if uneven:
        fields = {name: interpolated(values, grid, {axis: even[axis] for axis in uneven}) for name, values in fields.items()}
        notes = (f"Interpolated to a uniform grid along {', '.join(uneven)}; export to .vtr for the values as computed.",)
    return _series(path, grid, fields, lambda values: _image(list(even.values()), values)), notes


def is_even(axis: np.ndarray) -> bool:
    """Tell whether the values of an axis are equally spaced."""
    span = axis[-1] - axis[0]
    return bool(np.allclose(np.diff(axis), span / max(len(axis) - 1, 1), rtol=0, atol=EVEN * abs(span)))


def interpolated(values: np.ndarray, grid: Grid, wanted: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a field on other values of some axes: cubic splines axis by axis, linear where a value is missing."""
    from scipy.interpolate import CubicSpline

    for name, points in wanted.items():
        place, axis = grid.names.index(name), grid.axes[name]
        if np.isfinite(values).all() and len(axis) > 3:
            values = CubicSpline(axis, values, axis=place)(points)
        else:
            lines = np.moveaxis(values, place, -1)
            linear = [np.interp(points, axis, line) for line in lines.reshape(-1, len(axis))]
            values = np.moveaxis(np.reshape(linear, (*lines.shape[:-1], len(points))), -1, place)
    return values


def _series(path: Path, grid: Grid, fields: Arrays, piece: Callable[[Arrays], str]) -> tuple[Path, ...]:
    """Write one file, or for a problem in time a collection beside a folder with one file per time."""
    if grid.time is None:
        path.write_text(piece(fields), encoding="ascii")
        return (path,)
    folder, place = path.with_suffix(""), grid.names.index(grid.time)
    folder.mkdir(exist_ok=True)
    paths = []
    for k in range(len(grid.axes[grid.time])):
        paths.append(folder / f"{path.stem}_{k:04d}{path.suffix}")
        paths[-1].write_text(piece({name: np.take(values, k, axis=place) for name, values in fields.items()}), encoding="ascii")
    collection = path.with_suffix(".pvd")
    collection.write_text(_collection(grid.axes[grid.time], [f"{folder.name}/{item.name}" for item in paths]), encoding="utf-8")
    return (collection, *paths)


def _collection(moments: np.ndarray, names: Sequence[str]) -> str:
    pairs = zip(moments, names, strict=True)
    sets = [f'    <DataSet timestep="{float(moment)!r}" part="0" file={quoteattr(name)}/>' for moment, name in pairs]
    return _file("Collection", "\n".join(["  <Collection>", *sets, "  </Collection>"]))


def _image(axes: Sequence[np.ndarray], fields: Arrays) -> str:
    origin = " ".join(repr(float(axis[0])) for axis in _three(axes))
    spacing = " ".join(repr(float(axis[-1] - axis[0]) / max(len(axis) - 1, 1) or 1.0) for axis in _three(axes))
    extent = _extent(axes)
    head = f'  <ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n    <Piece Extent="{extent}">'
    return _file("ImageData", f"{head}\n{_point_data(fields)}\n    </Piece>\n  </ImageData>")


def _rectilinear(axes: Sequence[np.ndarray], fields: Arrays) -> str:
    lines = "\n".join(_array(name, axis) for name, axis in zip("xyz", _three(axes), strict=True))
    head = f'  <RectilinearGrid WholeExtent="{_extent(axes)}">\n    <Piece Extent="{_extent(axes)}">'
    body = f"{_point_data(fields)}\n      <Coordinates>\n{lines}\n      </Coordinates>"
    return _file("RectilinearGrid", f"{head}\n{body}\n    </Piece>\n  </RectilinearGrid>")


def _file(kind: str, body: str) -> str:
    opening = f'<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" header_type="UInt64">'
    return f'<?xml version="1.0"?>\n{opening}\n{body}\n</VTKFile>\n'


def _point_data(fields: Arrays) -> str:
    first = quoteattr(next(iter(fields), ""))
    arrays = "\n".join(_array(name, values) for name, values in fields.items())
    return f"      <PointData Scalars={first}>\n{arrays}\n      </PointData>"


def _array(name: str, values: np.ndarray) -> str:
    data = np.asarray(values, "<f8").ravel(order="F").tobytes()
    text = base64.b64encode(len(data).to_bytes(8, "little") + data).decode("ascii")
    return f'        <DataArray type="Float64" Name={quoteattr(name)} format="binary">{text}</DataArray>'


def _three(axes: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [*axes, *[np.zeros(1)] * (3 - len(axes))]


def _extent(axes: Sequence[np.ndarray]) -> str:
    return " ".join(f"0 {len(axis) - 1}" for axis in _three(axes))
