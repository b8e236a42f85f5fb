"""Polynomials in parameters: through solutions at single values of them, one value added at a time.

With the values y_0, y_1, … of one parameter and h_k(y) = Π_{i<k} (y − y_i)/(y_k − y_i), the products h_ν(y) = Π_j h_{ν_j}(y_j) of
an index set that has with ν all smaller ones interpolate at as many nodes (Chkifa, Cohen, Schwab 2014, Found. Comput. Math. 14,
601). The nodes are those of Leja, each of which is where the polynomial of those before is largest; for a normal distribution times
the root of its density (Narayan, Jakeman 2014, SIAM J. Sci. Comput. 36, A2952).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pinn.problem.parameters import Parameter

Array = np.ndarray
Index = tuple[int, ...]

MOST = 64
"""Nodes of one parameter."""

CANDIDATES = 4001
"""Places among which the next node is sought."""


@lru_cache
def leja(is_normal: bool) -> Array:
    """Return the nodes of one parameter, (MOST,), in units of half its range from its middle."""
    places = np.linspace(-1, 1, CANDIDATES)
    found, weight = [0.0], np.exp(-4.0 * places**2) if is_normal else np.ones(CANDIDATES)
    product = weight * np.abs(places)
    while len(found) < MOST:
        found.append(float(places[np.argmax(product)]))
        product = product * np.abs(places - found[-1])
        product /= product.max()
    return np.array(found)


class Nodes:
    """Where solutions are known, and the polynomials through them.

    Parameters
    ----------
    indices : of the nodes, (nodes) tuples with a number for each parameter, after those that are smaller.
    """

    def __init__(self, parameters: Sequence[Parameter], indices: Sequence[Index]):
        self.parameters, self.indices = tuple(parameters), list(indices)
        numbers = np.array(self.indices, int).reshape(-1, len(self.parameters))
        self._numbers = numbers
        self._along = [sequence(parameter) for parameter in self.parameters]
        self.columns = np.stack([along[numbers[:, axis]] for axis, along in enumerate(self._along)], axis=1)
        self._basis = self._values(self.columns, (0,) * len(self.parameters))

    def weights(self, columns: Array, orders: Sequence[int] | None = None) -> Array:
        """Return what the solution at each node counts at other places, (points, nodes).

        Parameters
        ----------
        columns : of the parameters, (points, parameters).
        orders : of derivatives along each column; none by default.
        """
        values = self._values(columns, tuple(orders or (0,) * len(self.parameters)))
        return np.linalg.solve(self._basis.T, values.T).T

    def size(self, index: Index) -> float:
        """Return the root mean square of the product of polynomials that belongs to an index, over the distributions."""
        return float(
            np.prod([polynomial_sizes(each.distribution == "normal")[k] for each, k in zip(self.parameters, index, strict=True)])
        )

    def _values(self, columns: Array, orders: Index) -> Array:
        """Return the products of polynomials, (points, nodes)."""
        found = np.ones((len(columns), len(self.indices)))
        for axis, along in enumerate(self._along):
            highest = int(self._numbers[:, axis].max(initial=0))
            found *= polynomials(along, highest, columns[:, axis], orders[axis])[:, self._numbers[:, axis]]
        return found


def sequence(parameter: Parameter) -> Array:
    """Return the columns of the nodes of a parameter, (MOST,)."""
    low, high = parameter.ends
    return (low + high) / 2 + (high - low) / 2 * leja(parameter.distribution == "normal")


def polynomials(nodes: Array, highest: int, places: Array, order: int) -> Array:
    """Return derivatives of h_0 … h_highest at places, (places, highest + 1)."""
    jets = np.zeros((order + 1, len(places)))
    jets[0] = 1.0
    found = [jets[order]]
    for k in range(highest):
        raised = (places - nodes[k]) * jets
        raised[1:] += np.arange(1, order + 1)[:, None] * jets[:-1]
        jets = raised
        found.append(jets[order] / np.prod(nodes[k + 1] - nodes[: k + 1]))
    return np.stack(found, axis=1)


@lru_cache
def polynomial_sizes(is_normal: bool) -> Array:
    """Return the root mean squares of h_0, h_1, … over the distribution, (MOST,)."""
    places, weights = np.polynomial.legendre.leggauss(200)
    weights = weights * (np.exp(-8.0 * places**2) if is_normal else 1.0)
    values = polynomials(leja(is_normal), MOST - 1, places, 0)
    return np.sqrt(weights @ values**2 / weights.sum())
