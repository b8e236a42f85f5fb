"""Covers: every point has its cell, neighbours share their faces, and cutting can be undone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.field.cells.cover import whole

BOX = np.array([[-1.0, 2.0], [0.0, 0.7], [5.0, 9.0]])


def cut(dim, seed, rounds=2, periodic=()):
    """A cover after some random cuts."""
    rng = np.random.default_rng(seed)
    cover = whole(BOX[:dim], periodic, rng.integers(1, 4, dim))
    for _ in range(rounds):
        axes = {cell: [axis for axis in range(dim) if rng.random() < 0.3] for cell in range(cover.num_cells)}
        cover, _ = cover.split(axes)
    return cover


def inside(dim, seed, num=200):
    low, high = BOX[:dim].T
    return low + (high - low) * np.random.default_rng(seed).random((num, dim))


covers = given(dim=st.integers(1, 3), seed=st.integers(0, 2**31))


@settings(max_examples=20, deadline=None)
@covers
def test_a_point_lies_in_the_one_cell_that_owns_it(dim, seed):
    cover, points = cut(dim, seed), inside(dim, seed)
    low, high = cover.boxes.transpose(2, 0, 1)
    holds = np.all((points[:, None] >= low) & (points[:, None] < high), axis=2)
    np.testing.assert_array_equal(holds.sum(axis=1), 1)
    np.testing.assert_array_equal(cover.owner(points), holds.argmax(axis=1))
    np.testing.assert_allclose(cover.domain, BOX[:dim])
    assert np.prod(2 * cover.halves, axis=1).sum() == pytest.approx(np.prod(BOX[:dim] @ [-1, 1]))


def test_faces_belong_to_the_upper_cell_and_the_far_ends_to_the_last():
    cover = whole(BOX[:1], cells=[3])
    np.testing.assert_array_equal(cover.owner(np.array([[-1.0], [0.0], [1.0], [2.0]])), [0, 1, 2, 2])


def test_points_in_a_cells_own_coordinates():
    cover = cut(2, 7)
    for cell, box in enumerate(cover.boxes):
        corners = np.stack([box[:, 0], box.mean(axis=1), box[:, 1], box[:, 1] + 1e-9], axis=0)
        local = cover.local(cell, corners)
        np.testing.assert_allclose(local, [[-1, -1], [0, 0], [1, 1], [1, 1]], atol=1e-9)
        assert abs(local).max() <= 1


def crossings(cover, axis):
    """Total size of all that lies between cells, from sections along lines through the rows of a fine grid of all edges."""
    others = [other for other in range(cover.boxes.shape[1]) if other != axis]
    edges = [np.unique(cover.boxes[:, other]) for other in others]
    total = 0.0
    for place in np.ndindex(*[len(each) - 1 for each in edges]):
        line = [(each[number] + each[number + 1]) / 2 for each, number in zip(edges, place, strict=True)]
        area = np.prod([each[number + 1] - each[number] for each, number in zip(edges, place, strict=True)])
        passes = np.all((cover.boxes[:, others, 0] < line) & (cover.boxes[:, others, 1] > line), axis=1)
        total += area * (passes.sum() - (axis not in cover.periodic))
    return total


@settings(max_examples=20, deadline=None)
@covers
def test_faces_are_all_that_lies_between_cells(dim, seed):
    cover = cut(dim, seed, periodic=(0,))
    for axis in range(dim):
        faces = [face for face in cover.faces() if face.axis == axis]
        areas = [np.prod(np.delete(face.box @ [-1, 1], axis)) for face in faces]
        assert sum(areas) == pytest.approx(crossings(cover, axis))


@settings(max_examples=20, deadline=None)
@covers
def test_both_cells_have_the_face_that_they_share(dim, seed):
    cover = cut(dim, seed, periodic=(0,))
    for face in cover.faces():
        there = face.box.copy()
        there[face.axis] += face.shift
        left, right = cover.boxes[face.left], cover.boxes[face.right]
        assert (face.box[face.axis] == left[face.axis, 1]).all()
        np.testing.assert_allclose(there[face.axis], right[face.axis, 0])
        for box, part in ((left, face.box), (right, there)):
            others = np.delete(np.arange(dim), face.axis)
            assert (part[others, 0] >= box[others, 0]).all() and (part[others, 1] <= box[others, 1]).all()


def test_a_large_cell_meets_two_small_ones():
    cover, parents = whole(BOX[:2], cells=[2, 1]).split({1: [1]})
    np.testing.assert_array_equal(parents, [0, 1, 1])
    found = {(face.left, face.right, face.axis): face.box for face in cover.faces()}
    assert set(found) == {(0, 1, 0), (0, 2, 0), (1, 2, 1)}
    np.testing.assert_allclose(found[0, 1, 0], [[0.5, 0.5], [0.0, 0.35]])
    np.testing.assert_allclose(found[0, 2, 0], [[0.5, 0.5], [0.35, 0.7]])
    np.testing.assert_allclose(found[1, 2, 1], [[0.5, 2.0], [0.35, 0.35]])


@pytest.mark.parametrize("num", [1, 2, 3])
def test_the_ends_of_a_ring_meet(num):
    faces = whole(BOX[:1], [0], [num]).faces()
    assert [(face.left, face.right, face.shift) for face in faces if face.shift] == [(num - 1, 0, -3.0)]
    assert len(faces) == num


@settings(max_examples=20, deadline=None)
@covers
def test_a_cell_and_its_sibling_are_what_a_cut_left(dim, seed):
    cover = cut(dim, seed)
    chosen = int(np.random.default_rng(seed).integers(cover.num_cells))
    for axis in range(dim):
        finer, parents = cover.split({chosen: [axis]})
        lower, upper = np.flatnonzero(parents == chosen)
        assert finer.siblings(axis)[lower] == upper
        joined = finer.boxes[lower].copy()
        joined[axis, 1] = finer.boxes[upper, axis, 1]
        np.testing.assert_array_equal(joined, cover.boxes[chosen])


def test_what_was_not_one_cell_has_no_sibling():
    cover, _ = whole(np.array([[0.0, 1.0]])).split({0: [0]})
    cover, _ = cover.split({0: [0], 1: [0]})
    assert cover.siblings(0) == [1, None, 3, None]
    hanging, _ = whole(BOX[:2], cells=[2, 1]).split({1: [1]})
    assert hanging.siblings(0) == [None, None, None]
    assert hanging.siblings(1) == [None, 2, None]


def test_cells_are_stretched_to_another_range():
    cover = whole(BOX[:2], [0], [3, 1]).with_range(1, 4.0, 5.0)
    assert cover.periodic == (0,) and cover.num_cells == 3
    np.testing.assert_array_equal(cover.domain, [BOX[0], [4, 5]])


def test_cuts_keep_what_is_periodic():
    assert cut(2, 0, periodic=(1,)).periodic == (1,)


def test_cells_end_at_planes_and_are_not_put_together_across_them():
    box = np.array([[0.0, 1.0]])
    cover = whole(box, cells=[2], planes=[(0, 0.5)])
    assert cover.siblings(0) == [None, None] and whole(box, cells=[2]).siblings(0) == [1, None]
    finer, _ = cover.split({0: [0], 1: [0]})
    assert finer.siblings(0) == [1, None, 3, None]
    shared = whole(BOX[:2], cells=[5, 2], planes=[(0, BOX[0, 0] + 0.2 * np.ptp(BOX[0]))])
    np.testing.assert_allclose(np.diff(shared._edges[0]) / np.ptp(BOX[0]), [0.2] * 5)
    assert shared.num_cells == 10


def test_on_a_face_the_owner_is_the_cell_towards_which_one_looks():
    cover = whole(BOX[:2], cells=[2, 3])
    middle, low = cover._edges[0][1], cover._edges[1][0]
    points = np.array([[middle, low + 1e-3]] * 3)
    assert cover.owner(points, np.array([[-1.0, 0], [1.0, 0], [0, 1.0]])).tolist() == [0, 3, 3]


@pytest.mark.parametrize("high", [1.0, 0.3, 2 * np.pi])
def test_cells_that_are_alike_have_the_same_width_to_the_last_bit(high):
    cover = whole(np.array([[-high, high], [0.1, high]]), cells=[16, 8])
    exact = (cover.boxes[:, :, 1] - cover.boxes[:, :, 0]) / 2
    assert len(np.unique(cover.halves[:, 0])) == len(np.unique(cover.halves[:, 1])) == 1
    np.testing.assert_allclose(cover.halves, exact, rtol=1e-13)
