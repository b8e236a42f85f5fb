"""What bodies end at: planes, balls, ellipses, polygons and rims of formulas in a plane, and where these meet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from pinn.problem.formulas.calculus import names as names_of
from pinn.problem.formulas.tree import Node
from pinn.problem.settings import BadInput
from pinn.problem.shapes.level_sets import LevelSet
from pinn.problem.shapes.outlines import Outline
from pinn.problem.shapes.pieces import holds_at
from pinn.problem.shapes.surfaces import STILL, Ellipse, Segment, Sphere, Surface

Array = np.ndarray

Keep = Callable[[Array], Array]
"""Tells which points (points, names) belong to a part, (points,) booleans."""

NUM_SAMPLES = 4096
"""Points of a rim at which it is looked on which side of the others it lies."""

HALVINGS = 60
"""Of an interval in which a rim crosses another."""


@dataclass(frozen=True)
class Quadric:
    """A ball or an ellipse whose axes are those of the coordinates: Σ ((x − center) / radii)² = 1 over some coordinates."""

    surface: Surface
    center: Mapping[str, float]
    radii: Mapping[str, float]

    def extremes(self, name: str, known: Mapping[str, Array | float]) -> list[Array]:
        """Return the lowest and the highest value of a coordinate on it where some others are known; nan where it is not met."""
        if name not in self.center:
            return []
        rest = 1.0 - sum(
            ((value - self.center[each]) / self.radii[each]) ** 2 for each, value in known.items() if each in self.center
        )
        half = self.radii[name] * np.sqrt(np.where(np.asarray(rest) < 0, np.nan, rest))
        return [self.center[name] - half, self.center[name] + half]


@dataclass(frozen=True)
class Geometry:
    """What a part may end at.

    Attributes
    ----------
    names : of the space coordinates. box : their ranges. planes : coordinate and value.
    rims : a comparison for each body, and the surfaces it stands for.
    """

    names: tuple[str, ...]
    box: tuple[tuple[float, float], ...]
    planes: tuple[tuple[str, float], ...] = ()
    rims: tuple[tuple[Node, tuple[Surface, ...]], ...] = ()

    def range(self, name: str) -> tuple[float, float]:
        """Return the range of a coordinate."""
        return self.box[self.names.index(name)]

    def values(self, name: str) -> list[float]:
        """Return the values of a coordinate that are planes, faces of the box included."""
        return sorted({*self.range(name), *(value for other, value in self.planes if other == name)})

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """All surfaces that are no planes."""
        return tuple(dict.fromkeys(surface for _, several in self.rims for surface in several))

    @cached_property
    def quadrics(self) -> tuple[Quadric, ...]:
        """Balls and ellipses."""
        return tuple(found for surface in self.surfaces if (found := quadric(surface)) is not None)

    @cached_property
    def outlines(self) -> tuple[Outline, ...]:
        """Rims of formulas."""
        return tuple(Outline(surface) for surface in self.surfaces if isinstance(surface, LevelSet))

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Edges of polygons."""
        return tuple(surface for surface in self.surfaces if isinstance(surface, Segment))

    @cached_property
    def meeting(self) -> tuple[tuple[int, int], ...]:
        """Pairs of numbers of balls over the same coordinates that meet."""
        found = []
        for (i, one), (j, two) in itertools.combinations(enumerate(self.quadrics), 2):
            if isinstance(one.surface, Sphere) and isinstance(two.surface, Sphere) and one.center.keys() == two.center.keys():
                away = np.sqrt(sum((one.center[name] - two.center[name]) ** 2 for name in one.center))
                if abs(one.surface.radius - two.surface.radius) < away < one.surface.radius + two.surface.radius:
                    found.append((i, j))
        return tuple(found)

    @cached_property
    def corners(self) -> tuple[tuple[tuple[str, ...], Array], ...]:
        """Where ellipses and edges meet other bodies and planes, and where edges end: their names and points (points, 2)."""
        found: list[tuple[tuple[str, ...], Array]] = []
        for surface in self.surfaces:
            if len(surface.names) == 2 and not isinstance(surface, Sphere):
                breaks = crossings(self, surface)
                found.append((surface.names, surface.place(breaks[:, None], STILL)))
            if isinstance(surface, Segment):
                found.append((surface.names, np.array([surface.start, surface.end])))
        found += [(outline.names, outline.ends) for outline in self.outlines]
        return tuple(found)

    def refuse_strange(self) -> None:
        """Raise `BadInput` where surfaces meet whose common points are not known in closed form."""
        for comparison, several in self.rims:
            for surface in several:
                if quadric(surface) is None and not isinstance(surface, Segment) and not _is_outline(surface):
                    raise BadInput(f"an integral over a body that ends along '{comparison}' is not supported yet")
        for one, (comparison, several) in itertools.product(self.surfaces, self.rims):
            together = {name for other in several for name in (*one.names, *other.names)}
            alike = all(isinstance(other, Sphere) and set(other.names) == set(one.names) for other in (one, *several))
            shared = any(set(one.names) & set(other.names) for other in several)
            if one not in several and len(together) > 2 and shared and not alike and self._meets(one, comparison):
                raise BadInput("an integral where a ball and a cylinder, or ellipsoids, cross is not supported yet")

    def _meets(self, surface: Surface, comparison: Node) -> bool:
        """Whether a surface lies on both sides of a comparison, by random points."""
        random = np.random.default_rng(0)
        low, high = np.array(self.box).T
        points = low + (high - low) * random.random((NUM_SAMPLES, len(self.names)))
        columns = [self.names.index(name) for name in surface.names]
        points[:, columns] = surface.place(random.random((NUM_SAMPLES, surface.num_params)), STILL)
        points = points[((points >= low) & (points <= high)).all(axis=1)]
        inside = holds_at(comparison, points, self.names)
        return bool(inside.any() and not inside.all())


def _is_outline(surface: Surface) -> bool:
    """Whether a surface is the rim of a formula of two coordinates."""
    return isinstance(surface, LevelSet) and len(surface.names) == 2 and not surface.moves


def quadric(surface: Surface) -> Quadric | None:
    """Return a ball or an ellipse in one form, None for another surface."""
    if isinstance(surface, Sphere):
        return Quadric(
            surface, dict(zip(surface.names, surface.center, strict=True)), dict.fromkeys(surface.names, float(surface.radius))
        )
    if isinstance(surface, Ellipse):
        center, radii = (dict(zip(surface.names, values, strict=True)) for values in (surface.center, surface.radii))
        return Quadric(surface, center, radii)
    return None


def _is_above(column: int, value: float, points: Array) -> Array:
    return points[:, column] > value


def _is_left_of(edge: Segment, points: Array) -> Array:
    (x, y), (a, b) = (points - edge.start).T, np.array(edge.end) - edge.start
    return np.asarray(a * y > b * x)


def crossings(geometry: Geometry, surface: Surface) -> Array:
    """Return the numbers in 0 … 1 at which a curve in a plane goes in or out of another body or through a plane, ascending."""
    names = surface.names
    tests: list[Keep] = []
    for tree, several in geometry.rims:
        if surface not in several and names_of(tree) <= set(names):
            edges = [partial(_is_left_of, other) for other in several if isinstance(other, Segment) and other.names == names]
            tests += edges or [partial(holds_at, tree, coordinates=names)]
    for column, name in enumerate(names):
        tests += [partial(_is_above, column, value) for value in geometry.values(name)]
    is_open = isinstance(surface, (Segment, LevelSet))
    unit = np.linspace(0, 1, NUM_SAMPLES) if is_open else (np.arange(NUM_SAMPLES + 1) - 0.5) / NUM_SAMPLES
    found: list[Array] = []
    for test in tests:
        values = test(surface.place(unit[:, None], STILL))
        at = np.flatnonzero(values[1:] != values[:-1])
        low, high = unit[at], unit[at + 1]
        for _ in range(HALVINGS if len(at) else 0):
            middle = (low + high) / 2
            same = test(surface.place(middle[:, None], STILL)) == values[at]
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        found.append((low + high) / 2 % 1.0)
    return np.unique(np.concatenate(found)) if found else np.zeros(0)
