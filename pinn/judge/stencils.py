"""Difference matrices on any nodes: Fornberg weights, symmetric inside, one-sided at walls, wrapped on periodic axes.

The same matrix interpolates (derivative 0), differentiates at points off the nodes, and with ``accuracy=None`` uses all nodes
at once, which on Chebyshev nodes is spectral collocation.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse

Array = np.ndarray


def fornberg(at: Array, nodes: Array, derivative: int) -> Array:
    """Return the weights (points, width) of a derivative at ``at`` (points,) from values on ``nodes`` (points, width).

    Vectorised over the points. Source: B. Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced
    grids, Math. Comp. 51, 699-706, doi:10.1090/S0025-5718-1988-0935077-0.
    """
    num_points, width = nodes.shape
    weights = np.zeros((derivative + 1, num_points, width))
    weights[0, :, 0] = 1.0
    span, here = np.ones(num_points), nodes[:, 0] - at
    for i in range(1, width):
        new_span, before, here = np.ones(num_points), here, nodes[:, i] - at
        top = min(i, derivative)
        for j in range(i):
            gap = nodes[:, i] - nodes[:, j]
            new_span = new_span * gap
            if j == i - 1:
                for k in range(top, -1, -1):
                    lower = k * weights[k - 1, :, i - 1] if k else 0.0
                    weights[k, :, i] = span * (lower - before * weights[k, :, i - 1]) / new_span
            for k in range(top, -1, -1):
                lower = k * weights[k - 1, :, j] if k else 0.0
                weights[k, :, j] = (here * weights[k, :, j] - lower) / gap
        span = new_span
    return weights[derivative]


def difference_matrix(
    nodes: Array, derivative: int, accuracy: int | None, *, at: Array | None = None, period: float | None = None
) -> sparse.csr_matrix:
    """Return the matrix (points, nodes) from values on rising ``nodes`` to a derivative at the points ``at`` (default: the nodes).

    Parameters
    ----------
    derivative : 0 interpolates (and beyond the last node extrapolates).
    accuracy : order of the error on smoothly spaced nodes; None uses all nodes for every point.
    period : length of a periodic axis; ``nodes`` then hold the first end only and stencils wrap.

    Symmetric stencils of ``accuracy + 2 floor((derivative + 1)/2) - 1`` points at nodes, ``accuracy + derivative`` points
    off the nodes and at walls, never more than there are nodes.
    """
    at = nodes if at is None else np.asarray(at, dtype=float)
    if period is not None:
        at = nodes[0] + np.mod(at - nodes[0], period)
    start, width = _windows(nodes, derivative, accuracy, at, period)
    rows, columns, values = [], [], []
    for size in np.unique(width):
        chosen = np.flatnonzero(width == size)
        window = start[chosen][:, None] + np.arange(size)
        turns = np.floor_divide(window, len(nodes))
        places = nodes[window - turns * len(nodes)] + turns * (period or 0.0)
        rows.append(np.repeat(chosen, size))
        columns.append((window - turns * len(nodes)).ravel())
        values.append(fornberg(at[chosen], places, derivative).ravel())
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(entries, shape=(len(at), len(nodes)))


def _windows(nodes: Array, derivative: int, accuracy: int | None, at: Array, period: float | None) -> tuple[Array, Array]:
    """First node and width of the stencil of every point."""
    count, span = len(nodes), nodes[-1] - nodes[0] if len(nodes) > 1 else 1.0
    if accuracy is None:
        return np.zeros(len(at), int), np.full(len(at), count)
    cell = np.searchsorted(nodes, at + 1e-9 * span, "right") - 1
    on_node = np.abs(nodes[np.maximum(cell, 0)] - at) < 1e-8 * span
    symmetric = 1 if derivative == 0 else 2 * ((derivative + 1) // 2) - 1 + accuracy
    width = np.where(on_node, symmetric, accuracy + derivative)
    start = np.where(on_node, cell - (width - 1) // 2, cell - width // 2 + 1)
    if period is not None:
        if count < width.max():
            raise ValueError(f"a periodic axis needs at least {width.max()} nodes for this order, got {count}")
        return start, width
    outside = (start < 0) | (start + width > count)
    width = np.where(outside, min(derivative + accuracy, count), width)
    return np.where(outside, np.clip(cell - (width - 1) // 2, 0, count - width), start), width


def interpolation_weights(nodes: Array, at: Array, width: int, period: float | None = None) -> tuple[Array, Array]:
    """Return node numbers and weights, (points, width) each, of polynomial interpolation at scattered points ``at`` (points,)."""
    if period is not None:
        at = nodes[0] + np.mod(at - nodes[0], period)
    width = min(width, len(nodes))
    cell = np.clip(np.searchsorted(nodes, at, "right") - 1, 0, len(nodes) - 1)
    start = cell - width // 2 + 1
    if period is None:
        start = np.clip(start, 0, len(nodes) - width)
    window = start[:, None] + np.arange(width)
    turns = np.floor_divide(window, len(nodes))
    numbers = window - turns * len(nodes)
    return numbers, fornberg(at, nodes[numbers] + turns * (period or 0.0), 0)


def chebyshev_nodes(cells: int, low: float, high: float) -> Array:
    """Return the extreme points (cells + 1,) of a Chebyshev polynomial, rising from ``low`` to ``high``."""
    nodes = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.pi * np.arange(cells + 1) / cells)
    nodes[0], nodes[-1] = low, high
    return nodes


def gauss_rule(edges: Array, points: int) -> tuple[Array, Array]:
    """Return nodes and weights of Gauss-Legendre quadrature with ``points`` per cell between rising ``edges``.

    Exact for polynomials up to degree 2 ``points`` - 1.
    """
    place, weight = np.polynomial.legendre.leggauss(points)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + place)).ravel(), (half * weight).ravel()
