"""Jumps between cells and windows, as they are kept for the figures."""

import numpy as np

from pinn.problem.language import read_problem
from pinn.run.jumps import jumps, windows

PROBLEM = read_problem({
    "coordinates": {"x": [0, 2], "y": [0, 1]}, "unknowns": ["u"], "equations": {"laplace": "laplacian(u) = 0"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
})  # fmt: skip


class Steps:
    """u = number of the cell, seen from the side that is asked for."""

    boxes = cuts = np.array([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 2.0], [0.0, 0.5]], [[1.0, 2.0], [0.5, 1.0]]])

    def __call__(self, points, request, side=None):
        seen = points + (0 if side is None else 1e-6 * side)
        inside = ((self.boxes[:, None, :, 0] <= seen) & (seen <= self.boxes[:, None, :, 1])).all(axis=2)
        return 1.0 + np.argmax(inside, axis=0)[:, None]

    def windows(self, points):
        return np.stack([points[:, 0] < 1, points[:, 0] >= 1, np.zeros(len(points))]).astype(float)


def test_jumps_are_those_across_each_face_in_units_of_the_size():
    found = jumps(PROBLEM, Steps())
    size = np.sqrt((1 + 4 + 9) / 3)
    assert set(found) == {"faces", "jump.u"}
    by_face = {tuple(box.ravel()): jump * size for box, jump in zip(found["faces"], found["jump.u"], strict=True)}
    expected = {(1, 1, 0, 0.5): 1.0, (1, 1, 0.5, 1): 2.0, (1, 2, 0.5, 0.5): 1.0}
    assert by_face.keys() == expected.keys()
    np.testing.assert_allclose([by_face[face] for face in expected], list(expected.values()))


def test_windows_are_kept_along_each_coordinate_where_they_are_seen():
    found = windows(PROBLEM, Steps())
    assert {name: len(rows) for name, rows in found.items()} == {"windows.x": 3, "windows.y": 2}
    np.testing.assert_array_equal(found["windows.x"][1], found["windows.x"][0] < 1)


def test_what_cannot_jump_and_has_no_windows_leaves_nothing():
    class Smooth(Steps):
        boxes, cuts = None, ()

    assert jumps(PROBLEM, Smooth()) == windows(PROBLEM, Smooth()) == {}
