import numpy as np
import pytest
from field_problems import RING, box, inside, read

from pinn.field.embedding import Embedding
from pinn.field.network.fourier_features import FourierFeatures
from pinn.field.network.mlp import MLP
from pinn.field.network.modified_mlp import ModifiedMLP
from pinn.field.request import channels
from pinn.field.solution import Solution

REQUEST = tuple(("u", (index,)) for index in [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1)])


@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize(
    "network", [MLP(width=8, depth=2), ModifiedMLP(width=8, depth=2, harmonics=3), FourierFeatures(width=8, depth=2)]
)
def test_both_ends_agree_to_the_last_bit(engine, network):
    problem = read(RING)
    field = network.field(problem, engine)
    solution = Solution(field, field.initial(0))
    t = np.linspace(0, 1, 9)
    ends = [solution(np.stack([np.full(9, x), t], axis=1), REQUEST) for x in (-1.0, 1.0)]
    assert np.array_equal(*ends)
    middle = solution(np.stack([np.full(9, 0.3), t], axis=1), REQUEST)
    assert np.abs(middle - ends[0]).min() > 0


def test_shifted_by_periods_nothing_changes():
    problem = box(2, periodic=("x",))
    field = MLP(width=8, depth=2, harmonics=2).field(problem)
    solution = Solution(field, field.initial(0))
    points = inside(problem, np.random.default_rng(0))
    np.testing.assert_allclose(solution(points + [12.0, 0.0], REQUEST), solution(points, REQUEST), rtol=1e-11, atol=1e-11)


def test_no_embedding_when_it_is_switched_off():
    problem = read(RING)
    assert MLP(periodic="none").embedding(problem).num_features == 2
    assert MLP(harmonics=4).embedding(problem).num_features == 9


def test_coordinates_are_scaled_to_the_unit_cube():
    problem = box(4)
    corners = problem.box.T
    features = Embedding(problem).jets(corners, channels((), 4))
    np.testing.assert_allclose(features.value, [[-1.0] * 4, [1.0] * 4], atol=1e-15)


def test_only_first_orders_of_plain_coordinates_are_carried():
    carried = channels((((2, 2),),), 2)
    features = Embedding(box(2)).jets(np.zeros((5, 2)), carried)
    assert [carried[number + 1][0][0] for number in features.present] == [(0, 1), (1, 0)]
    assert features.rest.shape == (2, 1, 2)


def test_features_of_a_coordinate_carry_its_own_channels_only():
    carried = channels((((2, 0, 0), (0, 2, 0), (0, 0, 2)), ((1, 0, 1),)), 3)
    problem = box(3, periodic=("y",))
    embedding = Embedding(problem, ("y",), harmonics=2)
    points = inside(problem, np.random.default_rng(0))
    features = embedding.jets(points, carried)
    assert embedding.widths == (1, 4, 1)
    parts = embedding.parts(carried)
    assert [(part.start, part.stop) for part in parts] == [(0, 1), (2, 6), (1, 2)]
    for part in parts:
        sizes = np.abs(features.rest[:, :, part.start : part.stop]).max(axis=(1, 2))
        assert part.present == tuple(number for number, size in zip(features.present, sizes, strict=True) if size > 0)
