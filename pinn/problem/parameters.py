"""Parameters: numbers whose range or distribution is known, so that the solution is sought for all of their values at once.

A parameter is one more coordinate of every unknown. Its *column* in arrays of points is the value itself, or the natural logarithm
of the value where its scale is ``log``: networks, cells, points and boxes work with columns, people read values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pinn.problem.formulas.calculus import build, multiply
from pinn.problem.formulas.tree import Name, Node
from pinn.problem.settings import BadInput

Array = np.ndarray

TAIL = 4.0
"""A normal distribution is cut off so many standard deviations from its mean, where 6e-5 of it lie."""

KINDS = ("range", "normal", "uniform")


@dataclass(frozen=True)
class Parameter:
    """A parameter with the range of its values.

    Attributes
    ----------
    name : of the parameter, or of one component of a vector.
    low, high : lowest and highest value; mean ± 4 standard deviations of a normal distribution.
    scale : ``log`` where even steps are even factors.
    distribution : ``normal``, ``uniform``, or ``""`` for a range whose values count alike.
    mean, std : of a normal distribution before it is cut off.
    vector : name of the vector that it is a component of, or its own.
    """

    name: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    distribution: Literal["", "normal", "uniform"] = ""
    mean: float = 0.0
    std: float = 0.0
    vector: str = ""

    def __str__(self) -> str:
        if self.distribution == "normal":
            return f"{self.name} normal with mean {self.mean:g} and standard deviation {self.std:g}"
        kind = ", logarithmic" if self.scale == "log" else ", uniform" if self.distribution else ""
        return f"{self.name} in [{self.low:g}, {self.high:g}]{kind}"

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest column."""
        return float(self.column(self.low)), float(self.column(self.high))

    def column(self, values: Any) -> Any:
        """Return the columns of values."""
        return np.log(values) if self.scale == "log" else values

    def value(self, columns: Any) -> Any:
        """Return the values of columns, at most the ends of the range."""
        return np.clip(np.exp(columns), self.low, self.high) if self.scale == "log" else columns

    @property
    def value_tree(self) -> Node:
        """The value as a formula of the column."""
        return build("exp", Name(self.name)) if self.scale == "log" else Name(self.name)

    def column_tree(self, value: Node) -> Node:
        """Return the column as a formula of a formula of the value."""
        return build("log", value) if self.scale == "log" else value

    def slope(self, by_column: Node) -> Node:
        """Return the derivative by the value from that by the column."""
        return multiply(by_column, build("exp", build("neg", Name(self.name)))) if self.scale == "log" else by_column

    def slope_factors(self, order: int, columns: Array) -> Array:
        """Return the factors (order + 1, points) of derivatives by the column whose sum is the derivative of an order by the value.

        d/dν = e^(−s) d/ds with s = log ν, so the coefficients of one order follow from those of the order below.
        """
        factors = np.zeros((order + 1, len(columns)))
        factors[0] = 1.0
        if self.scale != "log":
            return np.concatenate([np.zeros((order, len(columns))), factors[:1]])
        for step in range(order):
            raised = np.roll(factors, 1, axis=0)
            raised[0] = 0.0
            factors = np.exp(-columns) * (raised - step * factors)
        return factors

    def place(self, unit: Array) -> Array:
        """Return columns at which this part (points,) of the distribution lies below; a range counts as uniform in its column."""
        low, high = self.ends
        if self.distribution != "normal":
            return low + (high - low) * unit
        from scipy.special import ndtr, ndtri  # takes a tenth of a second to import

        return np.clip(self.mean + self.std * ndtri(ndtr(-TAIL) + unit * (ndtr(TAIL) - ndtr(-TAIL))), low, high)

    def quadrature(self, num: int) -> tuple[Array, Array]:
        """Return columns and weights (num,) of Gauss's rule for the distribution, weights of sum 1; at most 7 for a normal one."""
        if self.distribution == "normal":
            nodes, weights = np.polynomial.hermite_e.hermegauss(min(num, 7))  # those of 8 lie beyond 4 standard deviations
            return self.mean + self.std * nodes, weights / weights.sum()
        nodes, weights = np.polynomial.legendre.leggauss(num)
        low, high = self.ends
        return low + (high - low) * (1 + nodes) / 2, weights / 2


def read_parameter(name: str, entry: Any, bounds: Callable[[Any], tuple[float, float]], numbers: Callable[[Any], list[float]]):
    """Return the distribution of one parameter from what stands in the file.

    Parameters
    ----------
    bounds : reads a range [low, high]. numbers : reads a list of two numbers.

    Raises
    ------
    BadInput : a range that is reversed or negative on a logarithmic scale, a standard deviation that is not positive, two kinds.
    """
    settings = entry if isinstance(entry, Mapping) else {"range": entry}
    given = [kind for kind in KINDS if kind in settings]
    if len(given) != 1:
        got = f"got {' and '.join(given)}" if given else "got none of them"
        raise BadInput(f"a parameter has one of range: [low, high], normal: [mean, std], uniform: [low, high], {got}")
    kind, scale = given[0], settings.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise BadInput(f"scale must be linear or log, got {scale!r}")
    if scale == "log" and kind != "range":
        raise BadInput(f"scale: log goes with range, not with {kind}")
    if kind == "normal":
        mean, std = numbers(settings["normal"])
        if not std > 0:
            raise BadInput(f"the standard deviation must be greater than 0, got {std:g}")
        return Parameter(name, mean - TAIL * std, mean + TAIL * std, "linear", "normal", mean, std)
    low, high = bounds(settings[kind])
    if scale == "log" and not low > 0:
        raise BadInput(f"scale: log needs a range above 0, got [{low:g}, {high:g}]")
    if not math.isfinite(high - low):
        raise BadInput(f"the range must be finite, got [{low:g}, {high:g}]")
    return Parameter(name, low, high, scale, "uniform" if kind == "uniform" else "")
