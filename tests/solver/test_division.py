"""How rows are divided among processes: every row once, equal work, few cells for each, and what is counted."""

import numpy as np
import pytest
from stand_in import ODD, make_rows

from pinn.field.decomposition.decomposed_field import DecomposedField
from pinn.field.decomposition.settings import Cuts, Windows
from pinn.field.field import Field
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.solver.cells.elimination import bisection, leaves
from pinn.solver.division import Division, by_points, load, work

UNEVEN = {
    "coordinates": {"x": [0, 2], "y": [0, 1]},
    "unknowns": ["u"],
    "equations": {"poisson": "u_xx + u_yy = u(x=2) + x*y"},
    "conditions": {"walls": {"at": "boundary", "u": "x"}},
}
BOXES = ({"x": [0, 0.2]}, {"x": [0.2, 0.5]}, {"x": [0.5, 2], "y": [0, 0.3]}, {"x": [0.5, 2], "y": [0.3, 1]})
WAYS = {
    "windows": Windows(cells=5, reach=0.3), "levels": Windows(cells={"x": 6, "y": 3}, levels=2), "boxes": Windows(boxes=BOXES),
    "cuts": Cuts(cells=4), "many": Windows(cells=12, reach=0.3),
}  # fmt: skip


def rows_of(way, text=UNEVEN, interior=301, surface=120):
    problem = read_problem(text)
    return make_rows(text, DecomposedField(MLP(width=3, depth=1), problem, WAYS[way]), interior=interior, surface=surface)


def supports(field):
    """Box in which each network is seen, (networks, dim, 2), the cell itself where there are cuts."""
    return np.concatenate([level.cover.boxes if level.partition is None else level.partition.supports for level in field.levels])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("way", WAYS)
def test_every_row_is_evaluated_once_and_the_work_is_equal(way, size):
    rows = rows_of(way)
    shares = Division(rows.field, size)(rows.terms)
    assert list(shares) == list(rows.names)
    costs = np.zeros(size)
    for group in by_points(rows.terms):
        parts = shares[group[0].name]
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(group[0].num_rows))
        costs += [work(rows.field, group).cost[part].sum() for part in parts]
    most = max(work(rows.field, group).cost.max() for group in by_points(rows.terms))
    assert np.ptp(costs) <= 2 * most, costs


@pytest.mark.parametrize("way", ["windows", "levels", "boxes"])
def test_pairs_are_points_inside_supports(way):
    rows = rows_of(way)
    boxes = supports(rows.field)
    for group in by_points(rows.terms):
        points = group[0].sites.points
        looks = [points] + ([points * [0, 1] + [2, 0]] if group[0].name == "poisson" else [])
        inside = [(at[:, None] >= boxes[..., 0]) & (at[:, None] <= boxes[..., 1]) for at in looks]
        seen = sum(each.all(axis=2) for each in inside)
        found = work(rows.field, group)
        assert np.array_equal(found.pairs, seen.sum(axis=1)) and set(found.networks) == set(np.flatnonzero(seen.any(axis=0)))
    whole = load(rows.field, rows.terms)
    assert whole.points == 301 + 120 and whole.cells == len(boxes)


def test_a_channel_more_costs_more():
    """u_xx and u_yy carry the value and the slopes, five in all; the values on walls and at x = 2 are one channel each."""
    rows = rows_of("cuts")
    found = {group[0].name: work(rows.field, group) for group in by_points(rows.terms)}
    assert (found["poisson"].cost == 1 + 5 + 1).all() and (found["walls"].cost == 1 + 1).all()


def test_points_of_a_process_lie_together():
    """Points as they come are seen by all of 144 networks.

    A quarter of the cells is 6 by 6; with those whose windows reach it 7 by 7, and parts of another row. Strips would see 60.
    """
    rows = rows_of("many", interior=4000)
    shares = Division(rows.field, 4)(rows.terms)["poisson"]
    boxes, points = supports(rows.field), rows.terms[0].sites.points

    def touched(part):
        inside = (points[part][:, None] >= boxes[..., 0]) & (points[part][:, None] <= boxes[..., 1])
        return int(inside.all(axis=2).any(axis=0).sum())

    assert touched(np.arange(1000)) == 144
    found = [touched(part) for part in shares]
    assert max(found) <= 7 * 7 + 7, found


def test_more_processes_than_points():
    rows = rows_of("cuts", interior=3, surface=2)
    shares = Division(rows.field, 200)(rows.terms)
    for name, parts in shares.items():
        assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(rows.slices[name].stop - rows.slices[name].start))
    assert sum(not any(len(parts[process]) for parts in shares.values()) for process in range(200)) > 100


def test_one_network_keeps_the_order_of_the_points():
    rows = make_rows(ODD, Field(MLP(width=3, depth=1), read_problem(ODD)), interior=31, surface=10)
    for parts in Division(rows.field, 4)(rows.terms).values():
        assert np.array_equal(np.concatenate(parts), np.arange(sum(map(len, parts))))
        assert np.ptp([len(part) for part in parts]) <= 1
    owned = load(rows.field, rows.terms)
    assert owned.cells == 1 and owned.pairs >= owned.points > 0


def test_leaves_of_a_tree_lie_together():
    tree = bisection(np.random.default_rng(0).random((13, 2)))
    assert sorted(leaves(tree)) == list(range(13)) and leaves(((3, (1, 2)), 0)) == [3, 1, 2, 0]
