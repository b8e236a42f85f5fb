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
from pinn.problem.tree import Index


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
    ``terms`` lists (channel, p, ((node, factor), ...)): the channel gets σ⁽ᵖ⁾ times the combination. The term of first order,
    σ' times the same channel of the input, is understood for every present channel. ``channel`` counts without the value.
    """

    num_inputs: int
    num_outputs: int
    order: int
    present: tuple[int, ...]
    products: tuple[tuple[int, int], ...]
    terms: tuple[tuple[int, int, tuple[tuple[int, float], ...]], ...]


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
    return Plan(len(present), len(carried) - 1, largest_order(carried), present, tuple(products), tuple(terms))


@lru_cache(maxsize=1024)
def leibniz(carried: tuple[Channel, ...]) -> tuple[tuple[int, int, int, float], ...]:
    """Return (channel, channel of a, channel of b, factor) of the product a·b beyond a·(value of b); the value is channel 0."""
    place = {channel[0][0]: number for number, channel in enumerate(carried) if len(channel) == 1}
    found = [(number, 0, number, 1.0) for number in range(1, len(carried))]
    for number, channel in enumerate(carried):
        for index, weight in channel:
            for lower, count in below(index):
                if lower not in (index, (0,) * len(index)):
                    found.append((number, place[lower], place[minus(index, lower)], weight * count))
    return tuple(found)
