"""The classical line: error against seconds of finite differences of several orders, and where the solution stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import MARK, decades, escaped, new_figure, plain_axes, seconds_axis
from pinn.report.wording import duration, is_number, method, network_error, network_seconds, number, order_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOKS = {"order 2": ("#56B4E9", "o"), "order 4": ("#0072B2", "s"), "order 8": ("#009E73", "^"), "Chebyshev": ("#CC79A7", "D")}


def frontier_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure if classical runs were made; further down and to the left is better."""
    lines = data.metric("classical.lines", [])
    if not by_order(lines):
        return
    figure = new_figure(6.6, 4.3, f"{escaped(data.title)} — error against time, same machine")
    axes = figure.subplots()
    plain_axes(axes, log=True)
    draw_orders(axes, lines)
    _network(axes, data)
    draw_floor(axes, data.metric("classical.floor"))
    axes.set(xlabel="seconds (set-up included)", ylabel="relative L² error")
    widen(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    yield "frontier", figure


def by_order(lines: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return seconds and errors of the classical runs by solver, fastest first; runs without a number are left out."""
    orders: dict[str, list[tuple[float, float]]] = {}
    for line in lines if isinstance(lines, list) else []:
        seconds, error = (line.get("seconds"), line.get("error")) if isinstance(line, Mapping) else (None, None)
        if is_number(seconds) and is_number(error) and seconds > 0 and error > 0:
            orders.setdefault(order_name(line.get("order")), []).append((seconds, error))
    columns = {name: np.array(sorted(pairs)).T for name, pairs in orders.items()}
    return {name: (column[0], column[1]) for name, column in columns.items()}


def draw_orders(axes: Axes, lines: Any) -> None:
    """Draw the classical runs, ``classical.lines`` of metrics.json, one curve for each solver."""
    for name, (seconds, errors) in by_order(lines).items():
        colour, marker = _LOOKS.get(name, ("#7F7F7F", "v"))
        words = f"finite differences, {name}" if name.startswith("order") else name
        axes.plot(seconds, errors, marker=marker, color=colour, markersize=4.5, linewidth=1.2, label=words)


def _network(axes: Axes, data: RunData) -> None:
    known, seconds = network_error(data), network_seconds(data)
    error = known.most
    if not error or not seconds:
        return
    words = {"true": "", "estimated": "estimated "}.get(known.how, "at most ")
    axes.plot(seconds, error, "*", color=MARK, markersize=13, markeredgecolor="white", markeredgewidth=0.6, zorder=4,
              label=f"{method(data)}: {words}{number(error)} in {duration(seconds)}")  # fmt: skip
    for guide in (axes.axhline(error), axes.axvline(seconds)):
        guide.set(color=MARK, linewidth=0.7, linestyle=(0, (2, 3)), zorder=1)


def draw_floor(axes: Axes, floor: Any) -> None:
    """The error of the reference: what lies near it is known from above only, and below it nothing can be told."""
    if is_number(floor) and floor > 0:
        label = f"error of the reference, up to {number(floor)}:\nnearby points are upper bounds"
        axes.axhline(floor, color="#7F7F7F", linewidth=1.2, linestyle=(0, (6, 3)), zorder=1, label=label)


def widen(axes: Axes) -> None:
    """Leave room around the points, and show at least two decades of error."""
    limits = np.log10([axes.dataLim.min, axes.dataLim.max])
    low, high = limits[0] - 0.3, limits[1] + 0.3
    axes.set_xlim(10 ** low[0], 10 ** high[0])
    axes.set_ylim(10 ** low[1], 10 ** max(high[1], low[1] + 2))
    seconds_axis(axes)
    decades(axes)
