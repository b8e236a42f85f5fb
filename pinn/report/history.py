"""How the solve went, step by step or round by round: loss by term, checked errors, stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import MARK, REFERENCE, decades, escaped, new_figure, plain_axes, term_style
from pinn.report.wording import duration, is_trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LETTERS = 90
"""Letters of the smallest size across the panel."""


def history_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: mean squares of the residual by term and the loss, below it the errors that were checked.

    A run checks against the exact solution where there is one, else it estimates the error.
    """
    from matplotlib.ticker import MaxNLocator

    history = data.history
    if "step" not in history or "loss" not in history:
        return
    steps = running_steps(history["step"])
    error = history.get("error", np.full(len(steps), np.nan))
    checked = np.isfinite(error) & (error > 0)
    figure = new_figure(8.6, 5.2 if checked.any() else 3.9, f"{escaped(data.title)} — {_what(data)}")
    heights = (2, 1) if checked.any() else (1,)
    panels = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True, squeeze=False)[:, 0]
    _losses(panels[0], steps, history, data)
    if checked.any():
        exact = data.metric("reference.kind", "exact") == "exact"
        _error(panels[1], steps[checked], error[checked], "relative L² error" if exact else "estimated L² error")
    _stages(panels, steps, history.get("stage"))
    panels[-1].set_xlabel("step" if is_trained(data) else "round")
    panels[-1].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    panels[-1].set_xlim(steps[0], max(steps[-1], steps[0] + 1))
    _clock(panels[0], data.timing)
    yield "history", figure


def _what(data: RunData) -> str:
    return "training" if is_trained(data) else "rounds of refinement"


def running_steps(steps: np.ndarray) -> np.ndarray:
    """Return steps that never fall back, should they be counted anew in every stage."""
    falls = np.concatenate([[0.0], np.where(np.diff(steps) < 0, steps[:-1], 0.0)])
    return steps + np.cumsum(falls)


def _losses(axes: Axes, steps: np.ndarray, history: Mapping[str, np.ndarray], data: RunData) -> None:
    plain_axes(axes, log=True)
    one = "." if len(steps) == 1 else ""
    for name, (colour, dashes) in term_style(data.terms).items():
        if name in history:
            axes.plot(steps, _positive(history[name]), dashes, marker=one, color=colour, linewidth=1.0, label=name)
    axes.plot(steps, _positive(history["loss"]), marker=one, color=REFERENCE, linewidth=1.4, label="loss (weighted sum)", zorder=3)
    axes.set_ylabel("mean square of residual")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.08)
    decades(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def _error(axes: Axes, steps: np.ndarray, error: np.ndarray, words: str) -> None:
    plain_axes(axes, log=True)
    axes.plot(steps, error, "o-", color=MARK, markersize=3, linewidth=0.9, clip_on=False)
    if error.max() / error.min() < 100:
        middle = np.sqrt(error.max() * error.min())
        axes.set_ylim(min(middle / 10, error.min() / 1.5), max(middle * 10, error.max() * 1.5))
    decades(axes)
    axes.set_ylabel(words)


def _stages(panels: np.ndarray, steps: np.ndarray, stages: np.ndarray | None) -> None:
    """Mark where a stage begins, with its name inside the upper panel."""
    if stages is None or len(stages) < 2:
        return
    starts = [0, *(np.flatnonzero(stages[1:] != stages[:-1]) + 1).tolist()]
    if len(starts) < 2:
        return
    rows = _rows(steps, [(steps[k], str(stages[k])) for k in starts])
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low, high * (high / low) ** (0.06 * max(rows)))
    for start, row in zip(starts, rows, strict=True):
        if start:
            for axes in panels:
                axes.axvline(steps[start], color="#555555", linewidth=0.8, linestyle=(0, (4, 3)))
        panels[0].annotate(
            str(stages[start]), (steps[start], 1.0), xycoords=("data", "axes fraction"), xytext=(4, -4 - 11 * row),
            textcoords="offset points", va="top", ha="left", fontsize=8, color="#333333",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _rows(steps: np.ndarray, labels: list[tuple[float, str]]) -> list[int]:
    """Return the line of text on which each label (step, words) stands: below those that reach over its place."""
    letter = float(steps[-1] - steps[0]) / LETTERS
    ends: list[float] = []
    found = []
    for step, words in labels:
        row = next((k for k, end in enumerate(ends) if step >= end), len(ends))
        ends[row:] = [step + (len(words) + 2) * letter, *ends[row + 1 :]]
        found.append(row)
    return found


def _clock(axes: Axes, timing: Mapping[str, np.ndarray]) -> None:
    """Write the seconds above the steps, where the run logged them."""
    steps, seconds = timing.get("step"), timing.get("seconds")
    if steps is None or seconds is None or len(steps) < 2:
        return
    low, high = axes.get_xlim()
    steps = running_steps(steps)
    marks = [mark for mark in axes.get_xticks() if low <= mark <= high and steps[0] <= mark <= steps[-1]]
    if not marks:
        return
    above = axes.secondary_xaxis("top")
    above.set_xticks(marks, [duration(float(np.interp(mark, steps, seconds))) for mark in marks])
    above.tick_params(length=2, labelsize=7, colors="#555555")
    above.spines["top"].set_visible(False)


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)
