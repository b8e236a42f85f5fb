"""Domains that are not the whole box: areas, edges and their normals, selectors, and what is refused."""

import math

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.points import Points, selector
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import measure, sample_region
from pinn.problem.shapes.surfaces import Ellipse, Segment, Sphere

SQUARE = {"x": [-2, 2], "y": [-2, 2]}
ELL = {"polygon": {"vertices": [[0, 0], [2, 0], [2, -2], [-2, -2], [-2, 2], [0, 2]]}}


def problem(shapes, domain, coordinates=SQUARE, conditions=None, **more):
    conditions = conditions or {"walls": {"at": "boundary", "u": 0}}
    return read_problem({
        "coordinates": coordinates, "unknowns": ["u"], "equations": {"poisson": "-laplacian(u) = 1"}, "shapes": shapes,
        "domain": domain, "conditions": conditions, **more,
    })  # fmt: skip


def ball(*center, radius=1.0):
    return {"ball": {"center": list(center), "radius": radius}}


@pytest.mark.parametrize(
    ("shapes", "domain", "area"),
    [
        ({"hole": ball(0, 0)}, "not hole", 16 - math.pi),
        ({"hole": ball(2, 0)}, "not hole", 16 - math.pi / 2),
        ({"a": ball(0, 0, radius=2), "b": ball(0, 0)}, "a and not b", 3 * math.pi),
        ({"two": {"ball": {"center": [[-1, 0], [1, 0]], "radius": [0.5, 0.25]}}}, "not two", 16 - math.pi * (0.25 + 0.0625)),
        ({"e": {"ellipsoid": {"center": [0.5, 0], "radii": [1, 0.5]}}}, "e", math.pi / 2),
        ({"step": {"box": {"x": [0, 2], "y": [0, 1]}}}, "not step", 14.0),
        ({"ell": ELL}, "ell", 12.0),
        ({"ell": {"polygon": {"vertices": ELL["polygon"]["vertices"][::-1]}}}, "ell", 12.0),
        ({"half": "x + y < 0"}, None, 16.0),
    ],
)
def test_areas(shapes, domain, area):
    found = problem(shapes, domain)
    (piece,) = found.equations[0].region
    assert measure(piece, found.coordinates, selector(piece, found)) == pytest.approx(area, rel=0.05)
    points = Points(interior=2000).draw(found, 0)["poisson"].points
    assert len(points) == 2000 and found.inside(points).all()


@pytest.mark.parametrize(
    ("surface", "length"),
    [
        (Sphere(("x", "y"), (1.0, 2.0), 0.5), math.pi),
        (Sphere(("x", "y", "z"), (0.0, 0, 0), 2.0), 16 * math.pi),
        (Sphere(("a", "b", "c", "d"), (0.0, 0, 0, 0), 1.0), 2 * math.pi**2),
        (Segment(("x", "y"), (0.0, 0.0), (3.0, 4.0)), 5.0),
        (Ellipse(("x", "y"), (0.0, 0.0), (1.0, 1.0)), 2 * math.pi),
        (Ellipse(("x", "y"), (0.0, 1.0), (3.0, 1.0)), 13.364893220555258),
        (Ellipse(("x", "y"), (0.0, 1.0), (1.0, 3.0)), 13.364893220555258),
    ],
)
def test_surfaces_have_their_length_and_points_on_them(surface, length):
    assert surface.measure == pytest.approx(length, rel=1e-12)
    unit = np.random.default_rng(0).random((500, surface.num_params))
    points = surface.place(unit)
    normals = surface.normals(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-14)
    if isinstance(surface, Segment):
        assert surface.has(points).all() and not surface.has(points + 1e-3 * normals).any()
        assert not surface.has(points + 6 * np.array([0.6, 0.8])).any()
        np.testing.assert_allclose(normals, np.broadcast_to([0.8, -0.6], points.shape), atol=1e-15)
        return
    assert surface.has(points).all() and not surface.has(points + 1e-3 * normals).any()
    radii = np.array(surface.radii if isinstance(surface, Ellipse) else surface.radius)
    np.testing.assert_allclose(np.square((points - np.array(surface.center)) / radii).sum(axis=1), 1, rtol=1e-12)
    assert (np.einsum("ij,ij->i", normals, points - np.array(surface.center)) > 0).all()


def test_points_of_an_ellipse_are_even_in_arc_length():
    ellipse = Ellipse(("x", "y"), (0.0, 0.0), (4.0, 1.0))
    points = ellipse.place(((np.arange(4000) + 0.5) / 4000)[:, None])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(steps, ellipse.measure / 4000, rtol=1e-4)
    tangents = np.diff(points, axis=0) / steps[:, None]
    middle = ellipse.normals((points[1:] + points[:-1]) / 2)
    assert np.abs(np.einsum("ij,ij->i", tangents, middle)).max() < 1e-6


def test_points_of_a_sphere_are_even_in_area():
    points = Sphere(("x", "y", "z"), (0.0, 0, 0), 1.0).place(np.random.default_rng(1).random((200_000, 2)))
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=5e-3)
    np.testing.assert_allclose(points.T @ points / len(points), np.eye(3) / 3, atol=5e-3)


def test_edges_bound_the_domain_and_normals_point_out_of_it():
    """A ring whose outer circle is cut by the box, with a hole: sides of each edge are in and out."""
    found = problem({"outer": ball(0, 0, radius=2.2), "inner": ball(0.5, 0)}, "outer and not inner")
    sites = sample_region(found, found.conditions[0].region, "edges", 2000)
    assert len(sites.points) > 2000
    on_box = (np.abs(np.abs(sites.points) - 2) < 1e-9).any(axis=1)
    assert on_box.any() and not on_box.all()
    assert found.inside(sites.points - 1e-6 * sites.normals).all()
    outside = sites.points + 1e-6 * sites.normals
    assert not (found.inside(outside) & (np.abs(outside) < 2).all(axis=1)).any()
    assert (np.abs(sites.points) <= 2 + 1e-12).all()


@pytest.mark.parametrize("low", [0, -1])
def test_a_body_that_ends_on_a_face_of_the_box_leaves_nothing_of_the_face(low):
    found = problem({"step": {"box": {"x": [0, 2], "y": [low, 2]}}}, "not step")
    points = np.array([[2, 1], [1, 2], [2, 2], [-1, 2], [2, -2], [-2, -2]], float)
    assert found.inside(points).tolist() == [False, False, False, True, True, True]
    assert found.lives("u", points).tolist() == found.inside(points).tolist()


def test_points_are_shared_out_by_length():
    found = problem({"hole": ball(0, 0)}, "not hole")
    rim = np.abs(np.linalg.norm(Points(surface=1000).draw(found, 0)["walls"].points, axis=1) - 1) < 1e-9
    assert rim.sum() == pytest.approx(1000 * 2 * math.pi / (16 + 2 * math.pi), abs=2)


@pytest.mark.parametrize(
    ("at", "on_rim", "on_box"),
    [("hole", True, False), ("boundary and not hole", False, True), ("boundary", True, True), ("x = 2", False, True)],
)
def test_selectors_know_edges(at, on_rim, on_box):
    conditions = {"walls": {"at": "boundary", "u": 0}, "more": {"at": at, "u_n": 0}}
    sites = sample_region(problem({"hole": ball(0, 0)}, "not hole", conditions=conditions),
                          problem({"hole": ball(0, 0)}, "not hole", conditions=conditions).conditions[-1].region, "at", 100)  # fmt: skip
    rim = np.abs(np.linalg.norm(sites.points, axis=1) - 1) < 1e-9
    assert (rim.any(), (~rim).any()) == (on_rim, on_box)


def test_surfaces_may_have_names():
    shapes = {"hole": ball(0, 0), "outlet": "x = 2", "walls": "boundary and not outlet and not hole"}
    conditions = {"held": {"at": "walls", "u": 0}, "open": {"at": "outlet or hole", "u_n": 0}}
    found = problem(shapes, "not hole", conditions=conditions)
    held, opened = (sample_region(found, row.region, "named", 100).points for row in found.conditions)
    assert not (held[:, 0] == 2).any() and (np.abs(held) == 2).any(axis=1).all()
    assert ((opened[:, 0] == 2) | (np.abs(np.linalg.norm(opened, axis=1) - 1) < 1e-9)).all()
    assert len({piece.fixed for piece in found.conditions[1].region}) == 2


def test_prisms_extend_along_other_coordinates_and_time():
    found = problem(
        {"pipe": {"ball": {"center": {"x": 0, "y": 0}, "radius": 1}}}, "pipe", {**SQUARE, "z": [0, 3]},
        {"side": {"at": "pipe and not (z = 0 or z = 3)", "u": 0}, "ends": {"at": "z = 0 or z = 3", "u": 1}},
    )  # fmt: skip
    side = Points(surface=200).draw(found, 0)["side"]
    np.testing.assert_allclose(np.hypot(side.points[:, 0], side.points[:, 1]), 1, rtol=1e-12)
    assert (side.normals[:, 2] == 0).all() and np.ptp(side.points[:, 2]) > 2.9
    ends = Points(surface=200).draw(found, 0)["ends"]
    assert found.inside(ends.points).all() and set(ends.points[:, 2]) == {0.0, 3.0}


def test_the_start_is_that_of_the_domain():
    found = read_problem({
        "coordinates": {**SQUARE, "t": [0, 1]}, "unknowns": ["u"], "equations": {"heat": "u_t = laplacian(u)"},
        "shapes": {"hole": ball(0, 0)}, "domain": "not hole",
        "conditions": {"start": {"at": "t = 0", "u": 1}, "walls": {"at": "boundary", "u": 0}},
    })  # fmt: skip
    assert found.inside(Points().draw(found, 0)["start"].points).all()
    assert len(found.edges) == 1 and found.edges[0].free == ("t",)


REFUSED = [
    ({"b": ball(0, 0)}, "x > 5", "domain: the domain is empty"),
    ({"b": ball(0, 0)}, "c", "domain: 'c' is not a shape"),
    ({"b": {"ball": {"center": [0, 0, 0], "radius": 1}}}, "b", "shapes.b: center: a point in space has 2 coordinates, got 3"),
    ({"b": {"ball": {"center": {"z": 0}, "radius": 1}}}, "b", "center: 'z' is not a space coordinate"),
    ({"b": {"ball": {"center": [0, 0], "radius": -1}}}, "b", "radius: must be greater than 0, got -1"),
    ({"b": {"ball": {"center": [0, 0], "radius": "x"}}}, "b", "'x' is not a number; measures of a body are formulas of constants"),
    ({"b": {"ball": {"center": [0, 0]}}}, "b", "a ball has center and radius: {ball: {center: [0, 0], radius: 1}}"),
    ({"b": {"blob": {}}}, "b", "a body is one of ball, box, ellipsoid, polygon, mesh or a formula, got 'blob'"),
    ({"b": {"box": {"x": [1, 0]}}}, "b", "x: the lower bound must be below the upper bound, got [1, 0]"),
    ({"b": {"polygon": {"vertices": [[0, 0], [1, 1]]}}}, "b", "vertices must be a list of at least three pairs"),
    ({"b": {"polygon": {"vertices": [[0, 0], [1, 1], [1, 0], [0, 1]]}}}, "b", "edges 1 and 3 of the polygon cross"),
    ({"b": {"polygon": {"vertices": [[0, 0], [1, 1], [2, 2]]}}}, "b", "the corners of the polygon lie on a line"),
    ({"b": {"polygon": {"vertices": [[0, 0], [1, 0], [1, 1], [0, 0]]}}}, "b", "a corner of the polygon is listed twice"),
]


@pytest.mark.parametrize(("shapes", "domain", "message"), REFUSED)
def test_refusals(shapes, domain, message):
    with pytest.raises(BadInput) as error:
        problem(shapes, domain)
    assert message in str(error.value)


def test_an_edge_without_a_condition_is_noticed():
    conditions = {"walls": {"at": "boundary and not hole", "u": 0}}
    with pytest.raises(BadInput, match="no condition for u on the edge of the domain at x="):
        problem({"hole": ball(0, 0)}, "not hole", conditions=conditions)
    assert problem({"hole": ball(0, 0)}, "not hole", conditions={**conditions, "open": {"at": "hole", "free": "u"}})


def test_values_in_a_hole_are_refused():
    with pytest.raises(BadInput, match="looks up an unknown at x=0.1, y=0, which is not in the domain"):
        problem({"hole": ball(0, 0)}, "not hole", conditions={"walls": {"at": "boundary", "u": 0}, "in": "u(x=0.1, y=0) = 3"})
    assert problem({"hole": ball(0, 0)}, "not hole", conditions={"walls": {"at": "boundary", "u": 0}, "on": "u(x=1, y=0) = 0"})
