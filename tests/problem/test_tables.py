"""Tables: numbers from files of every kind arrive as they were written, and every fault is told in one line."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pinn.problem.data.tables import read_table, with_absolute_files
from pinn.problem.settings import BadInput

BOX = {"x": (0.0, 1.0), "t": (0.0, 2.0)}
X, T = np.linspace(0, 1, 5), np.linspace(0, 2, 3)
GRID = np.sin(X)[:, None] * np.exp(T)


def rows():
    points = np.array([(x, t) for x in X for t in T])
    return np.column_stack([points, GRID.ravel()])


def written(folder, text, name="obs.csv"):
    (folder / name).write_text(text)
    return {"file": str(folder / name)}


TEXTS = {
    "a header and commas": ("x,t,u\n", ","),
    "commented header": ("# x, t, u\n", ","),
    "COMSOL": ("% Model: heat.mph\n% Version: 5.6\n% x                       t             u (K)\n", "    "),
    "tabs and empty lines": ("x\tt\tu\n\n", "\t"),
    "semicolons": ('"x";"t";"u"\n', ";"),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("ending", ["csv", "txt", "dat"])
def test_columns_of_text_arrive_as_written(tmp_path, kind, ending):
    head, sign = TEXTS[kind]
    lines = [sign.join(map(repr, row)) for row in rows().tolist()]
    table = read_table(written(tmp_path, head + "\n".join(lines), f"obs.{ending}"), BOX)
    assert table.axes == () and list(table.coordinates) == ["x", "t"] and list(table.columns) == ["u"]
    assert np.array_equal(np.column_stack([table.points, table.columns["u"]]), rows())
    assert table.lines[0] == head.count("\n") + 1 and table.num_rows == 15


def test_columns_without_names_are_listed(tmp_path):
    settings = written(tmp_path, "\n".join(" ".join(map(repr, row)) for row in rows().tolist()), "obs.dat")
    table = read_table({**settings, "columns": ["x", "t", "q"]}, BOX)
    assert np.array_equal(table.columns["q"], rows()[:, 2])


def test_columns_are_renamed_and_others_left_out(tmp_path):
    table = read_table({**written(tmp_path, "X,t,a,b\n0,1,2,3\n1,1,4,5\n"), "columns": {"X": "x", "b": "-k*u_x"}}, BOX)
    assert np.array_equal(table.points, [[0, 1], [1, 1]]) and np.array_equal(table.columns["-k*u_x"], [3, 5])
    assert list(table.columns) == ["-k*u_x"]


def test_complex_columns_of_text(tmp_path):
    table = read_table(written(tmp_path, "x,u\n0,1+2i\n1,-0.5-1e-3i\n"), BOX)
    assert np.array_equal(table.columns["u"], [1 + 2j, -0.5 - 1e-3j])


def arrays(folder, ending, **given):
    path = folder / f"obs.{ending}"
    if ending == "npz":
        np.savez(path, **given)
    elif ending == "mat":
        from scipy.io import savemat

        savemat(path, given)
    else:
        from scipy.io import netcdf_file

        with netcdf_file(path, "w") as file:
            for name, values in given.items():
                if values.ndim == 1:
                    file.createDimension(name, len(values))
            for name, values in given.items():
                axes = (name,) if values.ndim == 1 else tuple(each for each in ("x", "t") if each in given)
                file.createVariable(name, "d", axes)[:] = values
    return {"file": str(path)}


@pytest.mark.parametrize("ending", ["npz", "mat", "nc"])
def test_grids_are_recognised_by_their_shape(tmp_path, ending):
    table = read_table(arrays(tmp_path, ending, x=X, t=T, u=GRID), BOX)
    assert table.axes == ("x", "t") and np.array_equal(table.columns["u"], GRID) and table.num_rows == 15
    flat = table.flat()
    assert np.array_equal(np.column_stack([flat.points, flat.columns["u"]]), rows())


def test_a_grid_with_its_axes_the_other_way_round(tmp_path):
    table = read_table(arrays(tmp_path, "npz", x=X, t=T, u=GRID.T), BOX)
    assert table.axes == ("t", "x") and list(table.coordinates) == ["x", "t"]
    flat = table.flat()
    assert np.array_equal(flat.columns["u"], np.sin(flat.points[:, 0]) * np.exp(flat.points[:, 1]))


def test_square_grids_need_their_axes(tmp_path):
    settings = arrays(tmp_path, "npz", x=X, t=2 * X, u=np.outer(X, X**2))
    with pytest.raises(BadInput, match=r"shape 5x5; say which axis is which: axes: \[x, t\] or \[t, x\]"):
        read_table(settings, BOX)
    assert read_table({**settings, "axes": ["t", "x"]}, BOX).axes == ("t", "x")
    labelled = arrays(tmp_path, "nc", x=X, t=2 * X, u=np.outer(X, X**2))
    assert read_table(labelled, BOX).axes == ("x", "t")


def test_flat_arrays_and_arrays_of_meshes(tmp_path):
    points = rows()
    flat = read_table(arrays(tmp_path, "mat", x=points[:, 0], t=points[:, 1], u=points[:, 2]), BOX)
    mesh_x, mesh_t = np.meshgrid(X, T)
    mesh = read_table(arrays(tmp_path, "npz", x=mesh_x, t=mesh_t, u=GRID.T), BOX)
    for table in (flat, mesh):
        assert table.axes == () and len(table.points) == 15
        assert np.array_equal(table.columns["u"], np.sin(table.points[:, 0]) * np.exp(table.points[:, 1]))


def test_vectors_and_complex_arrays(tmp_path):
    table = read_table({**arrays(tmp_path, "npz", t=T, y=np.ones((3, 2)), z=1j * T), "columns": {"y": "(u, v)", "z": "h"}}, BOX)
    assert table.columns["(u, v)"].shape == (3, 2) and np.array_equal(table.columns["h"], 1j * T)


def test_a_single_coordinate_of_a_grid(tmp_path):
    table = read_table(arrays(tmp_path, "mat", x=X, k=X**2), BOX)
    assert table.axes == () and np.array_equal(table.columns["k"], X**2)


def test_a_picture_lies_over_the_box(tmp_path):
    from matplotlib.image import imsave

    pixels = np.zeros((3, 4, 3), np.uint8)
    pixels[0, 1] = 255  # in the top row, second from the left
    pixels[2, 3] = (51, 51, 51)
    imsave(tmp_path / "k.png", pixels)
    table = read_table({"file": str(tmp_path / "k.png")}, {"x": (0, 3), "t": (0, 1), "y": (0, 1)}, "t")
    assert table.axes == ("x", "y") and table.columns["grey"].shape == (4, 3)
    assert table.columns["grey"][1, 2] == pytest.approx(1) and table.columns["grey"][3, 0] == pytest.approx(0.2)
    assert np.count_nonzero(table.columns["grey"]) == 2
    assert np.array_equal(table.coordinates["x"], [0, 1, 2, 3]) and np.array_equal(table.coordinates["y"], [0, 0.5, 1])


FAULTS = [
    ("x,t,u\n0,0,1\n0,nan,1\n", {}, "obs.csv line 3: 't' is not a number"),
    ("x,t,u\n0,0,1\n0,1,inf\n", {}, "obs.csv line 3: 'u' is not a number"),
    ("x,t,u\n0,0,1\n\n0,1,high\n", {}, "obs.csv line 4: 'u' is 'high', not a number"),
    ("x,t,u\n0,0,1\n0,,2\n", {}, "obs.csv line 3: 't' is missing"),
    ("x,t,u\n0,0,1\n0,1\n", {}, "obs.csv line 3: 2 numbers where 3 are needed (x, t, u)"),
    ("x,t,u\n", {}, "obs.csv has no numbers below its header"),
    ("# only words\n", {}, "obs.csv has no numbers"),
    (" \n", {}, "obs.csv is empty"),
    ("0,0,1\n", {}, "obs.csv has 3 columns without names; say which they are: columns: [x, t, ...]"),
    ("0,0,1\n", {"columns": {"u": "v"}}, "obs.csv has 3 columns without names; list them in order: columns: [x, t, ...]"),
    ("0 0 1 2\n", {"columns": ["x", "t", "u"]}, "obs.csv needs columns x, t, u, it has 4 (1, 2, 3, 4)"),
    ("x,t,u\n0,0,1\n", {"columns": {"w": "u"}}, "obs.csv has no column 'w'; it has x, t, u"),
    ("x,t,u\n0,0,1\n", {"columns": {"u": None}}, "columns: 'u' needs the name or formula that it is, got None"),
    ("x,t,u\n0,0,1\n", {"columns": {"u": "v", "x": "v"}}, "columns: two columns are 'v'"),
    ("x,t,u\n0,0,1\n", {"columns": "x"}, "columns is a list of names in order, or a mapping {in the file: name or formula}, got 'x'"),
    ("x,t,u\n0,0,1\n", {"columns": ["x", "t", "t"]}, "columns: a name is listed twice in x, t, t"),
    ("x,u,u\n0,0,1\n", {}, "obs.csv: two columns are called 'u'"),
    ("x,t,u\n0,0,1\n", {"axes": ["t", "x"]}, "obs.csv has columns, not arrays; axes belongs to gridded arrays of npz, mat and nc files"),
    ("y,u\n0,1\n", {}, "obs.csv has no coordinate; needs at least one of x, t among y, u"),
    ("x,t\n0,1\n", {}, "obs.csv has coordinates only (x, t); a column with values is missing"),
]  # fmt: skip


@pytest.mark.parametrize("text, settings, message", FAULTS)
def test_faults_of_text(tmp_path, text, settings, message):
    with pytest.raises(BadInput) as caught:
        read_table({**written(tmp_path, text), **settings}, BOX)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "given, settings, message",
    [
        ({"x": X, "t": T, "u": GRID[:4]}, {}, "obs.npz: 'u' has shape 4x3, the coordinates have lengths x 5, t 3"),
        ({"x": X, "u": np.where(X > 0.6, np.nan, X)}, {}, "obs.npz 'u' at [3] is not a number"),
        ({"x": X, "t": T, "u": GRID}, {"axes": ["x"]}, "obs.npz: axes must name x, t, got x"),
        ({"x": X, "t": T, "u": GRID}, {"axes": ["t", "x"]}, "obs.npz: 'u' has shape 5x3, axes t, x have lengths x 5, t 3"),
        ({"x": X, "t": T, "u": GRID}, {"axes": ["y", "x"]}, "axes: 'y' is not a coordinate; coordinates: x, t"),
        ({"x": X, "t": T, "u": GRID}, {"columns": ["v"]}, "obs.npz needs columns v, it has no 'v'; it has x, t, u"),
        ({"x": X, "u": np.array(["a"] * 5)}, {}, "obs.npz: 'u' holds no numbers but <U1"),
        ({"x": X * 1j, "u": X}, {}, "obs.npz: the coordinate 'x' is complex"),
        ({"x": np.zeros(5), "t": T, "u": GRID}, {}, "obs.npz: 'x' has a value twice, so that it is no axis of a grid"),
    ],
)
def test_faults_of_arrays(tmp_path, given, settings, message):
    with pytest.raises(BadInput) as caught:
        read_table({**arrays(tmp_path, "npz", **given), **settings}, BOX)
    assert str(caught.value) == message


def test_files_that_are_none(tmp_path):
    for name, words in [
        ("none.csv", "no file"),
        ("k.xlsx", "'.xlsx' is not known; endings: .csv, .txt, .dat, .npz, .mat, .nc, .png"),
    ]:
        with pytest.raises(BadInput, match=words):
            read_table({"file": str(tmp_path / name)}, BOX)
    for ending in ("npz", "mat", "nc", "png", "csv"):
        (tmp_path / f"bad.{ending}").write_bytes(b"\x00\x01 no such file")
        with pytest.raises(BadInput, match=f"bad.{ending} is not "):
            read_table({"file": str(tmp_path / f"bad.{ending}")}, BOX)
    with pytest.raises(BadInput, match="needs the name of a file"):
        read_table({"columns": ["x"]}, BOX)


def test_newer_files_say_what_they_need(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "xarray", None)
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(100))
    with pytest.raises(BadInput, match="version 7.3, which needs h5py"):
        read_table({"file": str(tmp_path / "new.mat")}, BOX)
    (tmp_path / "new.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(BadInput, match="needs xarray and netCDF4"):
        read_table({"file": str(tmp_path / "new.nc")}, BOX)


def test_places_outside_the_box_are_named(tmp_path):
    table = read_table(written(tmp_path, "x,t,u\n0,0,1\n0,2.5,1\n0,3,1\n"), BOX)
    with pytest.raises(BadInput) as caught:
        table.refuse_outside(BOX)
    assert str(caught.value) == "obs.csv line 3: t = 2.5 is outside its range 0 to 2 (2 such places)"


def test_gaps_are_allowed_where_they_are_asked_for(tmp_path):
    settings = written(tmp_path, "x,t,u\n0,0,1\n0,1,nan\n")
    assert np.isnan(read_table(settings, BOX, gaps=True).columns["u"][1])


def test_files_belong_to_a_folder():
    text = {"fields": {"k": {"file": "k.csv"}, "bad": 3}, "reference": {"file": "/at/u.npz"}, "data": {"a": {"points": 3}}}
    found = with_absolute_files(text, Path("/folder"))
    assert found["fields"] == {"k": {"file": "/folder/k.csv"}, "bad": 3}
    assert found["reference"] == {"file": "/at/u.npz"} and found["data"] == text["data"]


def test_a_large_text_is_read_at_once(tmp_path):
    side = np.linspace(0, 1, 256)
    path = tmp_path / "large.dat"
    np.savetxt(path, np.column_stack([np.repeat(side, 256), np.tile(side, 256), np.ones(65536)]))
    begin = time.process_time()
    table = read_table({"file": str(path), "columns": ["x", "t", "k"]}, BOX)
    assert len(table.points) == 65536 and time.process_time() - begin < 1


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A file of every kind."""
    from matplotlib.image import imsave

    folder = tmp_path_factory.mktemp("good")
    imsave(folder / "obs.png", GRID)
    written(folder, "x,t,u\n0,0,1\n1,1,2\n")
    for ending in ("npz", "mat", "nc"):
        arrays(folder, ending, x=X, t=T, u=GRID)
    return folder


@pytest.mark.parametrize("ending", ["csv", "npz", "nc", "png"])  # SciPy may crash on damaged files of MATLAB
def test_damaged_files_are_told_in_one_line(good, ending):
    data, random = (good / f"obs.{ending}").read_bytes(), np.random.default_rng(0)
    path = good / f"damaged.{ending}"
    told = 0
    for _ in range(60):
        damaged = bytearray(data[: random.integers(1, len(data) + 1)])
        for place in random.integers(0, len(damaged), 5):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_table({"file": str(path)}, BOX)
        except BadInput as error:
            told += 1
            assert "\n" not in str(error)
    assert told > 20
