"""Where the residuals were taken: collocation points by term."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import Grid, RunData
from pinn.report.style import escaped, label, new_figure, plain_axes, term_style
from pinn.report.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_UNEQUAL = 4.0
MOST_DRAWN = 4096
"""Points drawn of one term; more would only fill the picture."""


def points_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: rows of ticks in one coordinate, a plane in two, a box in three, three coordinates of four and more."""
    terms = dict(data.points())
    if not terms:
        return
    names = _names(data, next(iter(terms.values())).shape[1])
    terms = {name: points for name, points in terms.items() if points.shape[1] == len(names)}
    looks = term_style(data.terms or tuple(terms))
    shared = _shared(terms)
    colours = {", ".join(group): looks.get(group[0], ("#000000", ""))[0] for group in shared}
    terms = {", ".join(group): terms[group[0]] for group in shared}
    draw = {1: _line, 2: _plane}.get(len(names), _box)
    yield "points", draw(data, names, terms, colours)


def _shared(terms: Mapping[str, np.ndarray]) -> list[list[str]]:
    """Return the names of terms in groups with the same points, which would hide each other."""
    groups: dict[bytes, list[str]] = {}
    for name, points in terms.items():
        groups.setdefault(np.ascontiguousarray(points).tobytes(), []).append(name)
    return list(groups.values())


def _names(data: RunData, dim: int) -> list[str]:
    named = list(data.grid.names) if data.grid is not None else list(data.problem.get("coordinates") or {})
    return named if len(named) == dim else [f"coordinate {k + 1}" for k in range(dim)]


def _box_of(data: RunData, terms: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners (dim,) of the box of the grid and all points."""
    every = np.concatenate(list(terms.values()))
    if data.grid is not None and len(data.grid.names) == every.shape[1]:
        every = np.concatenate([every, np.array([[axis[0], axis[-1]] for axis in data.grid.axes.values()]).T])
    return every.min(axis=0), every.max(axis=0)


def _legend_text(name: str, points: np.ndarray) -> str:
    some = f", {count(MOST_DRAWN)} drawn" if len(points) > MOST_DRAWN else ""
    return f"{name} ({count(len(points))}{some})"


def _drawn(points: np.ndarray) -> np.ndarray:
    """Return at most as many points as can be seen, chosen at random: every second Sobol point would fill half the box."""
    if len(points) <= MOST_DRAWN:
        return points
    return points[np.random.default_rng(0).permutation(len(points))[:MOST_DRAWN]]


def _size(points: np.ndarray) -> float:
    return float(np.clip(3000 / min(len(points), MOST_DRAWN), 1.2, 14))


def _line(data: RunData, names: Sequence[str], terms: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> Figure:
    figure = new_figure(7.0, 1.1 + 0.42 * len(terms), f"{escaped(data.title)} — collocation points")
    axes = figure.subplots()
    plain_axes(axes)
    for row, (name, points) in enumerate(terms.items()):
        few = _drawn(points)[:, 0]
        thin = float(np.clip(150 / len(np.unique(few)), 0.25, 1.2))
        axes.plot(few, np.full(len(few), row), "|", color=colours[name], markersize=11, markeredgewidth=thin, clip_on=False)
    axes.set_yticks(range(len(terms)), [_legend_text(*item) for item in terms.items()])
    axes.set_ylim(len(terms) - 0.4, -0.6)
    low, high = _box_of(data, terms)
    axes.set(xlabel=label(names[0], data.units), xlim=(low[0] - 0.01 * (high - low)[0], high[0] + 0.01 * (high - low)[0]))
    return figure


def _plane(data: RunData, names: Sequence[str], terms: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> Figure:
    grid = data.grid or Grid(dict.fromkeys(names, np.zeros(1)), data.meta.get("time"))
    across, up = (1, 0) if grid.time == names[1] else (0, 1)
    low, high = _box_of(data, terms)
    spans = high - low
    to_scale = grid.time is None and 1 / MOST_UNEQUAL <= spans[up] / max(spans[across], 1e-300) <= MOST_UNEQUAL
    ratio = float(np.clip(spans[up] / spans[across], 0.25, 1.2)) if to_scale else 0.75
    layout: Any = "compressed" if to_scale else "constrained"
    figure = new_figure(7.4, 5.2 * ratio + 0.8, f"{escaped(data.title)} — collocation points", layout)
    axes = figure.subplots()
    for name, points in terms.items():
        few, text = _drawn(points), _legend_text(name, points).replace(", ", ",\n")
        axes.scatter(few[:, across], few[:, up], s=_size(points), color=colours[name], linewidths=0, label=text, clip_on=False)
    axes.set(xlabel=label(names[across], data.units), ylabel=label(names[up], data.units))
    axes.set_xlim(low[across], high[across])
    axes.set_ylim(low[up], high[up])
    if to_scale:
        axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    _legend(axes)
    return figure


def _box(data: RunData, names: Sequence[str], terms: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    others = ", ".join(names[3:]) if len(names) <= 8 else f"{len(names) - 3} more coordinates"
    left_out = f" (seen along {others})" if len(names) > 3 else ""
    figure = new_figure(7.6, 5.0, f"{escaped(data.title)} — collocation points{left_out}")
    axes: Any = figure.add_subplot(projection="3d")
    low, high = _box_of(data, terms)
    for name, points in terms.items():
        few = _drawn(points)
        inside = len(points) == max(len(other) for other in terms.values())
        axes.scatter(
            few[:, 0], few[:, 1], few[:, 2], s=_size(points) * (0.6 if inside else 1.0), color=colours[name], linewidths=0,
            alpha=0.5 if inside else 0.9, depthshade=False, label=_legend_text(name, points).replace(", ", ",\n"),
        )  # fmt: skip
    axes.set(xlabel=label(names[0], data.units), ylabel=label(names[1], data.units), zlabel=label(names[2], data.units))
    for put, axis, k in ((axes.set_xlim, axes.xaxis, 0), (axes.set_ylim, axes.yaxis, 1), (axes.set_zlim, axes.zaxis, 2)):
        put(low[k], high[k])
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_rotate_label(False)
    axes.view_init(elev=24, azim=-60)
    axes.set_box_aspect(None, zoom=1.1)
    _legend(axes, 1.14)
    return figure


def _legend(axes: Axes, beside: float = 1.02) -> None:
    legend = axes.legend(loc="center left", bbox_to_anchor=(beside, 0.5))
    handles: Any = legend.legend_handles
    for handle in handles:
        handle.set_sizes([22])
        handle.set_alpha(1.0)
