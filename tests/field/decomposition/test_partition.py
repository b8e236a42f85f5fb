"""Windows against their definition: sums, derivatives by differences, who sees which point, what happens across periodic ends."""

import itertools

import numpy as np
import pytest

from pinn.field.cells.cover import whole
from pinn.field.decomposition.partition import Pairs, Partition, of_channels, step

BOX = np.array([[0.0, 2.0], [-1.0, 1.0]])


def uneven(periodic=()):
    """A cover with cells of three sizes."""
    cover, _ = whole(BOX, periodic, [3, 4]).split({2: [0, 1], 5: [1]})
    cover, _ = cover.split({4: [0]})
    return cover


def somewhere(num=300, seed=0):
    low, high = BOX.T
    return np.random.default_rng(seed).uniform(low, high, (num, 2))


@pytest.mark.parametrize("smoothness", [0, 1, 4])
def test_steps_go_from_zero_to_one_as_smoothly_as_wanted(smoothness):
    place = np.linspace(-1.5, 1.5, 3001)
    values = step(place, smoothness, smoothness + 1)
    assert (values[0][place <= -1] == 0).all() and (values[0][place >= 1] == 1).all() and (np.diff(values[0]) >= 0).all()
    np.testing.assert_allclose(values[0] + values[0][::-1], 1, atol=1e-14)
    for k in range(smoothness + 1):
        for end, wanted in ((-1, 0.0), (1, float(k == 0))):
            near = step(np.array([end * (1 - 1e-9)]), smoothness, k)[k]
            assert near == pytest.approx(wanted, abs=1e-6)
    ends = step(np.array([-1 + 1e-9]), smoothness, smoothness + 1)[-1]
    assert abs(ends[0]) > 0.1


@pytest.mark.parametrize("periodic", [(), (0,), (0, 1)])
@pytest.mark.parametrize("reach", [0.05, 0.5])
def test_windows_sum_to_one_with_all_derivatives(periodic, reach):
    partition, points = Partition(uneven(periodic), reach, 3), somewhere()
    pairs = partition.pairs(points)
    for index, values in partition.jets(pairs, [(2, 1), (0, 3)]).items():
        total = np.bincount(pairs.points, values, len(points))
        np.testing.assert_allclose(total, float(index == (0, 0)), atol=1e-13 * max(1, np.abs(values).max()))


@pytest.mark.parametrize("periodic", [(), (0,), (0, 1)])
def test_who_sees_a_point_is_who_has_it_in_the_support(periodic):
    partition, points = Partition(uneven(periodic), 0.5, 2), somewhere()
    low, high = BOX.T
    wanted = set()
    for shift in itertools.product(*[(-1, 0, 1) if axis in periodic else (0,) for axis in range(2)]):
        moved = points + np.array(shift) * (high - low)
        for cell, support in enumerate(partition.supports):
            inside = ((moved > support[:, 0]) & (moved < support[:, 1])).all(axis=1)
            wanted |= {(int(point), cell) for point in np.flatnonzero(inside)}
    pairs = partition.pairs(points)
    found = list(zip(pairs.points.tolist(), pairs.cells.tolist(), strict=True))
    assert len(found) == len(set(found)) and set(found) == wanted
    offset = (pairs.places - points[pairs.points]) / (high - low)
    np.testing.assert_allclose(offset, np.round(offset), atol=1e-14)
    assert np.abs(np.round(offset)).max(axis=0).tolist() == [float(axis in periodic) for axis in range(2)]


@pytest.mark.parametrize("index", [(1, 0), (0, 1), (1, 1), (2, 1)])
def test_derivatives_against_differences(index):
    partition, points = Partition(uneven((0,)), 0.4, 4), somewhere(100)
    pairs, h = partition.pairs(points), 1e-5
    axis = next(axis for axis in (0, 1) if index[axis])
    lower = tuple(order - (k == axis) for k, order in enumerate(index))

    def at(offset):
        moved = pairs.places.copy()
        moved[:, axis] += offset
        return partition.jets(Pairs(pairs.points, pairs.cells, moved), [lower])[lower]

    exact = partition.jets(pairs, [index])[index]
    np.testing.assert_allclose((at(h) - at(-h)) / (2 * h), exact, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("smoothness", [1, 2, 4])
def test_windows_are_as_smooth_at_the_edges_of_supports(smoothness):
    """Derivatives up to the smoothness come in continuously where a window begins."""
    partition = Partition(whole(BOX, (), [4, 1]), 0.5, smoothness)
    edges, cells = np.unique(partition.supports[:, 0])[1:-1], np.arange(4)
    for edge in edges:
        pairs = [Pairs(np.zeros(4, int), cells, np.tile([edge + side, 0.0], (4, 1))) for side in (-1e-7, 1e-7)]
        for order in range(smoothness + 1):
            below, above = (partition.jets(each, [(order, 0)])[order, 0] for each in pairs)
            np.testing.assert_allclose(below, above, atol=1e-4 * 20**order)


def test_a_single_cell_is_one_everywhere():
    partition = Partition(whole(BOX, (0, 1)), 0.5, 2)
    pairs = partition.pairs(somewhere())
    jets = partition.jets(pairs, [(1, 0), (0, 2)])
    assert partition.wrapped == () and (pairs.cells == 0).all()
    assert (jets[0, 0] == 1).all() and not jets[1, 0].any() and not jets[0, 2].any()


def test_channels_are_sums_of_derivatives():
    partition = Partition(uneven(), 0.5, 2)
    pairs = partition.pairs(somewhere(50))
    jets = partition.jets(pairs, [(2, 0), (0, 2)])
    value, laplacian = of_channels(jets, ((((0, 0), 1.0),), (((2, 0), 1.0), ((0, 2), 3.0))))
    np.testing.assert_array_equal(value, jets[0, 0])
    np.testing.assert_allclose(laplacian, jets[2, 0] + 3 * jets[0, 2], rtol=1e-14)
