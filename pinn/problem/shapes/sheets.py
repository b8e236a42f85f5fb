"""Surfaces in space on which a formula vanishes: found on a grid, measured by quadrature, with points uniform in area.

The grid's cubes are cut into tetrahedra, and these by the surface, in triangles (marching tetrahedra). At their corners the
directions of the gradient are known; on faces of the box without their part across these. Over a triangle the surface is reached
from x along d, both linear between the corners, as x + h d with h by Newton's method. So neighbours meet, and from f(x + h d) = 0
follow the derivatives of h, and the area.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pinn.problem.settings import BadInput
from pinn.problem.shapes.curves import NEWTON_STEPS, OFFSETS, STILL, Level, crossing, lines

Array = np.ndarray

ON_FACE = 1e-12
"""Corners this close to a face of the box, in parts of it, lie on it."""


@dataclass(frozen=True)
class Sheet:
    """Parts of a surface over triangles.

    Attributes
    ----------
    corners, directions : of the triangles, and from where to where the surface is looked for, (triangles, 3, 3).
    order : of the quadrature along both sides of a triangle.
    """

    level: Level
    corners: Array
    directions: Array
    order: int

    @cached_property
    def _areas(self) -> Array:
        """The area over each triangle, (triangles,); what is folded counts as often outwards as inwards, once in all."""
        nodes, weights = np.polynomial.legendre.leggauss(self.order)
        nodes, weights = (nodes + 1) / 2, weights / 2
        areas = np.zeros(len(self.corners))
        for (first, a), (second, b) in itertools.product(zip(nodes, weights, strict=True), repeat=2):
            barycentric = np.broadcast_to([1 - first, first * (1 - second), first * second], (len(areas), 3))
            areas += a * b * first * self._over(np.arange(len(areas)), barycentric)[1]
        if not np.isfinite(areas).all():
            place = ", ".join(f"{value:.4g}" for value in self.corners[int(np.argmin(np.isfinite(areas))), 0])
            raise BadInput(f"the rim cannot be followed at ({place}): the formula's gradient vanishes or is not finite there")
        return areas

    @cached_property
    def _until(self) -> Array:
        """The area up to each triangle and of all, (triangles + 1,)."""
        return np.concatenate([[0.0], np.cumsum(np.maximum(self._areas, 0.0))])

    @cached_property
    def measure(self) -> float:
        """The area."""
        return float(self._areas.sum())

    def place(self, unit: Array) -> Array:
        """Return points (points, 3) for points of the unit square (points, 2), uniform in area but for the bend of a triangle."""
        if not self.measure:
            return np.full((len(unit), 3), np.nan)
        wanted = self._until[-1] * unit[:, 0]
        which = np.clip(np.searchsorted(self._until, wanted, side="right") - 1, 0, len(self.corners) - 1)
        root = np.sqrt((wanted - self._until[which]) / (self._until[which + 1] - self._until[which]))
        barycentric = np.stack([1 - root, root * (1 - unit[:, 1]), root * unit[:, 1]], axis=1)
        return self._over(which, barycentric)[0]

    def _over(self, which: Array, barycentric: Array) -> tuple[Array, Array]:
        """Return the points over places in triangles, (points, 3), and the area for a step there, negative where it is folded."""
        corners, directions = self.corners[which], self.directions[which]
        flat, along = (np.einsum("nc,ncd->nd", barycentric, each) for each in (corners, directions))
        height, size = np.zeros((len(which), 1)), np.ptp(corners, axis=1).max(initial=0.0)
        for _ in range(NEWTON_STEPS):
            values, gradients = self.level(flat + height * along)
            with np.errstate(all="ignore"):
                step = np.nan_to_num(values / _dot(gradients, along), posinf=0.0, neginf=0.0)[:, None]
            height = height - step
            if np.abs(step).max(initial=0.0) <= STILL * size:
                break
        points = flat + height * along
        _, gradients = self.level(points)
        tangents = []
        with np.errstate(all="ignore"):
            for corner in (1, 2):
                step = corners[:, corner] - corners[:, 0] + height * (directions[:, corner] - directions[:, 0])
                tangents.append(step - (_dot(gradients, step) / _dot(gradients, along))[:, None] * along)
            return points, _dot(np.cross(*tangents), gradients) / np.linalg.norm(gradients, axis=1)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", a, b))


def trace_sheet(level: Level, box: Array, grids: tuple[int, ...], order: int = 7) -> Sheet:
    """Return the surface on which a formula vanishes inside a box (3, 2).

    Parameters
    ----------
    grids : cubes along an axis; the next where the last ones overlook parts. order : of the quadrature that measures it.

    Raises
    ------
    BadInput : parts of it are too small for the grid.
    """
    for grid in grids:
        corners = _triangles(level, box, grid)
        if corners is not None:
            return Sheet(level, corners, _directions(level, box, corners.reshape(-1, 3)).reshape(corners.shape), order)
    raise BadInput(f"the rim has parts smaller than 1/{grids[-1]} of the box, which are not seen")


def _triangles(level: Level, box: Array, grid: int) -> Array | None:
    """Return the corners of triangles (triangles, 3, 3); None where the grid overlooks parts."""
    axes = [lines(low, high, grid, offset) for (low, high), offset in zip(box, OFFSETS, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = level(points)[0] < 0
    number = np.arange(len(points)).reshape([grid + 1] * 3)
    ends = (slice(None, -1), slice(1, None))
    cubes = np.stack([number[corner].reshape(-1) for corner in itertools.product(ends, repeat=3)], axis=1)
    same = (inside[cubes] == inside[cubes[:, :1]]).all(axis=1)
    if ((level(points[cubes[same]].mean(axis=1))[0] < 0) != inside[cubes[same, 0]]).any():
        return None
    cubes = cubes[~same]
    tetrahedra = np.concatenate([cubes[:, _path(order)] for order in itertools.permutations((1, 2, 4))])
    edges = _outwards(_cut(tetrahedra, inside), points)
    used, numbers = np.unique(edges[..., 0] * len(points) + edges[..., 1], return_inverse=True)
    crossings = crossing(level, points[used // len(points)], points[used % len(points)])
    corners = crossings[numbers.reshape(edges.shape[:2])]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    return np.asarray(corners[areas > 0])


def _outwards(edges: Array, points: Array) -> Array:
    """Return triangles, given by edges from inside to outside, with their corners anticlockwise as seen from outside."""
    within, without = points[edges[..., 0]], points[edges[..., 1]]
    middles = (within + without) / 2
    normals = np.cross(middles[:, 1] - middles[:, 0], middles[:, 2] - middles[:, 0])
    is_turned = _dot(normals, (without - within).mean(axis=1)) < 0
    return np.where(is_turned[:, None, None], edges[:, ::-1], edges)


def _path(order: tuple[int, ...]) -> list[int]:
    """Return the corners of a cube, as binary numbers, on a way from the first to the last: those of a tetrahedron (Kuhn)."""
    return [0, *itertools.accumulate(order)]


def _cut(tetrahedra: Array, inside: Array) -> Array:
    """Return triangles that cut the inside of tetrahedra from the outside, as edges from inside to outside, (triangles, 3, 2)."""
    order = np.argsort(~inside[tetrahedra], axis=1, kind="stable")
    sorted_corners = np.take_along_axis(tetrahedra, order, axis=1)
    count = inside[tetrahedra].sum(axis=1)
    found = []
    for number, triangles in CUTS.items():
        corners = sorted_corners[count == number]
        found += [corners[:, np.array(triangle)] for triangle in triangles]
    return np.concatenate(found)


CUTS = {
    1: [[(0, 1), (0, 2), (0, 3)]],
    2: [[(0, 2), (0, 3), (1, 3)], [(0, 2), (1, 3), (1, 2)]],
    3: [[(0, 3), (1, 3), (2, 3)]],
}
"""Edges of the triangles by how many corners of a tetrahedron are inside; these come first."""


def _directions(level: Level, box: Array, points: Array) -> Array:
    """Return the gradients' directions at points of the surface, on faces of the box without what points across these."""
    _, gradients = level(points)
    width = np.ptp(box, axis=1)
    on_face = (np.abs(points[:, :, None] - box) <= ON_FACE * width[:, None]).any(axis=2)
    within = np.where(on_face, 0.0, gradients)
    within = np.where(within.any(axis=1, keepdims=True), within, gradients)
    with np.errstate(all="ignore"):
        return np.asarray(within / np.linalg.norm(within, axis=1, keepdims=True))
