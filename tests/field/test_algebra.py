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
def test_reverse_pass_of_a_product(name):
    rule, num = leibniz(CARRIED[name]), len(CARRIED[name])
    assert gradcheck(lambda a, b: _Multiply.apply(rule, a, b), (random(num, 2, 3), random(num, 2, 3, seed=1)))


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
