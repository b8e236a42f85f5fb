"""Several runs beside each other, as a table of text and as a figure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.history import running_steps
from pinn.report.style import DPI, decades, escaped, new_figure, plain_axes, seconds_axis, styled, term_style
from pinn.report.wording import at_most, count, duration, estimates_of, network_error, network_seconds, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAD = ("run", "problem", "solver", "parameters", "rows", "seconds", "relative L2 error", "estimate", "verdict", "settings")
_RIGHT = {3, 4, 5}
_SAME = ("version", "name", "folder", "report", "threads")
"""Settings that do not tell runs apart."""
MOST_SHOWN = 4
"""Settings that are shown of one run."""


def compare(folders: Sequence[str | Path]) -> str:
    """Return one line per run.

    Problem, solver, sizes, seconds of set-up and solve, error and estimate by unknown, verdict, and the settings in which runs of
    the same problem differ.
    """
    runs = [RunData(Path(folder)) for folder in folders]
    rows = [HEAD, *map(_row, runs, names_of([run.folder for run in runs]), differences(runs))]
    shown = [k for k in range(len(HEAD)) if HEAD[k] != "settings" or any(row[k] for row in rows[1:])]
    widths = {k: max(len(row[k]) for row in rows) for k in shown}
    lines = ["  ".join(_cell(row[k], k, widths[k]) for k in shown).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths.values()), *lines[1:]])


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return short names that tell folders apart: the last part of the path, and as many before it as are needed.

    A bare number, as the runs of a sweep have it, tells nothing beside runs from elsewhere.
    """
    parts = [Path(os.path.abspath(folder)).parts for folder in folders]
    bare = len({part[:-1] for part in parts}) > 1 and any(part[-1].isdecimal() for part in parts)
    for num in range(1 + bare, max(map(len, parts), default=1)):
        names = ["/".join(part[-num:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(folder) for folder in folders]


def differences(runs: Sequence[RunData]) -> list[str]:
    """Return for every run its settings that other runs of the same problem do not share: ``seed=1, network.width=32``."""
    flat = [dict(_flat(run.config)) for run in runs]
    found = []
    for run, settings in zip(runs, flat, strict=True):
        others = [other for data, other in zip(runs, flat, strict=True) if _problem(data) == _problem(run)]
        keys = [key for key in settings if any(other.get(key) != settings[key] for other in others)]
        more = [f"and {len(keys) - MOST_SHOWN} more"] if len(keys) > MOST_SHOWN else []
        found.append(", ".join([*(f"{key}={_short(settings[key])}" for key in keys[:MOST_SHOWN]), *more]))
    return found


def _problem(data: RunData) -> tuple[str, str]:
    return str(data.config.get("name")), data.title


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 30 else f"{text[:29]}…"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if not above and key in _SAME:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def compare_figure(folders: Sequence[str | Path], path: str | Path) -> Path:
    """Draw the errors of several runs against seconds: those checked on the way as lines, the final one as a mark."""
    runs = [RunData(Path(folder)) for folder in folders]
    names = names_of([run.folder for run in runs])
    looks = term_style([str(run.folder) for run in runs])
    with styled():
        figure = new_figure(7.6, 4.3, "error against time")
        axes = figure.subplots()
        plain_axes(axes, log=True)
        for run, name, (colour, dashes) in zip(runs, names, looks.values(), strict=True):
            _draw(axes, run, name, colour, dashes)
        axes.set(xlabel="seconds (set-up and solve)", ylabel="relative L² error")
        seconds_axis(axes)
        decades(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        figure.savefig(Path(path), dpi=DPI, bbox_inches="tight", pad_inches=0.08)
    return Path(path)


def _row(data: RunData, name: str, settings: str) -> tuple[str, ...]:
    errors = {unknown: at_most(data, unknown) for unknown in data.metric("unknowns", {})}
    estimates = {unknown: number(value) for unknown, value in estimates_of(data).items()}
    state = data.status.get("state")
    return (
        name, str(data.metric("problem", "–")), str(data.metric("solver", "–")), count(data.metric("num_parameters")),
        count(data.metric("num_rows")), duration(network_seconds(data)), _by_name(errors), _by_name(estimates),
        str(data.metric("verdict", state or "–")), settings,
    )  # fmt: skip


def _by_name(values: dict[str, str]) -> str:
    if len(values) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "–"


def _cell(text: str, column: int, width: int) -> str:
    return text.rjust(width) if column in _RIGHT else text.ljust(width)


def _draw(axes: Axes, data: RunData, name: str, colour: str, dashes: str) -> None:
    error, how, _ = network_error(data)
    seconds = network_seconds(data)
    name = f"{name}{f' ({how})' if how in ('estimated', 'unsure') else ''}"
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
