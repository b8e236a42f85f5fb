import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from pinn.field.algebra import JetAlgebra, _Linear, _Multiply
from pinn.field.jet import Jet, composition, leibniz, partitions
from pinn.field.request import channels

REQUESTS = {
    "value": ((0, 0),),
    "burgers": ((0, 0), (0, 1), (2, 0)),
    "mixed": ((1, 1),),
    "third": ((3, 0), (1, 2)),
}
SUMS = {"laplacian": (((0, 2), (2, 0)),), "biharmonic": (((0, 4), (2, 2), (2, 2), (4, 0)),)}
CARRIED = {name: channels(tuple((index,) for index in request), 2) for name, request in REQUESTS.items()}
CARRIED |= {name: channels(operators, 2) for name, operators in SUMS.items()}


def random(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng([seed, *shape]).normal(size=shape)).requires_grad_()


def along(carried, axis):
    """Numbers of the channels that a function of one coordinate has."""
    return tuple(n for n, channel in enumerate(carried[1:]) if any(sum(index) == index[axis] for index, _ in channel))


def jet(present, seed=0):
    rest = random(len(present), 2, 3, seed=seed)
    return Jet(random(2, 3, seed=seed), rest if present else rest.detach(), present)


@pytest.mark.parametrize("order, bell", [(1, 1), (2, 2), (3, 5), (4, 15), (5, 52)])
def test_partitions_are_counted_by_bell_numbers(order, bell):
    assert sum(partitions((order,)).values()) == bell
    assert sum(partitions((1,) * order).values()) == bell


def test_a_composition_holds_what_its_sum_needs_and_no_more():
    carried = CARRIED["laplacian"]
    plan = composition(carried, (0, 1))
    assert plan.products == ((0, 0), (1, 1)) or plan.products == ((1, 1), (0, 0))
    assert [(number, p, sorted(row)) for number, p, row in plan.terms] == [(2, 2, [(2, 1.0), (3, 1.0)])]


@pytest.mark.parametrize("name", CARRIED)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
@pytest.mark.parametrize("kind", ["all channels", "coordinates"])
@pytest.mark.parametrize("members", [(), (2,)], ids=["one", "members"])
def test_reverse_pass_of_a_layer(name, activation, kind, members):
    carried = CARRIED[name]
    present = tuple(range(len(carried) - 1))
    points = 2
    if kind == "coordinates":
        present = tuple(number for number in present if sum(carried[number + 1][0][0]) == 1)
        points = 1
    algebra = JetAlgebra(carried)

    def layer(weight, bias, value, rest):
        out = algebra.dense(Jet(value, rest, present), weight, bias, activation)
        return out.value, out.rest

    rest = random(len(present), *members, points, 3)
    tensors = random(*members, 3, 2), random(*members, 2), random(*members, 2, 3)
    assert gradcheck(layer, (*tensors, rest if present else rest.detach()))


@pytest.mark.parametrize("members", [(), (2,)], ids=["one", "members"])
def test_reverse_pass_of_a_linear_layer(members):
    tensors = random(*members, 3, 2), random(*members, 2), random(*members, 2, 3), random(4, *members, 2, 3)
    assert gradcheck(_Linear.apply, tensors)


@pytest.mark.parametrize("name", CARRIED)
@pytest.mark.parametrize("kind", ["all channels", "of one coordinate each"])
def test_reverse_pass_of_a_product(name, kind):
    carried = CARRIED[name]
    present = [tuple(range(len(carried) - 1))] * 2 if kind == "all channels" else [along(carried, 0), along(carried, 1)]
    rule = leibniz(carried, *present)
    a, b = (random(1 + len(numbers), 2, 3, seed=seed) for seed, numbers in enumerate(present))
    assert gradcheck(lambda a, b: _Multiply.apply(rule, a, b), (a, b))
    assert rule.outputs == tuple(range(len(carried) - 1))


@pytest.mark.parametrize("name", CARRIED)
def test_a_product_of_jets_with_other_channels_is_that_with_zeros(name):
    carried = CARRIED[name]
    algebra, every = JetAlgebra(carried), tuple(range(len(carried) - 1))
    some = [jet(along(carried, axis), seed=axis) for axis in (0, 1)]
    filled = []
    for x in some:
        rest = torch.zeros(len(every), 2, 3, dtype=torch.float64)
        rest[list(x.present)] = x.rest.detach()
        filled.append(Jet(x.value, rest, every))
    short, full = algebra.multiply(*some), algebra.multiply(*filled)
    assert short.present == every
    torch.testing.assert_close(short.value, full.value, rtol=0, atol=0)
    torch.testing.assert_close(short.rest, full.rest, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("name", CARRIED)
def test_reverse_pass_of_an_interpolation(name):
    algebra, present = JetAlgebra(CARRIED[name]), tuple(range(len(CARRIED[name]) - 1))

    def mixed(factor, *tensors):
        a, b = Jet(*tensors[:2], present), Jet(*tensors[2:], present)
        return algebra.interpolate(a, b, factor)[:2]

    pairs = [part for seed in (0, 1) for part in jet(present, seed)[:2]]
    assert gradcheck(mixed, (random(1), *pairs))
    value, rest = mixed(torch.tensor([0.25], dtype=torch.float64), *pairs)
    torch.testing.assert_close(value, 0.75 * pairs[0] + 0.25 * pairs[2])
    torch.testing.assert_close(rest, 0.75 * pairs[1] + 0.25 * pairs[3])


def test_only_channels_that_are_not_zero_are_carried():
    carried = CARRIED["third"]
    numbers = [number for number, channel in enumerate(carried[1:]) if channel[0][0] == (1, 0)]
    assert composition(carried, tuple(numbers)).outputs == along(carried, 0)
    x = Jet(random(2, 3), random(1, 1, 3), tuple(numbers))
    assert JetAlgebra(carried).dense(x, random(3, 4), random(4), "tanh").rest.shape == (3, 2, 4)


@pytest.mark.parametrize("name", CARRIED)
def test_without_tape_a_layer_gives_the_same_numbers(name):
    carried = CARRIED[name]
    present = tuple(range(len(carried) - 1))
    x = Jet(random(5, 3).detach(), random(len(present), 5, 3).detach(), present)
    algebra = JetAlgebra(carried)
    with_tape = algebra.dense(x, random(3, 4), random(4), "swish")
    with torch.no_grad():
        without = algebra.dense(x, random(3, 4), random(4), "swish")
    assert torch.equal(with_tape.value, without.value)
    assert torch.equal(with_tape.rest, without.rest)
