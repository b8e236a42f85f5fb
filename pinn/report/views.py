"""Which two-dimensional pictures show a field on a grid of any dimension: snapshots in time, planes in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pinn.report.folder import Fields, Grid
from pinn.report.style import label
from pinn.report.wording import number

SNAPSHOTS = 4
FLAT = 0.1
"""A plane on which a field stays below this part of its largest size shows nothing; another one is chosen."""


@dataclass(frozen=True)
class View:
    """One picture of a field.

    Parameters
    ----------
    fixed : (coordinate, index) of the coordinates held.
    across, up : horizontal and vertical coordinate; ``up`` is None for a line.
    text : where this is, for a title: ``t = 0.5``; empty when nothing is held.
    common : what is held in the same place in all views of a field: ``z = 0.5``.
    """

    fixed: tuple[tuple[str, int], ...]
    across: str
    up: str | None
    text: str
    common: str = ""

    def of(self, values: np.ndarray, grid: Grid) -> np.ndarray:
        """Return the values shown, (up, across) or (across,), from a field with the grid's shape."""
        held = dict(self.fixed)
        part = values[tuple(held.get(name, slice(None)) for name in grid.names)]
        if self.up is not None and grid.names.index(self.up) > grid.names.index(self.across):
            part = part.T
        return part


def views(grid: Grid, values: np.ndarray, snapshots: int = SNAPSHOTS) -> list[View]:
    """Return the pictures that show ``values`` on the grid.

    One coordinate: the line. One space coordinate and time: one image, time across. Two space coordinates: one image, or
    ``snapshots`` of them in time. Three: three planes through the middle, or one plane at several times. More: the others held
    at the middle. A parameter has its lowest, a middle and its highest value, or lies across where there is one coordinate else.
    """
    if grid.parameters and len(grid.names) > 1:
        return _of_parameters(grid, values, snapshots)
    space = grid.space
    if len(grid.names) == 1:
        return [View((), grid.names[0], None, "")]
    if len(space) == 1 and grid.time is not None:
        return [View((), grid.time, space[0], "")]
    held = anchor(grid, values)
    if len(space) == 3 and grid.time is None:
        pairs = ((space[0], space[1]), (space[0], space[2]), (space[1], space[2]))
        return [_view(grid, {name: held[name] for name in space if name not in pair}, {}, *pair) for pair in pairs]
    plane = {name: held[name] for name in space[2:]}
    if grid.time is None:
        return [_view(grid, {}, plane, *space[:2])]
    return [_view(grid, {grid.time: k}, plane, *space[:2]) for k in time_indices(grid, snapshots)]


def _of_parameters(grid: Grid, values: np.ndarray, snapshots: int) -> list[View]:
    """Return views of a field that depends on parameters; several pictures of one member are those of a middle one."""
    plain = Grid({name: axis for name, axis in grid.axes.items() if name not in grid.parameters}, grid.time)
    if len(plain.names) + len(grid.parameters) == 2:
        return [View((), grid.parameters[0], (*plain.names, *grid.parameters[1:])[0], "")]
    held = {name: len(grid.axes[name]) // 2 for name in grid.parameters}
    inner = views(plain, values[tuple(held.get(name, slice(None)) for name in grid.names)], snapshots)
    first, last = grid.parameters[0], len(grid.axes[grid.parameters[0]]) - 1
    places = dict.fromkeys((0, held[first], last)) if len(inner) == 1 else [held[first]]
    found = []
    for index in places:
        fixed = held | {first: index}
        words = place(grid, fixed)
        for view in inner:
            text, common = (words, view.common) if len(inner) == 1 else (view.text, ", ".join(filter(None, (view.common, words))))
            found.append(View((*view.fixed, *fixed.items()), view.across, view.up, text, common))
    return found


def middle_member(grid: Grid, fields: Fields) -> tuple[Grid, Fields]:
    """Return the grid without parameters, and fields at a middle value of each."""
    held = {name: len(grid.axes[name]) // 2 for name in grid.parameters}
    where = tuple(held.get(name, slice(None)) for name in grid.names)
    plain = Grid({name: axis for name, axis in grid.axes.items() if name not in held}, grid.time)
    return plain, Fields(fields.values[where], *(None if each is None else each[where] for each in fields[1:]))


def time_indices(grid: Grid, num: int) -> list[int]:
    """Return indices of about ``num`` evenly spaced times, first and last included."""
    if grid.time is None:
        return []
    axis = grid.axes[grid.time]
    wanted = np.linspace(axis[0], axis[-1], num)
    return sorted({grid.nearest(grid.time, value) for value in wanted})


def anchor(grid: Grid, values: np.ndarray) -> dict[str, int]:
    """Return where to hold each space coordinate: its middle, or where the field is largest inside if it nearly vanishes there."""
    size = np.where(np.isfinite(values), np.abs(values), 0.0)
    inner = tuple(slice(1, -1) if len(axis) > 2 and name != grid.time else slice(None) for name, axis in grid.axes.items())
    inside = np.zeros_like(size)
    inside[inner] = size[inner]
    peak = np.unravel_index(int(inside.argmax()), size.shape)
    held = {}
    for axis, name in enumerate(grid.names):
        if name != grid.time:
            middle = grid.middle(name)
            shows = np.max(np.take(size, middle, axis=axis)) > FLAT * size.max()
            held[name] = middle if shows or size.max() == 0 else int(peak[axis])
    return held


def place(grid: Grid, fixed: dict[str, int]) -> str:
    """Return ``t = 0.5, z = 0.25`` for coordinates held at grid indices, time first."""
    names = sorted(fixed, key=lambda name: name != grid.time)
    return ", ".join(f"{label(name)} = {short(grid.axes[name][fixed[name]])}" for name in names)


def short(value: float) -> str:
    """Return a coordinate's value with at most three digits, without trailing zeros."""
    return f"{value:.3g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else number(value)


def _view(grid: Grid, own: dict[str, int], common: dict[str, int], across: str, up: str) -> View:
    return View(tuple({**own, **common}.items()), across, up, place(grid, own), place(grid, common))
