"""Scattered nodes and local polynomials through their values: derivatives anywhere among them, in any number of coordinates.

Every node has a *patch*: the polynomial of a given degree that fits the values at the nearest nodes best, those near by much more
closely than those far away (moving least squares frozen at the node). A derivative at a point is that of the patch of the node
nearest to it. The nodes need not lie in the domain or on its rim: a layer of them around it makes patches at the rim as good as
elsewhere, and nothing has to be fitted to the shape.
Sources: I. Tominec, E. Larsson, A. Heryudono (2021), A least squares radial basis function finite difference method with improved
stability properties, SIAM J. Sci. Comput. 43, A1441-A1471; I. Tominec, E. Breznik (2021), An unfitted RBF-FD method in a
least-squares setting for elliptic PDEs on complex geometries, J. Comput. Phys. 436, 110283.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import scipy.sparse as sparse
from scipy.spatial import cKDTree

from pinn.judge.refusal import NoConvergence

Array = np.ndarray
Index = tuple[int, ...]

WIDTH = 1.6
"""Nodes of a patch, in terms of its polynomial."""

DECAY = 6.0
"""Closeness falls like exp(-DECAY r/R) with the distance r from the node, R that of the farthest node of the patch."""

FLAT = 1e-7
"""Patches whose nodes lie this close to the zeros of a polynomial are left to their neighbours."""

CHUNK = 4096


class Cloud:
    """Scattered nodes with their patches.

    Parameters
    ----------
    nodes : (nodes, dim). degree : of the polynomials.

    Raises
    ------
    NoConvergence : too few nodes for one patch.
    """

    def __init__(self, nodes: Array, degree: int):
        self.nodes, self.degree = nodes, degree
        self.exponents = exponents(nodes.shape[1], degree)
        width = math.ceil(WIDTH * len(self.exponents))
        if len(nodes) < width:
            raise NoConvergence(f"{len(nodes)} nodes are too few for differences of this order")
        distances, self.neighbours = cKDTree(nodes).query(nodes, width)
        self.radius = distances[:, -1]
        self.fits = np.empty((len(nodes), len(self.exponents), width))
        sound = np.ones(len(nodes), bool)
        for start in range(0, len(nodes), CHUNK):
            part = slice(start, start + CHUNK)
            self.fits[part], sound[part] = self._fitted(part, distances[part])
        self._centres = np.flatnonzero(sound)
        if not len(self._centres):
            raise NoConvergence("the nodes lie on a curve")
        self._tree = cKDTree(nodes[self._centres])

    def _fitted(self, part: slice, distances: Array) -> tuple[Array, Array]:
        """Matrices (nodes, terms, width) from values to coefficients, and which nodes determine them."""
        radius = self.radius[part, None]
        places = (self.nodes[self.neighbours[part]] - self.nodes[part, None]) / radius[..., None]
        close = np.exp(-DECAY * distances / radius)
        basis, factor = np.linalg.qr(monomials(self.exponents, places) * close[..., None])
        pivots = np.abs(np.diagonal(factor, axis1=1, axis2=2))
        sound = pivots.min(axis=1) > FLAT * pivots.max(axis=1)
        factor[~sound] = np.eye(factor.shape[1])
        return np.linalg.solve(factor, basis.transpose(0, 2, 1)) * close[:, None], sound

    def matrix(self, index: Index, points: Array) -> sparse.csr_matrix:
        """Return the matrix (points, nodes) from values at the nodes to a derivative at points (points, dim)."""
        centres = self._centres[self._tree.query(points)[1]]
        weights = np.empty((len(points), self.fits.shape[2]))
        for start in range(0, len(points), CHUNK):
            own = centres[start : start + CHUNK]
            places = (points[start : start + CHUNK] - self.nodes[own]) / self.radius[own, None]
            terms = monomials(self.exponents, places, index) / self.radius[own, None] ** sum(index)
            weights[start : start + CHUNK] = np.matmul(terms[:, None], self.fits[own])[:, 0]
        starts = np.arange(len(points) + 1) * weights.shape[1]
        return sparse.csr_matrix((weights.ravel(), self.neighbours[centres].ravel(), starts), (len(points), len(self.nodes)))


def exponents(dim: int, degree: int) -> Array:
    """Return the exponents (terms, dim) of all monomials up to a degree."""
    return np.array([each for each in itertools.product(range(degree + 1), repeat=dim) if sum(each) <= degree])


def monomials(powers: Array, points: Array, index: Index | None = None) -> Array:
    """Return a derivative of monomials with exponents ``powers`` (terms, dim) at points (…, dim), (…, terms)."""
    found = np.ones((*points.shape[:-1], len(powers)))
    for axis in range(points.shape[-1]):
        order = 0 if index is None else index[axis]
        factor = np.prod([np.maximum(powers[:, axis] - k, 0) for k in range(order)], axis=0)
        table = points[..., axis, None] ** np.arange(powers.max() + 1)
        found *= factor * table[..., np.maximum(powers[:, axis] - order, 0)]
    return found
