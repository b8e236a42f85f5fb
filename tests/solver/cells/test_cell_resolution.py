"""What cells leave out of a solution, which cells are cut for it, and which are put together."""

import numpy as np
import pytest

from pinn.field.cells.basis import Basis, LegendreFeatures
from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import whole
from pinn.solver.cells.resolution import left_out, merged, sizes, too_coarse

BOX = np.array([[0.0, 4.0], [-1.0, 1.0]])


def projected(function, cover, degree=10, unknowns=("u",)):
    """A field and the coefficients of functions of the points, one for each unknown."""
    dim = cover.boxes.shape[1]
    field = CellField(cover, Basis(LegendreFeatures(dim, degree), dim, degree + 2), unknowns)
    grid = np.moveaxis(field.grid_points(), -1, 0)
    return field, field.project(np.stack([np.broadcast_to(each, grid.shape[1:]) for each in function(*grid)], axis=1))


def test_sizes_are_root_mean_squares_over_the_domain():
    cover, _ = whole(BOX).split({0: [0]})
    cover, _ = cover.split({0: [0, 1]})
    field, coefficients = projected(lambda x, y: (np.where(x < 1, 3, 1), np.where(x > 2, 2, 0)), cover, unknowns=("u", "v"))
    np.testing.assert_allclose(sizes(field, coefficients), [np.sqrt(3), np.sqrt(2)], rtol=1e-12)


def test_left_out_is_relative_and_counts_by_the_share_of_the_domain():
    cover, _ = whole(BOX[:1]).split({0: [0]})
    field, coefficients = projected(lambda x: (np.tanh(9 * np.sin(7 * x)),), cover)
    missing = left_out(field, coefficients, np.ones(1))
    np.testing.assert_allclose(left_out(field, coefficients, np.array([4.0])), missing / 4)
    values = coefficients[:, 0] @ field.basis.table((0,)).T
    np.testing.assert_allclose(missing, field.basis.tails(values) * np.sqrt(0.5), rtol=1e-12)


def test_the_worst_unknown_decides():
    rough, smooth = (lambda x: np.tanh(5 * (x - 2))), (lambda x: np.exp(-x))
    cover = whole(BOX[:1])
    for functions in ((rough, smooth), (smooth, rough)):
        field, coefficients = projected(lambda x, pair=functions: tuple(each(x) for each in pair), cover, unknowns=("u", "v"))
        alone = left_out(*projected(lambda x: (rough(x),), cover), np.ones(1))
        np.testing.assert_allclose(left_out(field, coefficients, np.ones(2)), alone)


@pytest.mark.parametrize("num", [2, 4, 8])
def test_what_is_left_out_is_about_the_error(num):
    function = lambda x: np.arctan(3 * (x - 1.7))  # noqa: E731
    field, coefficients = projected(lambda x: (function(x),), whole(BOX[:1], cells=[num]))
    x = np.linspace(0, 4, 2001)[:, None]
    wrong = field.jets(coefficients, x, (("u", ((0,),)),))[:, 0] - function(x[:, 0])
    error = np.sqrt(np.mean(wrong**2) / np.mean(function(x) ** 2))
    found = np.linalg.norm(left_out(field, coefficients, sizes(field, coefficients)))
    assert 0.2 < found / error < 20, (found, error)


def test_cells_are_cut_where_more_is_missing_along_the_worst_axes_allowed():
    missing = np.array([[1e-9, 1e-3], [1e-9, 1e-9], [2e-4, 1e-4], [1e-3, 1e-6]])
    assert too_coarse(missing, 1e-5, (0, 1), 99) == {0: (1,), 2: (0, 1), 3: (0,)}
    assert too_coarse(missing, 1e-5, (0,), 99) == {2: (0,), 3: (0,)}
    assert too_coarse(missing, 1e-2, (0, 1), 99) == {} == too_coarse(missing, 1e-5, (), 99)


def test_with_little_room_the_worst_cells_are_cut():
    missing = np.array([[1e-9, 1e-3], [1e-9, 1e-9], [2e-4, 1e-4], [2e-3, 1e-6]])
    assert too_coarse(missing, 1e-5, (0, 1), 2) == {3: (0,), 0: (1,)}
    assert too_coarse(missing, 1e-5, (0, 1), 0) == {}


def test_what_is_smooth_is_put_together_and_the_rest_stays():
    cover = whole(BOX[:1], (0,), [8])
    field, coefficients = projected(lambda x: (np.where(x > 2, 0.1, 0) * np.sin(20 * x),), cover)
    found = merged(field, coefficients, np.ones(1), 1e-6, (0,))
    np.testing.assert_allclose(found.boxes[:, 0], [[0, 1], [1, 2], [2, 2.5], [2.5, 3], [3, 3.5], [3.5, 4]])
    assert found.periodic == (0,)


def test_only_along_the_axis_that_is_smooth():
    cover = whole(BOX, cells=[2, 2])
    field, coefficients = projected(lambda x, y: (np.sin(1.5 * x) * np.exp(0.1 * y),), cover)
    found = merged(field, coefficients, np.ones(1), 1e-5, (0, 1))
    np.testing.assert_allclose(found.boxes, whole(BOX, cells=[2, 1]).boxes)
    assert merged(field, coefficients, np.ones(1), 1e-5, (0,)).num_cells == 4


def test_a_looser_tolerance_leaves_fewer_cells():
    field, coefficients = projected(lambda x: (np.sin(6 * x),), whole(BOX[:1], cells=[16]))
    counts = [merged(field, coefficients, np.ones(1), tolerance, (0,)).num_cells for tolerance in (1e-14, 1e-5, 1e6)]
    assert counts[0] == 16 > counts[1] >= counts[2] == 8
