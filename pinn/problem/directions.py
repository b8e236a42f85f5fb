"""Random directions along which sums of derivatives over many coordinates are estimated.

The Laplacian Σ_i a_i ∂_ii is the mean of ∂²/∂s² along straight lines with random directions v, E[v vᵀ] = diag(a): the trace of a
matrix from its products with random vectors (Hutchinson 1990, Commun. Stat. Simul. Comput. 19, 433), for networks in Hu, Shi,
Karniadakis & Kawaguchi (2023), arXiv:2312.14499, and with Taylor mode in Shi, Hu, Lin & Kawaguchi (2024), arXiv:2412.00088. For the
biharmonic operator, E[∂⁴/∂s⁴] = 3 Δ² along v ~ N(0, I).

The estimate of a residual that is linear in the sum is unbiased. Its mean square is not: it is larger by the variance of the
estimate, so that training also makes the variance small, at the expense of the residual where the two compete. With H the matrix of
second derivatives, the variance of k directions is (2/k) Σ_{i≠j} H_ij² for random signs, and for k of n coordinates
(n²/k) (1 − k/n) S² with S² = Σ_i (H_ii − mean)² / (n − 1): signs are exact where H is diagonal, coordinates where its diagonal is
constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from pinn.problem.formulas import calculus
from pinn.problem.formulas.tree import Index, Jet, Operator
from pinn.problem.problem import Residual

Along = Literal["signs", "coordinates"]
"""Directions with independent random signs as components, or along random coordinates, none of them twice."""


class Directions(NamedTuple):
    """Lines through points along which one operator is estimated: ∂^common Σ_j ∂^order/∂s_j^order.

    Attributes
    ----------
    common : derivatives that every term of the operator has.
    order : 2 or 4.
    vectors : (points, directions, dim); whole numbers where possible, which take less memory.
    size : (dim,), factors of the components, such that the sum over j needs no factor.
    """

    common: Index
    order: int
    vectors: np.ndarray
    size: np.ndarray

    def take(self, rows: slice | np.ndarray) -> Directions:
        """Return the directions of some points."""
        return self._replace(vectors=self.vectors[rows])

    def lines(self) -> list[np.ndarray]:
        """Return the directions (points, dim), one array for each."""
        return [self.vectors[:, number] * self.size for number in range(self.vectors.shape[1])]


class Sum(NamedTuple):
    """An operator that can be estimated: ∂^common applied to Σ_i weights_i ∂_ii (order 2) or to the square of Σ ∂_ii (order 4)."""

    common: Index
    order: int
    weights: np.ndarray


def as_sum(operator: Operator) -> Sum | None:
    """Return what an operator is a sum of, None when it is not one that can be estimated."""
    indices = np.array(operator)
    common = indices.min(axis=0)
    rest = indices - common
    orders = set(rest.sum(axis=1).tolist())
    if orders == {2} and (rest.max(axis=1) == 2).all():
        return Sum(tuple(common.tolist()), 2, rest.sum(axis=0) / 2)
    if orders == {4}:
        weights = (rest > 0).any(axis=0).astype(float)
        units = 2 * np.eye(len(weights), dtype=int)[weights > 0]
        squared = (units[:, None] + units).reshape(-1, len(weights))
        if sorted(squared.tolist()) == sorted(rest.tolist()):
            return Sum(tuple(common.tolist()), 4, weights)
    return None


def estimated(residuals: Iterable[Residual], num: int) -> dict[Operator, Sum]:
    """Return the operators of some residuals that ``num`` directions are for: sums of more than ``num`` derivatives.

    Those inside integrals and at images of the points are not among them; they stay exact.
    """
    jets = [leaf for residual in residuals for leaf in calculus.leaves(residual.tree) if isinstance(leaf, Jet) and not leaf.image]
    wide = sorted({jet.operator for jet in jets if len(set(jet.operator)) > num})
    return {operator: found for operator in wide if (found := as_sum(operator)) is not None}


def nonlinear_in(residual: Residual, operators: Mapping[Operator, Sum]) -> Jet | None:
    """Return a jet with one of these operators in which the residual is not linear, so that its estimate is biased."""
    for leaf in calculus.leaves(residual.tree):
        if isinstance(leaf, Jet) and not leaf.image and leaf.operator in operators:
            slope = calculus.leaves(calculus.partial(residual.tree, leaf))
            if any(isinstance(other, Jet) and other.operator in operators for other in slope):
                return leaf
    return None


def draw_directions(wanted: Sum, along: Along, num: int, num_points: int, rng: np.random.Generator) -> Directions:
    """Return ``num`` directions at each of ``num_points`` points, independent of those at other points.

    The biharmonic operator needs normally distributed components, whatever ``along`` says.
    """
    common, order, weights = wanted
    axes = np.flatnonzero(weights)
    if order == 4:
        vectors = rng.standard_normal((num_points, num, len(weights)))
        return Directions(common, order, vectors, weights * (3.0 * num) ** -0.25)
    if along == "signs":
        signs = 2 * rng.integers(0, 2, (num_points, num, len(weights)), dtype=np.int8) - 1
        return Directions(common, order, signs, np.sqrt(weights / num))
    num = min(num, len(axes))
    chosen = axes[np.argsort(rng.random((num_points, len(axes))), axis=1)[:, :num]]
    units = np.zeros((num_points, num, len(weights)), np.int8)
    np.put_along_axis(units, chosen[:, :, None], 1, axis=2)
    return Directions(common, order, units, np.sqrt(weights * len(axes) / num))
