"""Bodies given by formulas, and bodies that move: lengths, areas, points and normals, against closed forms and quadrature."""

import math

import numpy as np
import pytest

from pinn.problem.formulas.namespace import Namespace
from pinn.problem.formulas.parser import parse
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.shapes.level_sets import LevelSet, level_set
from pinn.problem.shapes.regions import sample_region

SQUARE = {"x": [-1.5, 1.5], "y": [-1.5, 1.5]}
IN_TIME = {**SQUARE, "t": [0, 1]}
STAR = "sqrt(x**2 + y**2) < 1 + 0.2*cos(5*atan2(y, x))"


def rim(text, **ranges):
    names = tuple(ranges) or ("x", "y")
    return LevelSet(names, parse(text), tuple(ranges.values()) or ((-1.5, 1.5), (-1.5, 1.5)))


def problem(shapes, domain, coordinates, conditions=None):
    in_time = "t" in coordinates
    equation = "u_t = laplacian(u)" if in_time else "-laplacian(u) = 1"
    start = {"start": {"at": "t = 0", "u": 0}} if in_time else {}
    conditions = conditions or {"walls": {"at": "boundary", "u": 0}, **start}
    return read_problem({
        "coordinates": coordinates, "unknowns": ["u"], "equations": {"main": equation}, "shapes": shapes, "domain": domain,
        "conditions": conditions,
    })  # fmt: skip


def star_length():
    """By the trapezoidal rule for r(a) = 1 + 0.2 cos(5 a), which converges faster than any power."""
    angle = 2 * np.pi * np.arange(4096) / 4096
    return 2 * np.pi * np.mean(np.hypot(1 + 0.2 * np.cos(5 * angle), np.sin(5 * angle)))


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("x**2 + y**2 - 1", 2 * math.pi),
        ("x**2/2.25 + y**2/0.25 - 0.25", 13.364893220555258 / 4),
        ("x**4 + y**4 - 1", 7.01769794356404164710649416393),
        ("x**2 + y**2 - 4", 2 * (2 * math.pi - 8 * math.acos(0.75))),
        ("max(abs(x), abs(y)) - 1", 8.0),
        ("abs(x) + abs(y) - 1", 4 * math.sqrt(2)),
        ("x + y", 3 * math.sqrt(2)),
        ("sqrt(x**2 + y**2) - 1 - 0.2*cos(5*atan2(y, x))", star_length()),
        ("min((x + 0.6)**2 + y**2, (x - 0.6)**2 + y**2) - 0.25", 2 * math.pi),
    ],
)
def test_curves_have_their_length_and_even_points_with_normals(text, length):
    curve = rim(text)
    assert curve.measure == pytest.approx(length, rel=2e-13)
    points = curve.place(((np.arange(4000) + 0.5) / 4000)[:, None])
    assert curve.has(points).all() and not curve.has(points + 1e-3 * curve.normals(points)).any()
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert np.median(steps) == pytest.approx(curve.measure / 4000, rel=1e-6)
    assert np.mean(np.abs(steps / curve.measure * 4000 - 1) < 1e-4) > 0.99
    normals = curve.normals(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-12)
    tangents = np.diff(points, axis=0) / steps[:, None]
    smooth = np.abs(steps / curve.measure * 4000 - 1) < 1e-4
    across = np.einsum("ij,ij->i", tangents, curve.normals((points[1:] + points[:-1]) / 2))
    assert np.median(np.abs(across[smooth])) < 1e-6


def test_normals_of_an_ellipse_are_exact():
    ellipse = rim("x**2/1.44 + y**2/0.25 - 1")
    points = ellipse.place(np.random.default_rng(0).random((500, 1)))
    expected = points / np.array([1.44, 0.25])
    np.testing.assert_allclose(ellipse.normals(points), expected / np.linalg.norm(expected, axis=1)[:, None], atol=1e-12)


CUBE = {"x": (-1.5, 1.5), "y": (-1.5, 1.5), "z": (-1.5, 1.5)}


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("x**2 + y**2 + z**2 - 1", 4 * math.pi),
        ("x**2 + y**2 + z**2 - 4", 4 * math.pi),
        ("(sqrt(x**2 + y**2) - 1)**2 + z**2 - 0.09", 4 * math.pi**2 * 0.3),
        ("z - 0.3", 9.0),
        ("x**2/1.44 + (y**2 + z**2)/0.36 - 1", 0.72 * math.pi * (1 + 2 * math.asin(math.sqrt(0.75)) / math.sqrt(0.75))),
    ],
)  # fmt: skip
def test_surfaces_have_their_area_and_points_on_them(text, area):
    """A ball, one whose six caps the box cuts off, a torus, a plane and a prolate spheroid."""
    surface = rim(text, **CUBE)
    assert surface.measure == pytest.approx(area, rel=1e-12)
    points = surface.place(np.random.default_rng(0).random((2000, 2)))
    assert surface.has(points).all() and (np.abs(points) <= 1.5 + 1e-9).all()
    normals = surface.normals(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-12)


def test_points_of_a_surface_are_even_in_area():
    surface = rim("x**2 + y**2 + z**2 - 1", **CUBE)
    points = surface.place(np.random.default_rng(1).random((100_000, 2)))
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=7e-3)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(3) / 3, atol=7e-3)
    np.testing.assert_allclose(surface.normals(points), points, atol=1e-12)


def test_roots_of_one_coordinate():
    found = rim("x**2 - 0.25", x=(-1.5, 1.5))
    assert found.measure == 2
    points = found.place(np.linspace(0, 1, 10)[:, None])
    np.testing.assert_allclose(np.abs(points), 0.5, rtol=1e-15)
    np.testing.assert_allclose(found.normals(points), np.sign(points))


@pytest.mark.parametrize(
    ("shapes", "domain", "pieces"),
    [
        ({"blob": "x**4 + y**4 < 1"}, "blob", 1),
        ({"blob": "x**4 + y**4 > 1"}, "not blob", 1),
        ({"star": STAR, "hole": {"ball": {"center": [0.1, 0], "radius": 0.3}}}, "star and not hole", 2),
        ({"star": STAR, "half": "x + y < 0.1"}, "star and half", 2),
        ({"big": "x**2 + y**2 < 4"}, "big", 1),
    ],
)
def test_domains_end_on_rims_with_normals_out_of_them(shapes, domain, pieces):
    found = problem(shapes, domain, SQUARE)
    assert len(found.edges) == pieces
    sites = Points(surface=1024).draw(found, 0)["walls"]
    assert len(sites.points) == 1024
    assert found.inside(sites.points - 1e-6 * sites.normals).all()
    beyond = sites.points + 1e-6 * sites.normals
    assert not (found.inside(beyond) & (np.abs(beyond) < 1.5).all(axis=1)).any()


def test_parts_of_a_rim_are_selected():
    conditions = {"held": {"at": "blob and x > 0", "u": 0}, "insulated": {"at": "blob and x <= 0", "u_n": 0}}
    found = problem({"blob": "x**4 + y**4 < 1"}, "blob", SQUARE, conditions)
    held, insulated = (Points(surface=512).draw(found, 0)[name].points for name in ("held", "insulated"))
    assert (held[:, 0] > 0).all() and (insulated[:, 0] <= 0).all()
    np.testing.assert_allclose((np.concatenate([held, insulated]) ** 4).sum(axis=1), 1, rtol=1e-12)


MOVING = [
    {"ball": {"center": ["0.5*sin(2*pi*t)", 0], "radius": "0.3 + 0.1*t"}},
    {"ellipsoid": {"center": ["0.5*sin(2*pi*t)", 0], "radii": ["0.3 + 0.1*t", 0.5]}},
    {"box": {"x": ["-1 + t", 1.1], "y": [-1, "1 - 0.5*t"]}},
    {"polygon": {"vertices": [["cos(t)", "sin(t)"], ["-sin(t)", "cos(t)"], ["-cos(t)", "-sin(t)"], ["sin(t)", "-cos(t)"]]}},
    "x**2 + (y - 0.2*t)**2 < 0.3 + t/5",
]


@pytest.mark.parametrize(
    ("shape", "domain"), [*((shape, "not body") for shape in MOVING), (MOVING[2], "body"), (MOVING[3], "body")]
)
def test_bodies_move(shape, domain):
    found = problem({"body": shape}, domain, IN_TIME)
    drawn = Points(surface=512).draw(found, 0)
    walls = drawn["walls"]
    assert found.inside(walls.points - 1e-6 * walls.normals).all()
    beyond = walls.points + 1e-6 * walls.normals
    assert not (found.inside(beyond) & (np.abs(beyond[:, :2]) < 1.5).all(axis=1)).any()
    assert (walls.normals[:, 2] == 0).all() and np.ptp(walls.points[:, 2]) > 0.98
    assert found.inside(drawn["main"].points).all()
    assert (drawn["start"].points[:, 2] == 0).all() and found.inside(drawn["start"].points).all()


def test_points_of_a_moving_circle_are_even_at_every_time():
    found = problem({"rod": MOVING[0]}, "rod", IN_TIME)
    (surface,) = {piece.surface for piece in found.edges}
    at = np.full((4000, 1), 0.2)
    points = surface.place(((np.arange(4000) + 0.5) / 4000)[:, None], at) - [0.5 * math.sin(0.4 * math.pi), 0]
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.32, rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 0.32 * 2 * math.pi / 4000, rtol=1e-6)
    assert surface.measure == pytest.approx(2 * math.pi * 0.35, rel=1e-12)


def test_points_of_a_moving_formula_are_nearly_even_and_on_its_rim():
    namespace = Namespace(("x", "y", "t"), "t", {"x": (-1.5, 1.5), "y": (-1.5, 1.5), "t": (0.0, 1.0)})
    surface = level_set(parse("where((x - 0.3*t)**2 + y**2 < 0.5 + 0.2*t, 1, 0)").arguments[0], namespace)
    at = np.full((4000, 1), 0.503)
    points = surface.place(((np.arange(4000) + 0.5) / 4000)[:, None], at) - [0.3 * 0.503, 0]
    np.testing.assert_allclose(np.square(points).sum(axis=1), 0.5 + 0.2 * 0.503, rtol=1e-13)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(steps, surface.measure / 4000, rtol=0.02)


def test_a_front_on_a_line():
    found = problem({"melt": "x < 0.5 + 0.3*t"}, "melt", {"x": [0, 1], "t": [0, 1]})
    sites = sample_region(found, found.conditions[0].region, "front", 200)
    front = sites.points[sites.points[:, 0] > 0]
    np.testing.assert_allclose(front[:, 0], 0.5 + 0.3 * front[:, 1], rtol=1e-14)
    assert (sites.normals[sites.points[:, 0] > 0] == [1, 0]).all()


REFUSED = [
    ("(x**2 + y**2 - 1)**3 < 0", "b", "domain: the rim cannot be followed at ("),
    ("(x - 0.1)**2 + y**2 < 1e-7", "not b", "shapes.b: lies outside the box of the coordinates or is too small to be seen"),
    ("x**2 + y**2 < u", "b", "contains an unknown; shapes are formulas of coordinates"),
    ("x > 5", "not b", "shapes.b: lies outside the box of the coordinates or is too small to be seen: 0 of 10,000 trial points"),
    ({"ball": {"center": [5, 0], "radius": 1}}, "not b", "shapes.b: lies outside the box of the coordinates"),
    ({"ball": {"center": [0, 0], "radius": "0.5 - t"}}, "b", "radius: must be greater than 0, got -0.5 at t=1"),
    ({"ball": {"center": [0, 0], "radius": "0.5 + 0.1*x"}}, "b", "measures of a body are formulas of constants and t"),
    ({"box": {"x": ["t", 0.5]}}, "b", "x: the lower bound must be below the upper bound, got [t, 0.5] at t=1"),
    ({"polygon": {"vertices": [["2*t", 0], [1, 0], [1, 1], [0, 1]]}}, "b", "edges 2 and 4 of the polygon cross"),
    ("x**2 + y**2 < 1", "not c", "domain: 'c' is not a shape"),
]


@pytest.mark.parametrize(("shape", "domain", "message"), REFUSED)
def test_refusals(shape, domain, message):
    with pytest.raises(BadInput) as error:
        problem({"b": shape}, domain, IN_TIME)
    assert message in str(error.value)


def test_a_selector_of_nothing_and_an_unknown_part_are_refused():
    for at, message in (("blob and x > 1.2", "chooses no part of the boundary"), ("blbo", "did you mean 'blob'")):
        conditions = {"walls": {"at": "boundary", "u": 0}, "more": {"at": at, "u_n": 0}}
        with pytest.raises(BadInput, match=message):
            problem({"blob": "x**4 + y**4 < 1"}, "blob", SQUARE, conditions)
