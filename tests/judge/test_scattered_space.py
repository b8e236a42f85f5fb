import numpy as np
import pytest
from judged_fields import from_text, shipped
from scipy.spatial import cKDTree

from pinn.judge.refusal import NoReference
from pinn.judge.scattered.density import Density, details
from pinn.judge.scattered.space import Space

HOLE = {"hole": {"ball": {"center": [0.1, 0], "radius": 0.3}}}
ELL = {"ell": {"polygon": {"vertices": [[0, 0], [1, 0], [1, -1], [-1, -1], [-1, 1], [0, 1]]}}}


def poisson(shapes=HOLE, domain="not hole", **text):
    return from_text(
        **{
            "coordinates": {"x": [-1, 1], "y": [-1, 1]},
            "unknowns": ["u"],
            "shapes": shapes,
            "domain": domain,
            "equations": {"poisson": "laplacian(u) = 1"},
            "conditions": {"walls": {"at": "boundary", "u": 0}},
            **text,
        }
    )


def test_nodes_surround_the_domain_and_are_even():
    space = Space(poisson())
    nodes = space.nodes(lambda points: np.full(len(points), 0.1), 0)
    assert space.volume == pytest.approx(4 - np.pi * 0.09, rel=0.01)
    assert len(nodes) == pytest.approx((space.volume + 0.1 * (8 + 2 * np.pi * 0.3)) / 0.01, rel=0.15)
    near, _ = cKDTree(nodes).query(nodes, 2)
    assert near[:, 1].min() >= 0.083 and near[:, 1].max() < 0.2
    reach, _ = cKDTree(nodes).query(space.samples)
    assert reach.max() < 0.13


def test_points_of_the_rim_are_even_and_have_its_normals():
    space = Space(poisson())
    (walls,) = space.problem.conditions
    rim = next(piece for piece in walls.region if piece.surface is not None)
    sites = space.on(rim, lambda points: np.full(len(points), 0.05))
    away = sites.points - [0.1, 0.0]
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 0.3, atol=1e-12)
    np.testing.assert_allclose(sites.normals, -away / 0.3, atol=1e-12)
    gaps = np.diff(np.sort(np.arctan2(*away.T)))
    assert gaps.max() < 1.01 * gaps.min() and 0.025 < 0.3 * gaps.mean() <= 0.05


def test_rims_that_the_domain_cuts_have_points_on_what_is_left():
    space = Space(poisson(domain="not hole and x > 0"))
    sites = [space.on(piece, lambda points: np.full(len(points), 0.02)) for piece in space.problem.conditions[0].region]
    points = np.concatenate([each.points for each in sites])
    assert (points[:, 0] >= -1e-12).all()
    on_line = np.abs(points[:, 0]) < 1e-12
    assert on_line.any() and (np.hypot(points[on_line, 0] - 0.1, points[on_line, 1]) > 0.3).all()


def test_details_of_a_round_hole_a_gap_and_a_corner():
    angle = 2 * np.pi * np.arange(60) / 60
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    _, sizes = details(0.2 * circle, -circle, lambda points: np.hypot(*points.T) > 0.2)
    np.testing.assert_allclose(sizes, 0.2, rtol=0.1)  # a chord over 60 degrees is a radius
    _, sizes = details(circle, circle, lambda points: np.hypot(*points.T) < 1)
    assert (sizes > 1.5).all()
    corner = Density(Space(poisson(ELL, "ell")), 0.1)
    np.testing.assert_allclose(corner.places[corner.sizes == 0], 0.0, atol=1e-9)
    close = corner(np.array([[0.0, -1e-3], [-1.0, -1.0], [0.5, -0.5]]))
    assert close[0] == pytest.approx(0.35e-3, rel=1e-6) and close[1] == 0.1 and close[2] == 0.1


def test_sides_of_an_interface():
    space = Space(shipped("two_materials"))
    assert space.num_sides == 2
    points = np.array([[-0.5, 0.5], [-1e-6, 0.2], [1e-6, 0.2], [0.7, 0.9]])
    left, near_left, near_right, right = space.sides(points)
    assert left == near_left != right == near_right
    assert space.crosses(points[:1], points[3:]).all() and not space.crosses(points[:1], points[1:2]).any()
    half = from_text(
        coordinates={"x": [-1, 1], "y": [-1, 1]},
        unknowns=["u"],
        shapes={"block": "x < 0 and y < 0"},
        interfaces=["block"],
        equations={"e": "laplacian(u) = 0"},
        conditions={"w": {"at": "boundary", "u": 0}, "i": {"at": "interfaces", "jump(u)": 1, "jump(u_n)": 0}},
    )
    assert Space(half).num_sides == 2
    inside, outside, around = Space(half).sides(np.array([[-0.01, -0.5], [0.01, -0.5], [-0.5, 0.01]]))
    assert inside != outside == around


def test_domains_that_change_with_time_are_refused():
    moving = poisson(
        coordinates={"x": [-1, 1], "y": [-1, 1], "t": [0, 1]},
        equations={"heat": "u_t = laplacian(u)"},
        conditions={
            "start": {"at": "t = 0", "u": 0},
            "walls": {"at": "boundary", "u": 0},
            "part": {"at": "hole and x > t", "u_n": 0},
        },
    )
    for problem in (moving, shipped("moving_rod")):
        with pytest.raises(NoReference, match="changes with time"):
            Space(problem)
