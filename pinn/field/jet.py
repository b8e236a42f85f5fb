"""Jets: a function of the coordinates together with chosen partial derivatives, pushed through layers together.

A jet is one tensor for the value and one stack for all other channels, so a linear layer is two matrix products whatever
the number of derivatives. What happens to the channels at an activation (Faà di Bruno) and at a product (Leibniz) is enumerated
once per set of channels, for any number of coordinates and any order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from pinn.field.request import Channel, below, largest_order, minus
from pinn.problem.formulas.tree import Index


class Jet(NamedTuple):
    """Channels of a function of the coordinates.

    ``value`` (points, width); ``rest`` (len(present), points or 1, width), 1 when the channels do not vary with the point;
    ``present`` the numbers of these channels in the space, all others are zero. Those of several members together have one more
    dimension before the points.
    """

    value: Tensor
    rest: Tensor
    present: tuple[int, ...]


class Plan(NamedTuple):
    """Faà di Bruno's formula for one set of channels as a straight-line programme.

    Node n is the n-th present channel for n < num_inputs, then the products in order. ``products`` lists pairs of nodes.
    ``outputs`` are the numbers of the channels of σ(z) that are not zero everywhere, the value not counted; all else counts places
    among them. ``terms`` lists (place, p, ((node, factor), ...)): the channel gets σ⁽ᵖ⁾ times the combination. The term of first
    order, σ' times the same channel of the input, is understood for every present channel; ``places`` says where it goes.
    """

    num_inputs: int
    outputs: tuple[int, ...]
    order: int
    places: tuple[int, ...]
    products: tuple[tuple[int, int], ...]
    terms: tuple[tuple[int, int, tuple[tuple[int, float], ...]], ...]

    @property
    def num_outputs(self) -> int:
        """Number of channels of σ(z), the value not counted."""
        return len(self.outputs)


class ProductRule(NamedTuple):
    """Leibniz's formula for a·b as a list of products of channels; channels of a, b and a·b count from 0, which is the value.

    ``outputs`` are the numbers of the channels of a·b that are not zero everywhere, the value not counted. Channel k of a times the
    value of b goes to channel ``places[k]``; ``terms`` are the rest: (channel, channel of a, channel of b, factor).
    """

    outputs: tuple[int, ...]
    places: tuple[int, ...]
    terms: tuple[tuple[int, int, int, float], ...]


@lru_cache(maxsize=4096)
def partitions(index: Index) -> dict[tuple[Index, ...], int]:
    """Return Faà di Bruno's terms of ∂^index σ(z): {(β₁ ≤ … ≤ βₚ): count} stands for count · σ⁽ᵖ⁾ · z_β₁ ⋯ z_βₚ."""
    axis = next((i for i, order in enumerate(index) if order), None)
    found: dict[tuple[Index, ...], int] = {}
    if axis is None:
        return {(): 1}
    unit = tuple(int(i == axis) for i in range(len(index)))
    for factors, count in partitions(minus(index, unit)).items():
        raised = [(*factors[:j], _plus(factors[j], unit), *factors[j + 1 :]) for j in range(len(factors))]
        for term in [(*factors, unit), *raised]:
            key = tuple(sorted(term))
            found[key] = found.get(key, 0) + count
    return found


def _plus(index: Index, other: Index) -> Index:
    return tuple(a + b for a, b in zip(index, other, strict=True))


@lru_cache(maxsize=1024)
def composition(carried: tuple[Channel, ...], present: tuple[int, ...]) -> Plan:
    """Return the plan of σ(z) for a jet z with these channels, of which only ``present`` are not zero."""
    nodes: dict[tuple[Index, ...], int] = {(carried[number + 1][0][0],): n for n, number in enumerate(present)}
    products: list[tuple[int, int]] = []

    def node(factors: tuple[Index, ...]) -> int:
        if factors not in nodes:
            pair = (node(factors[:-1]), node(factors[-1:]))
            products.append(pair)
            nodes[factors] = len(present) + len(products) - 1
        return nodes[factors]

    terms = []
    for number, channel in enumerate(carried[1:]):
        sums: dict[int, dict[int, float]] = {}
        for index, weight in channel:
            for factors, count in partitions(index).items():
                if len(factors) > 1 and all((factor,) in nodes for factor in factors):
                    row = sums.setdefault(len(factors), {})
                    row[node(factors)] = row.get(node(factors), 0.0) + weight * count
        terms += [(number, p, tuple(row.items())) for p, row in sorted(sums.items())]
    outputs = tuple(sorted({*present, *(number for number, *_ in terms)}))
    placed = tuple((outputs.index(number), p, row) for number, p, row in terms)
    return Plan(len(present), outputs, largest_order(carried), tuple(map(outputs.index, present)), tuple(products), placed)


@lru_cache(maxsize=1024)
def leibniz(carried: tuple[Channel, ...], present_a: tuple[int, ...], present_b: tuple[int, ...]) -> ProductRule:
    """Return the rule of a·b for jets of which only these channels, the value not counted, are not zero."""
    of_a, of_b = ({0: 0} | {number + 1: k + 1 for k, number in enumerate(present)} for present in (present_a, present_b))
    single = {channel[0][0]: number for number, channel in enumerate(carried) if len(channel) == 1}
    found = [(number, 0, number, 1.0) for number in of_b if number]
    for number, channel in enumerate(carried):
        for index, weight in channel:
            for lower, count in below(index):
                if lower not in (index, (0,) * len(index)):
                    found.append((number, single[lower], single[minus(index, lower)], weight * count))
    kept = [(number, of_a[i], of_b[j], factor) for number, i, j, factor in found if i in of_a and j in of_b]
    channels = sorted({*of_a, *(number for number, *_ in kept)})
    terms = tuple((channels.index(number), i, j, factor) for number, i, j, factor in kept)
    return ProductRule(tuple(number - 1 for number in channels[1:]), tuple(map(channels.index, of_a)), terms)
