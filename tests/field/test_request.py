from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.field.request import channels, closure, largest_order, weights

indices = st.lists(st.tuples(*[st.integers(0, 4)] * 2).filter(lambda index: sum(index) <= 4), min_size=1, max_size=5)


@given(indices)
@settings(max_examples=60, deadline=None)
def test_closure_is_the_smallest_downward_closed_set(wanted):
    found = closure(wanted)
    assert len(set(found)) == len(found)
    assert set(wanted) <= set(found)
    assert all(any(all(a <= b for a, b in zip(index, top, strict=True)) for top in wanted) for index in found)
    lower = {(a - 1, b) for a, b in found if a} | {(a, b - 1) for a, b in found if b}
    assert lower <= set(found)


def test_burgers_carries_four_channels():
    operators = (((0, 0),), ((0, 1),), ((1, 0),), ((2, 0),))
    assert channels(operators, 2) == tuple(((index, 1.0),) for index in [(0, 0), (0, 1), (1, 0), (2, 0)])


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_laplacian_is_one_channel(dim):
    laplacian = tuple(sorted(tuple(2 * (i == j) for i in range(dim)) for j in range(dim)))
    assert len(channels((laplacian,), dim)) == dim + 2


def test_laplacian_and_one_of_its_parts_stay_apart():
    laplacian, u_xx = ((0, 2), (2, 0)), ((2, 0),)
    carried = channels((laplacian, u_xx), 2)
    assert len(carried) == 5
    assert weights(laplacian, carried) == {3: 1.0, 4: 1.0}


def test_biharmonic_sums_its_fourth_orders():
    biharmonic = ((0, 4), (2, 2), (2, 2), (4, 0))
    carried = channels((biharmonic, ((0, 2), (2, 0))), 2)
    assert dict(carried[-1]) == {(0, 4): 1.0, (2, 2): 2.0, (4, 0): 1.0}
    assert largest_order(carried) == 4


def test_parts_that_occur_in_other_proportions_stay_apart():
    laplacian, stretched = ((0, 2), (2, 0)), ((0, 2), (0, 2), (2, 0))
    assert len(channels((laplacian, stretched), 2)) == 5
    assert len(channels((laplacian, laplacian + laplacian), 2)) == 4


@given(st.lists(indices, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_channels_add_up_to_every_operator(operators):
    operators = tuple(tuple(sorted(operator)) for operator in operators)
    carried = channels(operators, 2)
    for operator in operators:
        total = Counter()
        for number, factor in weights(operator, carried).items():
            for index, weight in carried[number]:
                total[index] += factor * weight
        assert total == Counter(operator)
