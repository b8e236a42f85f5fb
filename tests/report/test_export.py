import base64
import csv
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from report_runs import build_run
from scipy.io import netcdf_file

from pinn.problem.settings import BadInput
from pinn.report.export import export, write_npz
from pinn.report.folder import Grid, RunData
from pinn.report.vtk import interpolated, is_even


def read_arrays(path):
    """The arrays of a VTK file by name, flat, as its format says: base64 of a 64-bit length and little-endian values."""
    arrays = {}
    for array in ElementTree.parse(path).iter("DataArray"):
        raw = base64.b64decode(array.text)
        assert int.from_bytes(raw[:8], "little") == len(raw) - 8
        arrays[array.attrib["Name"]] = np.frombuffer(raw[8:], "<f8")
    return arrays


def test_npz_is_the_solution_again_and_the_same_bytes_later(heat, tmp_path):
    export(heat, tmp_path / "one.npz")
    time.sleep(0.01)
    export(heat, tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    data = RunData(heat)
    with np.load(tmp_path / "one.npz") as stored:
        assert all(np.array_equal(stored[name], array) for name, array in data.solution.items())


def test_npz_bytes_know_no_clock(tmp_path, monkeypatch):
    axes, fields = {"x": np.arange(3.0)}, {"u": np.arange(3.0)[::-1]}
    write_npz(tmp_path / "a.npz", axes, fields, {"b": 1, "a": [1, 2]})
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_npz(tmp_path / "b.npz", axes, fields, {"a": [1, 2], "b": 1})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as stored:
        assert np.array_equal(stored["u"], [2.0, 1.0, 0.0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_netcdf_holds_fields_by_coordinate(heat, tmp_path):
    export(heat, tmp_path / "solution.nc")
    data = RunData(heat)
    with netcdf_file(str(tmp_path / "solution.nc"), mmap=False) as file:
        assert file.variables["u.error"].dimensions == ("x", "t") and file.title == b"Heat conduction in a rod"
        assert file.variables["u"].units == b"K" and file.variables["t"].units == b"s"
        for name, array in data.solution.items():
            assert np.array_equal(file.variables[name][:], array)


def test_csv_has_a_line_per_point_with_all_digits(heat, tmp_path):
    export(heat, tmp_path / "deeper" / "solution.csv")
    data = RunData(heat)
    with (tmp_path / "deeper" / "solution.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["x", "t", "u"]
    x, t = (np.array([float(row[name]) for row in rows]).reshape(17, 17) for name in ("x", "t"))
    assert np.array_equal(x[:, 0], data.grid.axes["x"]) and np.array_equal(t[0], data.grid.axes["t"])
    assert np.array_equal(np.array([float(row["u"]) for row in rows]).reshape(17, 17), data.field("u"))


@pytest.mark.parametrize("suffix", [".vti", ".vtr"])
def test_vtk_of_a_steady_solution(tmp_path, suffix):
    folder = build_run(tmp_path / "run", "poisson_3d", size=6)
    done = export(folder, tmp_path / f"solution{suffix}")
    values = RunData(folder).field("u")
    assert done.paths == (tmp_path / f"solution{suffix}",) and done.notes == ()
    arrays = read_arrays(done.paths[0])
    assert np.array_equal(arrays["u"].reshape(values.shape, order="F"), values)
    piece = next(ElementTree.parse(done.paths[0]).iter("Piece"))
    assert piece.attrib["Extent"] == "0 5 0 5 0 5"


def test_vtk_of_a_solution_in_time_is_a_series(tmp_path):
    folder = build_run(tmp_path / "run", "heat_2d", size=6)
    done = export(folder, tmp_path / "plate.vtr")
    data = RunData(folder)
    sets = list(ElementTree.parse(done.paths[0]).iter("DataSet"))
    assert done.paths[0].name == "plate.pvd" and len(sets) == len(data.grid.axes["t"]) == len(done.paths) - 1
    assert [float(item.attrib["timestep"]) for item in sets] == data.grid.axes["t"].tolist()
    arrays = read_arrays(tmp_path / sets[2].attrib["file"])
    assert np.array_equal(arrays["T"].reshape(6, 6, order="F"), data.field("T")[:, :, 2])
    assert np.array_equal(arrays["x"], data.grid.axes["x"]) and np.array_equal(arrays["z"], [0.0])


def test_uneven_grid_is_interpolated_for_vti_and_said(tmp_path):
    x = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 25))
    y = np.linspace(0, 2, 9)
    write_npz(
        tmp_path / "solution.npz",
        {"x": x, "y": y},
        {"u": np.sin(3 * x)[:, None] * y},
        {"coordinates": ["x", "y"], "unknowns": ["u"], "time": None},
    )
    done = export(tmp_path, tmp_path / "u.vti")
    assert len(done.notes) == 1 and "uniform grid along x;" in done.notes[0]
    exact = np.sin(3 * np.linspace(0, 1, 25))[:, None] * y
    error = np.abs(read_arrays(done.paths[0])["u"].reshape(25, 9, order="F") - exact).max()
    assert 0 < error < 1e-4, error
    assert export(tmp_path, tmp_path / "u.vtr").notes == ()


def test_missing_values_spread_no_further_than_their_neighbours():
    axis = np.array([0.0, 1.0, 3.0, 4.0])
    grid = Grid({"x": axis}, None)
    values = interpolated(np.array([0.0, 1.0, np.nan, 4.0]), grid, {"x": np.array([0.0, 0.5, 2.0, 4.0])})
    assert np.array_equal(values, [0.0, 0.5, np.nan, 4.0], equal_nan=True) and not is_even(axis) and is_even(axis[:2])


def test_bad_requests_are_refused(heat, tmp_path):
    with pytest.raises(BadInput, match=r"must end in one of \.npz, .*did you mean '\.npz'"):
        export(heat, tmp_path / "u.npy")
    with pytest.raises(BadInput, match="VTK has one to three space coordinates, this solution 0"):
        export(build_run(tmp_path / "ode", "ode", size=5), tmp_path / "u.vti")
    (tmp_path / "status.json").write_text("{}")
    with pytest.raises(BadInput, match="no solution to export"):
        export(tmp_path, tmp_path / "u.npz")
    assert not (tmp_path / "u.npz").exists()
