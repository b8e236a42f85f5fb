"""Cells made for a solution: they fill the domain, and are small where it changes."""

import numpy as np
import pytest
from cell_problems import read, shipped

from pinn.field.cells.cover import Cover
from pinn.problem.settings import BadInput
from pinn.solver.cells.covering import adapted, divided

SQUARE = np.array([[[0.0, 1.0], [0.0, 1.0]]])


def test_cells_are_halved_towards_a_layer_and_along_it_only():
    boxes = divided(lambda points: np.exp((points[:, :1] - 1) / 0.01), SQUARE, 8)
    assert boxes.shape == (8, 2, 2) and (boxes[:, 1] == [0, 1]).all()
    np.testing.assert_array_equal(boxes[:, 0, 0], [0, *(1 - 0.5**k for k in range(1, 8))])
    np.testing.assert_array_equal(boxes[1:, 0, 0], boxes[:-1, 0, 1])


def test_what_polynomials_have_is_not_cut_further():
    halves = np.array([[[0.0, 0.5], [0.0, 1.0]], [[0.5, 1.0], [0.0, 1.0]]])
    boxes = divided(lambda points: np.where(points[:, :1] < 0.5, np.sin(30 * points[:, 1:]), 1 + points[:, 1:]), halves, 16)
    assert (boxes[:, 0, 0] >= 0.5).sum() == 1 and len(boxes) == 16


def test_cells_fill_the_domain_and_end_at_interfaces():
    problem = shipped("composite_rod")
    boxes = adapted(problem, 9)
    assert len(boxes) == 9 and np.prod(np.ptp(boxes, axis=2), axis=1).sum() == pytest.approx(np.prod(np.ptp(problem.box, axis=1)))
    np.testing.assert_array_equal(Cover(boxes).domain, problem.box)
    assert not ((boxes[:, 0, 0] < 0) & (boxes[:, 0, 1] > 0)).any()


def test_where_nothing_can_be_solved_boxes_are_asked_for():
    backward = read({"x": [0, 1], "t": [0, 1]}, {"heat": "u_t = u_xx*1e308*u"}, {
        "start": {"at": "t = 0", "u": "1e200*sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}})  # fmt: skip
    with pytest.raises(BadInput, match="found no solution to make cells for"):
        adapted(backward, 4)
