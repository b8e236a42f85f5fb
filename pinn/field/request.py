"""What must be carried through a network so that the requested derivatives come out at its end.

A *channel* is a weighted sum of partial derivatives that travels as one: ``(((2, 0), 1.0), ((0, 2), 1.0))`` is the
Laplacian. Only indices that no other channel is built from can be summed early, because these enter every layer linearly
("forward Laplacian": Li et al. 2023, arXiv:2307.08214; "collapsed Taylor mode": Dangel et al. 2025, arXiv:2505.13644).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from math import comb, prod

from pinn.problem.formulas.tree import Index, Operator

Channel = tuple[tuple[Index, float], ...]
Request = tuple[tuple[str, Operator], ...]


def closure(indices: Iterable[Index]) -> tuple[Index, ...]:
    """Return the smallest downward-closed set with these indices, by total order: what products and compositions need."""
    below = {lower for index in indices for lower in itertools.product(*(range(order + 1) for order in index))}
    return tuple(sorted(below, key=lambda index: (sum(index), index)))


def below(index: Index) -> tuple[tuple[Index, int], ...]:
    """Return every (lower index, binomial coefficient) of the Leibniz rule for ``index``."""
    lowers = itertools.product(*(range(order + 1) for order in index))
    return tuple((lower, prod(map(comb, index, lower))) for lower in lowers)


def minus(index: Index, other: Index) -> Index:
    """Return the difference of two indices."""
    return tuple(a - b for a, b in zip(index, other, strict=True))


@lru_cache(maxsize=1024)
def channels(operators: tuple[Operator, ...], dim: int) -> tuple[Channel, ...]:
    """Return the channels that yield all ``operators``, the value first, then by total order.

    Parameters
    ----------
    operators : sums of partial derivatives, repeats count; may be empty.
    dim : number of coordinates.
    """
    counts = [Counter(operator) for operator in dict.fromkeys(operators)]
    indices = closure([(0,) * dim, *itertools.chain.from_iterable(counts)])
    inner = {(*index[:axis], order - 1, *index[axis + 1 :]) for index in indices for axis, order in enumerate(index) if order}
    plain: list[Channel] = []
    summed: dict[tuple, list[tuple[Index, float]]] = {}
    for index in indices:
        use = tuple(count[index] for count in counts)
        if sum(index) > 1 and index not in inner:
            first = next(filter(None, use))
            ratio = tuple(number / first for number in use)
            summed.setdefault((sum(index), ratio), []).append((index, float(first)))
        else:
            plain.append(((index, 1.0),))
    found = [*plain, *(tuple(parts) for parts in summed.values())]
    return tuple(sorted(found, key=lambda channel: (sum(channel[0][0]), channel)))


def weights(operator: Operator, carried: tuple[Channel, ...]) -> dict[int, float]:
    """Return {channel number: factor} whose sum is ``operator``; ``carried`` comes from `channels` with it in the list."""
    count, factors = Counter(operator), {}
    for number, channel in enumerate(carried):
        index, weight = channel[0]
        if count[index]:
            factors[number] = count[index] / weight
    return factors


def largest_order(carried: tuple[Channel, ...]) -> int:
    """Return the highest total order among the channels."""
    return max(sum(index) for channel in carried for index, _ in channel)
