"""Solutions as files for other programs: NumPy, NetCDF, CSV, VTK."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.settings import BadInput, nearest
from pinn.report.folder import RunData, on_grid
from pinn.report.vtk import write_vti, write_vtr

Arrays = Mapping[str, np.ndarray]
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Exported(NamedTuple):
    """Files written, the one to open first, and what a reader of them should know."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def export(folder: str | Path, to: str | Path) -> Exported:
    """Write the solution of a run to ``to``; its suffix says how: ``.npz .nc .csv .vti .vtr``.

    VTK files hold one moment; a problem in time becomes a ``.pvd`` with a folder of them. ``.vti`` is a uniform grid: on an
    uneven evaluation grid the fields are interpolated to as many uniform points, and a note says so.

    Raises
    ------
    BadInput : the suffix is not known, there is no solution, or VTK is asked for none or more than three space coordinates.
    """
    data, target = RunData(Path(folder)), Path(to)
    grid = data.grid
    if grid is None or not data.unknowns:
        raise BadInput(f"{data.folder} has no solution to export.")
    shaped = {name: on_grid(values, grid) for name, values in data.solution.items() if name not in grid.names}
    fields = {name: values for name, values in shaped.items() if values is not None}
    if target.suffix in _PLAIN:
        target.parent.mkdir(parents=True, exist_ok=True)
        _PLAIN[target.suffix](target, grid.axes, fields, _described(data))
        return Exported((target,))
    if target.suffix in _VTK:
        if grid.parameters:
            raise BadInput("VTK has no parameters; export all values to .npz, .nc or .csv.")
        if not 1 <= len(grid.space) <= 3:
            raise BadInput(f"VTK has one to three space coordinates, this solution {len(grid.space)}; export to .npz, .nc or .csv.")
        target.parent.mkdir(parents=True, exist_ok=True)
        return Exported(*_VTK[target.suffix](target, grid, fields))
    known = [*_PLAIN, *_VTK]
    raise BadInput(f"--to must end in one of {', '.join(known)}, got '{to}'{nearest(target.suffix, known)}")


def write_npz(path: str | Path, axes: Arrays, fields: Arrays, meta: Mapping[str, Any]) -> None:
    """Write axes by coordinate name, fields (shape = lengths of the axes) and ``meta`` as JSON text.

    The same input gives the same bytes.
    """
    stored = {**axes, **fields, "meta": np.array(json.dumps(dict(meta), sort_keys=True))}

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, array in stored.items():
                entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
                entry.create_system, entry.external_attr = 3, 0o644 << 16
                with archive.open(entry, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array).reshape(np.shape(array)), allow_pickle=False)

    _replace(Path(path), write)


def write_nc(path: str | Path, axes: Arrays, fields: Arrays, meta: Mapping[str, Any]) -> None:
    """Write NetCDF 3 with one dimension per coordinate; ``meta`` gives the title, the units and the time coordinate."""
    from scipy.io import netcdf_file

    units = meta.get("units") or {}

    def write(temporary: Path) -> None:
        with netcdf_file(str(temporary), "w", version=2) as file:
            file.title = str(meta.get("title") or "untitled").encode()
            for name, axis in axes.items():
                file.createDimension(name, len(axis))
            shapes = {**{name: (name,) for name in axes}, **dict.fromkeys(fields, tuple(axes))}
            for name, dimensions in shapes.items():
                variable = file.createVariable(name, "d", dimensions)
                variable[...] = np.asarray({**axes, **fields}[name], float)
                if units.get(name.partition(".")[0]):
                    variable.units = str(units[name.partition(".")[0]]).encode()

    _replace(Path(path), write)


def write_csv(path: str | Path, axes: Arrays, fields: Arrays, meta: Mapping[str, Any]) -> None:
    """Write one line per grid point: its coordinates, then the fields, with all their digits."""
    places = np.meshgrid(*axes.values(), indexing="ij")
    columns = np.column_stack([np.ravel(array) for array in (*places, *fields.values())])

    def write(temporary: Path) -> None:
        np.savetxt(temporary, columns, fmt="%.17g", delimiter=",", header=",".join([*axes, *fields]), comments="")

    _replace(Path(path), write)


def _described(data: RunData) -> dict[str, Any]:
    names = list(data.grid.names) if data.grid is not None else []
    meta = dict(data.meta) or {"coordinates": names, "unknowns": list(data.unknowns), "title": data.title}
    return {**meta, "units": dict(data.units)} if data.units else meta


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Write beside ``path`` first, so that a full disk leaves the old file as it was."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


_PLAIN = {".npz": write_npz, ".nc": write_nc, ".csv": write_csv}
_VTK = {".vti": write_vti, ".vtr": write_vtr}
