"""Straight edges inside the box: cells beyond them, faces on them, and corners that point inwards."""

import numpy as np
import pytest
from cell_problems import make_march, read, solve

from pinn.field.cells.cover import whole
from pinn.solver.cells import rounds
from pinn.solver.cells.edges import corner, empty, graded, joined

STEP = {
    "coordinates": {"x": [0, 4], "y": [0, 2]},
    "equations": {
        "momentum_x": "p_x = laplacian(u)",
        "momentum_y": "p_y = laplacian(v)",
        "continuity": "u_x + v_y = 0",
    },
    "conditions": {
        "inflow": {"at": "x = 0", "u": "4*y*(1 - y)", "v": 0},
        "outflow": {"at": "x = 4", "p": 0, "v": 0},
        "open": {"at": "x = 4", "free": "u"},
        "walls": {"at": "boundary and not (x = 0 or x = 4)", "u": 0, "v": 0},
    },
    "unknowns": ("u", "v", "p"),
    "shapes": {"step": {"box": {"x": [0, 2], "y": [1, 2]}}},
    "domain": "not step",
}


def cover_of(problem, cells=(1, 1)):
    return whole(problem.box, (), cells, problem.straight_edges)


def test_cells_beyond_an_edge_are_empty_and_joined_to_nothing():
    problem = read(**STEP)
    cover = cover_of(problem, (4, 2))
    is_empty = empty(problem, cover)
    np.testing.assert_array_equal(is_empty, (cover.centers[:, 0] < 2) & (cover.centers[:, 1] > 1))
    faces = joined(problem, cover)
    assert len(faces) == 3 + 1 + 2
    assert not any(is_empty[[face.left, face.right]].any() for face in faces)


def test_where_a_rim_is_curved_no_cell_is_empty():
    problem = read({"x": [-1, 1], "y": [-1, 1]}, {"laplace": "laplacian(u) = 0"}, {"walls": {"at": "boundary", "u": 1}},
                   shapes={"hole": {"ball": {"center": [0, 0], "radius": 0.5}}}, domain="not hole")  # fmt: skip
    cover = cover_of(problem, (8, 8))
    assert not empty(problem, cover).any() and len(joined(problem, cover)) == len(cover.faces())


def test_cells_are_graded_towards_the_corner_that_points_inwards_only():
    problem = read(**STEP)
    cover = cover_of(problem)
    assert [corner(problem, box) for box in cover.boxes[~empty(problem, cover)]] == [(0, 1)] * 3
    fine = graded(problem, cover, ~empty(problem, cover))
    widths = np.array([np.ptp(box[0]) for box in fine.boxes if corner(problem, box)])
    np.testing.assert_array_equal(np.sort(widths), [0.5, 0.5, 0.5, 2])
    assert fine.num_cells == 1 + 3 * (3 + 3 + 1)
    np.testing.assert_array_equal(graded(problem, cover, np.zeros(cover.num_cells, bool)).boxes, cover.boxes)


def test_what_flows_in_over_a_step_flows_out():
    """The pressure is infinite at the corner; on cells that are not graded several per cent are lost."""
    march = make_march(read(**STEP), 1e-4, cells={"x": 8, "y": 4}, degree=7, most=150)
    flow = rounds.solution(march, solve(march))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for x, top in ((1.0, 1.0), (2.5, 2.0), (4.0, 2.0)):
        places = np.column_stack([np.full(40, x), (nodes + 1) * top / 2])
        assert weights @ flow(places)[:, 0] * top / 2 == pytest.approx(2 / 3, abs=2e-3)


def test_points_on_edges_are_seen_from_within_the_domain():
    box = {"x": [0, 1], "y": [0, 1]}
    problem = read(box, {"laplace": "laplacian(u) = 0"}, {"walls": {"at": "boundary", "u": "exp(x)*cos(y)"}},
                   shapes={"step": {"box": {"x": [0.5, 1], "y": [0.5, 1]}}}, domain="not step")  # fmt: skip
    march = make_march(problem, 1e-8)
    found = rounds.solution(march, solve(march))
    points = np.array([[0.5, 0.75], [0.5, 1.0], [0.75, 0.5], [1.0, 0.5], [0.5, 0.5], [0.25, 0.25]])
    np.testing.assert_allclose(found(points)[:, 0], np.exp(points[:, 0]) * np.cos(points[:, 1]), rtol=1e-10)
