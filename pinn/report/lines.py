"""Line plots: solutions above, their errors below on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.style import ESTIMATE, REFERENCE, decades, error_label, error_limits, label, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUM_DOTS = 30
WIDE = 2.6
"""Width of a line on which the dashes of its reference lie; both are seen where they agree."""

BAND, BAND_WORDS = 1.96, "95 % band"
"""Standard errors to either side of a line, and what that is called."""

DOTS: Any = {"markersize": 4}


@dataclass(frozen=True)
class Line:
    """Values along one line, all (points,); what is not known is None."""

    text: str
    colour: Any
    values: np.ndarray
    reference: np.ndarray | None = None
    error: np.ndarray | None = None
    estimate: np.ndarray | None = None
    spread: np.ndarray | None = None


@dataclass(frozen=True)
class Bundle:
    """Lines along one coordinate, drawn into the same panel."""

    coordinate: str
    along: np.ndarray
    lines: Sequence[Line]
    title: str = ""


def stack(
    bundles: Sequence[Bundle], unknown: str, units: Mapping[str, str], title: str, dots: bool, reference: str = "reference"
) -> Figure:
    """Draw every bundle as a column: solutions above, |error| below if any is known.

    ``dots`` marks the reference by dots on the lines, else by a dashed line. All columns share their vertical scales.
    """
    below = any(known(line) for bundle in bundles for line in bundle.lines)
    num = len(bundles)
    figure = new_figure(min(2.0 + 3.6 * num, 11.5) if num > 1 else 6.4, 5.2 if below else 3.4, title)
    heights = (1.5, 1) if below else (1,)
    panels = figure.subplots(len(heights), num, squeeze=False, sharex="col", sharey="row", height_ratios=heights)
    for column, bundle in zip(panels.T, bundles, strict=True):
        _solutions(column[0], bundle, dots, reference)
        if below:
            _errors(column[1], bundle)
        column[-1].set_xlabel(label(bundle.coordinate, units))
        column[0].set_title(bundle.title)
    panels[0, 0].set_ylabel(label(unknown, units))
    if below:
        _name_errors(panels[1, -1])
        _limit_errors(panels[1, 0], bundles, unknown, units)
    _legend(panels[0, -1], many=any(len(bundle.lines) > 1 for bundle in bundles))
    return figure


def known(line: Line) -> bool:
    """Tell whether anything is known about the error of a line."""
    return line.error is not None or line.estimate is not None


def _solutions(axes: Axes, bundle: Bundle, dots: bool, reference: str) -> None:
    plain_axes(axes)
    for k, line in enumerate(bundle.lines):
        below = line.reference is not None and not dots
        axes.plot(bundle.along, line.values, color=line.colour, label=line.text, linewidth=WIDE if below else None)
        if line.spread is not None:
            low, high = (line.values + sign * BAND * line.spread for sign in (-1, 1))
            axes.fill_between(bundle.along, low, high, color=line.colour, alpha=0.2, linewidth=0, label=None if k else BAND_WORDS)
        if line.reference is None:
            continue
        name = reference if k == len(bundle.lines) - 1 else None
        if dots:
            _dots(axes, bundle.along, line, name)
        else:
            axes.plot(
                bundle.along, line.reference, _marks(line.reference, "--"), color=REFERENCE, linewidth=1.2, label=name, **DOTS
            )
    axes.set_xlim(bundle.along[0], bundle.along[-1])


def _marks(values: np.ndarray, line: str) -> str:
    """Return how to draw values: as a line, or as dots where most of them are not known."""
    return "o" if 2 * np.isfinite(values).sum() < len(values) else line


def _dots(axes: Axes, along: np.ndarray, line: Line, name: str | None) -> None:
    """Mark the reference by dots in the colour of its line, named in the legend by a black one."""
    few = np.unique(np.linspace(0, len(along) - 1, NUM_DOTS).round().astype(int))
    if line.reference is not None:
        (marks,) = axes.plot(along[few], line.reference[few], "o", color=line.colour, markersize=3.2, zorder=3)
        marks.set(markeredgecolor=REFERENCE, markeredgewidth=0.5)
    if name:
        axes.plot([], [], "o", color=REFERENCE, markersize=3.2, label=name)


def _errors(axes: Axes, bundle: Bundle) -> None:
    plain_axes(axes, log=True)
    several = len(bundle.lines) > 1
    for line in bundle.lines:
        if line.error is not None:
            marks, name = _marks(line.error, "-"), None if several else "true"
            axes.plot(bundle.along, _positive(line.error), marks, color=line.colour, linewidth=1.2, label=name, **DOTS)
        if line.estimate is not None and not (several and line.error is not None):
            colour, name = (line.colour, None) if several else (ESTIMATE, "estimated")
            axes.plot(bundle.along, _positive(line.estimate), ":", color=colour, linewidth=1.6, label=name)


def _name_errors(axes: Axes) -> None:
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="upper right", ncols=2)


def _positive(values: np.ndarray) -> np.ndarray:
    size = np.abs(values)
    return np.where(size > 0, size, np.nan)


def _limit_errors(axes: Axes, bundles: Sequence[Bundle], name: str, units: Mapping[str, str]) -> None:
    lines = [line for bundle in bundles for line in bundle.lines]
    low, high = error_limits(*(line.error if line.error is not None else line.estimate for line in lines))
    axes.set_ylim(low / 2, high * 3)
    decades(axes)
    axes.set_ylabel(error_label(name, units, estimated=all(line.error is None for line in lines)))


def _legend(axes: Axes, many: bool) -> None:
    handles, texts = axes.get_legend_handles_labels()
    if len(texts) > 1 or any(texts):
        axes.legend(handles, texts, **({"loc": "center left", "bbox_to_anchor": (1.01, 0.5)} if many else {"loc": "best"}))
