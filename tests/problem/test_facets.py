"""Bodies from files: meshes and outlines, against solids whose volume, area and inside are known."""

import itertools
import math
import struct

import numpy as np
import pytest

from pinn.problem.language import load_problem, read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.shapes.facets import Facets, Solid

CUBE = {"x": [-2, 2], "y": [-2, 2], "z": [-2, 2]}


def octahedron(times=0):
    """Triangles of an octahedron, split and pushed out to the unit sphere so often; (triangles, 3, 3)."""
    signs = itertools.product([1, -1], repeat=3)
    found = [np.diag(sign)[:: int(np.prod(sign))] for sign in signs]
    for _ in range(times):
        found = [np.array(part) for a, b, c in found for part in _split(a, b, c)]
    return np.array(found, float)


def _split(a, b, c):
    ab, bc, ca = ((p + q) / np.linalg.norm(p + q) for p, q in ((a, b), (b, c), (c, a)))
    return (a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)


def write_binary(path, corners):
    normal = struct.pack("<3f", 0, 0, 0)
    body = b"".join(normal + np.asarray(each, "<f4").tobytes() + b"\0\0" for each in corners)
    path.write_bytes(b"made for a test".ljust(80) + struct.pack("<I", len(corners)) + body)


def write_ascii(path, corners):
    lines = ["solid trial"]
    for triangle in corners:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex " + " ".join(map(repr, map(float, corner))) for corner in triangle]
        lines += ["endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid"]))


def problem(shapes, domain, coordinates=CUBE):
    return read_problem({
        "coordinates": coordinates, "unknowns": ["u"], "equations": {"main": "-laplacian(u) = 1"}, "shapes": shapes,
        "domain": domain, "conditions": {"walls": {"at": "boundary", "u": 0}},
    })  # fmt: skip


def test_an_octahedron_from_both_kinds_of_files(tmp_path):
    """Inside where |x| + |y| + |z| < 1, with an area of 4 √3."""
    corners = octahedron()
    write_binary(tmp_path / "binary.stl", corners)
    write_ascii(tmp_path / "ascii.stl", corners[:, ::-1])
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (4000, 3))
    for name in ("binary", "ascii"):
        found = problem({"part": {"mesh": {"file": str(tmp_path / f"{name}.stl")}}}, "part")
        np.testing.assert_array_equal(found.inside(points), np.abs(points).sum(axis=1) < 1)
        (piece,) = found.edges
        assert piece.surface.measure == pytest.approx(4 * math.sqrt(3), rel=1e-14)
        walls = Points(surface=2048).draw(found, 0)["walls"]
        np.testing.assert_allclose(np.abs(walls.points).sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_allclose(walls.normals, np.sign(walls.points) / math.sqrt(3), atol=1e-12)
        each = np.unique(walls.points > 0, axis=0, return_counts=True)[1]
        assert len(each) == 8 and each.min() > 200


def test_a_fine_ball_and_its_outside():
    corners = octahedron(4)
    facets = Facets(corners)
    points = np.random.default_rng(1).uniform(-1.1, 1.1, (20_000, 3))
    radius = np.linalg.norm(points, axis=1)
    inside = facets.contains(points)
    assert inside[radius < 0.99].all() and not inside[radius > 1].any()
    assert facets.until[-1] == pytest.approx(4 * math.pi, rel=5e-3)
    placed = Solid(("x", "y", "z"), "", facets).place(np.random.default_rng(2).random((50_000, 2)))
    np.testing.assert_allclose(placed.T @ placed / len(placed), np.eye(3) / 3, atol=6e-3)


def test_facets_know_their_points_only():
    solid = Solid(("x", "y", "z"), "", Facets(octahedron(2)))
    points = solid.place(np.random.default_rng(0).random((500, 2)))
    normals = solid.normals(points)
    assert solid.has(points).all() and not solid.has(points + 1e-4 * normals).any()
    assert (np.einsum("ij,ij->i", normals, points) > 0.9).all()


@pytest.mark.parametrize("turned", [False, True])
def test_an_outline(tmp_path, turned):
    angle = 2 * np.pi * np.arange(300) / 300
    corners = (1 + 0.3 * np.cos(5 * angle))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    corners = corners[::-1] if turned else corners
    np.savetxt(tmp_path / "star.csv", corners, delimiter=",", header="x,y", comments="")
    found = problem({"star": {"polygon": {"file": str(tmp_path / "star.csv")}}}, "star", {"x": [-2, 2], "y": [-2, 2]})
    spelled = problem({"star": {"polygon": {"vertices": corners.tolist()[::5]}}}, "star", {"x": [-2, 2], "y": [-2, 2]})
    few = problem({"star": {"polygon": {"file": str(_saved(tmp_path, corners[::5]))}}}, "star", {"x": [-2, 2], "y": [-2, 2]})
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (3000, 2))
    np.testing.assert_array_equal(few.inside(points), spelled.inside(points))
    walls = Points(surface=1024).draw(found, 0)["walls"]
    assert found.inside(walls.points - 1e-6 * walls.normals).all() and not found.inside(walls.points + 1e-6 * walls.normals).any()
    (piece,) = found.edges
    assert piece.surface.measure == pytest.approx(np.linalg.norm(np.diff(corners, axis=0, append=corners[:1]), axis=1).sum())


def _saved(folder, corners):
    np.savetxt(folder / "few.csv", corners)
    return folder / "few.csv"


def test_files_belong_to_the_folder_of_the_problem(tmp_path):
    write_binary(tmp_path / "part.stl", octahedron())
    (tmp_path / "mine.yaml").write_text(
        "coordinates: {x: [-2, 2], y: [-2, 2], z: [-2, 2]}\nunknowns: [u]\nshapes: {part: {mesh: {file: part.stl}}}\n"
        "domain: not part\nequations: {main: -laplacian(u) = 1}\nconditions: {walls: {at: boundary, u: 0}}\n"
    )
    assert not load_problem(tmp_path / "mine.yaml").inside(np.zeros((1, 3))).any()


def test_bad_files(tmp_path):
    corners = octahedron(1)
    write_binary(tmp_path / "open.stl", corners[:-2])
    turned = corners.copy()
    turned[0] = turned[0, ::-1]
    write_ascii(tmp_path / "turned.stl", turned)
    (tmp_path / "short.stl").write_bytes((tmp_path / "open.stl").read_bytes()[:-7])
    (tmp_path / "part.obj").write_text("v 0 0 0")
    for name, message in [
        ("open.stl", "shapes.b: the mesh open.stl has 4 open edges; it must be closed"),
        ("turned.stl", "the mesh turned.stl has 3 edges between triangles that are wound in different directions"),
        ("short.stl", "short.stl is no STL file, neither binary nor ASCII, or a part of it is missing"),
        ("part.obj", "meshes are read from STL files, got 'part.obj'"),
        ("none.stl", "no file"),
    ]:
        with pytest.raises(BadInput, match=message):
            problem({"b": {"mesh": {"file": str(tmp_path / name)}}}, "b")
    with pytest.raises(BadInput, match="a mesh lies in 3 space coordinates, here are 2"):
        problem({"b": {"mesh": {"file": "x.stl"}}}, "b", {"x": [0, 1], "y": [0, 1]})
    with pytest.raises(BadInput, match="a mesh from a file has a file: {mesh: {file: part.stl}}"):
        problem({"b": {"mesh": {"points": 3}}}, "b")
    for text, message in [
        ("x,y\n0,0\n1,0\n1,a\n", "line 4: must be two numbers, got '1,a'"),
        ("0 0\n1 0\n", "has 2 corners, at least three are needed"),
        ("0 0\n1 1\n1 0\n0 1\n", "edges 1 and 3 of the polygon cross"),
    ]:
        (tmp_path / "outline.csv").write_text(text)
        with pytest.raises(BadInput, match=message):
            problem({"b": {"polygon": {"file": str(tmp_path / "outline.csv")}}}, "b", {"x": [-2, 2], "y": [-2, 2]})
