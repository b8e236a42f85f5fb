"""Pieces: parts of the closed coordinate box, faces, rims of bodies, instants and volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.formulas.sides import NUDGE
from pinn.problem.formulas.tree import Node
from pinn.problem.shapes.surfaces import Surface


@dataclass(frozen=True)
class Piece:
    """A part of the closed coordinate box; a region is a tuple of pieces.

    Attributes
    ----------
    fixed : pinned coordinates, ``(("x", 0.0),)`` for a wall, ``(("t", 0.0),)`` for the start, ``()`` for the volume.
    outward : (space coordinate, +1 or -1), the normal of a wall or of an interface, out of the body; None elsewhere.
    cut : expanded boolean tree over coordinates; points where it is false do not belong; None keeps all.
    free : coordinates along which it extends, in the problem's order; any other coordinate does not matter here.
    is_inner : whether it is an interface, with the domain on both sides.
    surface, sign : what it is a part of where that is no face of a box, and 1 or −1 for its normals or their opposites.
    body : boolean tree that changes from true to false along the normals where the piece is a part of ``surface``.
    """

    fixed: tuple[tuple[str, float], ...] = ()
    outward: tuple[str, int] | None = None
    cut: Node | None = None
    free: tuple[str, ...] = ()
    is_inner: bool = False
    surface: Surface | None = None
    sign: int = 1
    body: Node | None = None

    @property
    def has_normals(self) -> bool:
        """Whether it is a surface in space: a wall or an interface."""
        return self.outward is not None or self.surface is not None

    @property
    def is_wall(self) -> bool:
        """Whether it belongs to the boundary of space."""
        return self.has_normals and not self.is_inner

    @property
    def is_cut(self) -> bool:
        """Whether points of it may not belong to it."""
        return self.cut is not None or self.surface is not None

    def normals(self, points: np.ndarray, coordinates: Sequence[str]) -> np.ndarray:
        """Return the unit normals at points, (points, dim); zero along time, and everywhere off walls and interfaces."""
        found = np.zeros(points.shape)
        if self.outward is not None:
            found[:, coordinates.index(self.outward[0])] = self.outward[1]
        elif self.surface is not None:
            own, at = self._on_surface(points, coordinates)
            found[:, columns_of(self.surface.names, coordinates)] = self.sign * self.surface.normals(own, at)
        return found

    def put(self, points: np.ndarray, unit: np.ndarray, coordinates: Sequence[str]) -> None:
        """Move points (points, dim) to places on the surface, made from points of the unit cube (points, surface.num_params)."""
        assert self.surface is not None
        _, at = self._on_surface(points, coordinates)
        points[:, columns_of(self.surface.names, coordinates)] = self.surface.place(unit, at)

    def _on_surface(self, points: np.ndarray, coordinates: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return of points the coordinates that the surface lies in, and those that move it."""
        assert self.surface is not None
        own, at = (points[:, columns_of(names, coordinates)] for names in (self.surface.names, self.surface.moves))
        return own, at

    def keeps(self, points: np.ndarray, coordinates: Sequence[str]) -> np.ndarray:
        """Return which ``points`` (points, dim) the cut keeps, (points,) booleans."""
        kept = holds_at(self.cut, points, coordinates)
        if self.surface is not None:
            off = NUDGE * self.surface.measure * self.normals(points, coordinates)
            kept = kept & self.surface.has(*self._on_surface(points, coordinates))
            kept = kept & holds_at(self.body, points - off, coordinates) & ~holds_at(self.body, points + off, coordinates)
        return kept


def columns_of(names: Sequence[str], coordinates: Sequence[str]) -> list[int]:
    """Return the places of some coordinates among all."""
    return [coordinates.index(name) for name in names]


def holds_at(tree: Node | None, points: np.ndarray, coordinates: Sequence[str]) -> np.ndarray:
    """Return where a boolean tree is true, (points,); everywhere without one."""
    if tree is None:
        return np.ones(len(points), bool)
    (value,) = Program([tree])(coordinate_values(points, coordinates))
    return np.broadcast_to(np.asarray(value, bool), len(points))
