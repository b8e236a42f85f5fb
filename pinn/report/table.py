"""Several runs beside each other, as a table of text and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pinn.report.folder import RunData
from pinn.report.history import running_steps
from pinn.report.style import DPI, decades, escaped, new_figure, plain_axes, seconds_axis, styled, term_style
from pinn.report.wording import count, duration, estimates_of, network_error, network_seconds, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAD = ("run", "problem", "solver", "parameters", "rows", "seconds", "relative L2 error", "estimate", "verdict")
_RIGHT = {3, 4, 5}


def compare(folders: Sequence[str | Path]) -> str:
    """Return one line per run: problem, solver, sizes, seconds of set-up and solve, error and estimate by unknown, verdict."""
    rows = [HEAD, *(_row(RunData(Path(folder))) for folder in folders)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = ["  ".join(_cell(text, k, widths[k]) for k, text in enumerate(row)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def compare_figure(folders: Sequence[str | Path], path: str | Path) -> Path:
    """Draw the errors of several runs against seconds: those checked on the way as lines, the final one as a mark."""
    runs = [RunData(Path(folder)) for folder in folders]
    looks = term_style([str(run.folder) for run in runs])
    with styled():
        figure = new_figure(7.6, 4.3, "error against time")
        axes = figure.subplots()
        plain_axes(axes, log=True)
        for run, (colour, dashes) in zip(runs, looks.values(), strict=True):
            _draw(axes, run, colour, dashes)
        axes.set(xlabel="seconds (set-up and solve)", ylabel="relative L² error")
        seconds_axis(axes)
        decades(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.savefig(Path(path), dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    return Path(path)


def _row(data: RunData) -> tuple[str, ...]:
    errors = {name: entry.get("relative_l2") for name, entry in data.metric("unknowns", {}).items()}
    state = data.status.get("state")
    return (
        data.folder.name, str(data.metric("problem", "–")), str(data.metric("solver", "–")), count(data.metric("num_parameters")),
        count(data.metric("num_rows")), duration(network_seconds(data)), _by_name(errors), _by_name(estimates_of(data)),
        str(data.metric("verdict", state or "–")),
    )  # fmt: skip


def _by_name(values: dict) -> str:
    if len(values) == 1:
        return number(next(iter(values.values())))
    return ", ".join(f"{name} {number(value)}" for name, value in values.items()) or "–"


def _cell(text: str, column: int, width: int) -> str:
    return text.rjust(width) if column in _RIGHT else text.ljust(width)


def _draw(axes: Axes, data: RunData, colour: str, dashes: str) -> None:
    error, how, _ = network_error(data)
    seconds = network_seconds(data)
    name = f"{data.folder.name}{f' ({how})' if how in ('estimated', 'unsure') else ''}"
    history, timing = data.history, data.timing
    if "error" in history and len(timing.get("step", ())) > 1:
        solving = np.interp(running_steps(history["step"]), running_steps(timing["step"]), timing["seconds"])
        when = solving + data.metric("seconds.setup", 0.0)
        known = np.isfinite(history["error"]) & (history["error"] > 0) & (when > 0)
        axes.plot(when[known], history["error"][known], dashes, color=colour, linewidth=1.1)
    if error and seconds:
        (star,) = axes.plot(seconds, error, "*", color=colour, label=escaped(name))
        star.set(markersize=12, markeredgecolor="white", markeredgewidth=0.6)
    else:
        axes.plot([], [], dashes, color=colour, label=f"{escaped(name)} (error not known)")
