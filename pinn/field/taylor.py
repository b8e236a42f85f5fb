"""Truncated Taylor series in several coordinates: values with all derivatives up to an order, at many points at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from pinn.problem.formulas.tree import Index

Array = np.ndarray


class Monomials:
    """The indices of all derivatives of ``dim`` coordinates up to a total order, the value first."""

    def __init__(self, dim: int, order: int):
        powers = itertools.product(range(order + 1), repeat=dim)
        self.dim, self.order = dim, order
        kept = [index for index in powers if sum(index) <= order]
        self.indices: tuple[Index, ...] = tuple(sorted(kept, key=lambda index: (sum(index), index)))
        self.place = {index: number for number, index in enumerate(self.indices)}

    @cached_property
    def products(self) -> tuple[tuple[int, int, int], ...]:
        """Places (a, b, c) such that the monomial c is the product of a and b."""
        found = []
        for (a, first), (b, second) in itertools.product(enumerate(self.indices), repeat=2):
            sums = tuple(i + j for i, j in zip(first, second, strict=True))
            if sums in self.place:
                found.append((a, b, self.place[sums]))
        return tuple(found)

    @cached_property
    def factorials(self) -> Array:
        """Derivative of each monomial, (indices,)."""
        return np.array([math.prod(map(math.factorial, index)) for index in self.indices], float)


@lru_cache(maxsize=32)
def monomials_up_to(dim: int, order: int) -> Monomials:
    """Return the same object for equal arguments."""
    return Monomials(dim, order)


class Taylor:
    """A function near points: Σ_i coefficients[:, i] (x − point)^indices[i].

    Attributes
    ----------
    coefficients : (points, indices).
    """

    def __init__(self, monomials: Monomials, coefficients: Array):
        self.monomials, self.coefficients = monomials, coefficients

    @classmethod
    def coordinate(cls, monomials: Monomials, axis: int, values: Array) -> Taylor:
        """Return a coordinate at ``values`` (points,)."""
        found = np.zeros((len(values), len(monomials.indices)))
        found[:, 0] = values
        if monomials.order:
            found[:, monomials.place[tuple(int(other == axis) for other in range(monomials.dim))]] = 1.0
        return cls(monomials, found)

    @classmethod
    def of_derivatives(cls, monomials: Monomials, derivatives: Array) -> Taylor:
        """Return the function with given derivatives (points, indices)."""
        return cls(monomials, derivatives / monomials.factorials)

    @property
    def value(self) -> Array:
        """The values at the points, (points,)."""
        return self.coefficients[:, 0]

    def derivatives(self, indices: Sequence[Index]) -> Array:
        """Return some derivatives, (points, len(indices))."""
        places = [self.monomials.place[index] for index in indices]
        return self.coefficients[:, places] * self.monomials.factorials[places]

    def frozen(self, axis: int) -> Taylor:
        """Return the function with a coordinate held at its value."""
        stays = np.array([index[axis] == 0 for index in self.monomials.indices])
        return Taylor(self.monomials, self.coefficients * stays)

    def slope(self, axis: int) -> Taylor:
        """Return the derivative along a coordinate; the highest order is lost, and zero in it."""
        found = np.zeros_like(self.coefficients)
        for number, index in enumerate(self.monomials.indices):
            higher = (*index[:axis], index[axis] + 1, *index[axis + 1 :])
            if higher in self.monomials.place:
                found[:, number] = higher[axis] * self.coefficients[:, self.monomials.place[higher]]
        return Taylor(self.monomials, found)

    def __add__(self, other: Taylor | float) -> Taylor:
        if isinstance(other, Taylor):
            return Taylor(self.monomials, self.coefficients + other.coefficients)
        found = self.coefficients.copy()
        found[:, 0] += other
        return Taylor(self.monomials, found)

    def __neg__(self) -> Taylor:
        return Taylor(self.monomials, -self.coefficients)

    def __sub__(self, other: Taylor | float) -> Taylor:
        return self + (-other)

    def __mul__(self, other: Taylor | float) -> Taylor:
        if not isinstance(other, Taylor):
            return Taylor(self.monomials, other * self.coefficients)
        found = np.zeros_like(self.coefficients)
        for a, b, c in self.monomials.products:
            found[:, c] += self.coefficients[:, a] * other.coefficients[:, b]
        return Taylor(self.monomials, found)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Taylor) -> Taylor:
        return self * other.power(-1.0)

    def power(self, exponent: float) -> Taylor:
        """Return the function to a power; not a number where it vanishes."""
        rest = Taylor(self.monomials, self.coefficients.copy())
        rest.coefficients[:, 0] = 0.0
        found, term, factor = rest * 0.0, None, self.value**exponent
        found.coefficients[:, 0] = factor
        for order in range(1, self.monomials.order + 1):
            factor = factor * (exponent - order + 1) / order / self.value
            term = rest if term is None else term * rest
            found = found + Taylor(self.monomials, term.coefficients * factor[:, None])
        return found

    def sqrt(self) -> Taylor:
        """Return the square root."""
        return self.power(0.5)


def choose(mask: Array, yes: Taylor, no: Taylor) -> Taylor:
    """Return one function where a mask (points,) is true, the other one elsewhere."""
    return Taylor(yes.monomials, np.where(mask[:, None], yes.coefficients, no.coefficients))


def constant(monomials: Monomials, values: Array) -> Taylor:
    """Return a function that is constant near every point, with ``values`` (points,)."""
    found = np.zeros((len(values), len(monomials.indices)))
    found[:, 0] = values
    return Taylor(monomials, found)
