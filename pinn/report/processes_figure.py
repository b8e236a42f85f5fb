"""How evenly the work was divided: seconds that each process evaluated and waited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pinn.report.folder import RunData
from pinn.report.style import OUTSIDE, SOLUTION, escaped, new_figure, plain_axes
from pinn.report.wording import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELLED = 32
"""Processes that are named and described one by one; of more only the bars are drawn."""


def processes_figures(data: RunData) -> Iterator[tuple[str, Figure]]:
    """Yield one figure: a bar for each process, of the seconds it evaluated its rows and those it waited for the others."""
    each = [one for one in data.metric("processes.each", []) if isinstance(one, Mapping)]
    if not each:
        return
    busy = np.array([one["seconds"] for one in each])
    total = np.maximum(data.metric("processes.seconds", 0.0), busy)
    ranks, described = np.arange(len(each)), len(each) <= MOST_LABELLED
    words = f"{escaped(data.title)} — {count(data.metric('processes.evaluations'))} evaluations by {len(each)} processes"
    figure = new_figure(8.6, 1.4 + (0.34 * len(each) if described else 4.0), words)
    axes = figure.subplots()
    plain_axes(axes)
    height = 0.7 if described else 1.0
    axes.barh(ranks, busy, height, color=SOLUTION, label="evaluating")
    axes.barh(ranks, total - busy, height, left=busy, color=OUTSIDE, label="waiting for others and for messages")
    axes.set(xlabel="seconds", ylabel="process", ylim=(len(each) - 0.5, -0.5), xlim=(0, float(total.max()) or 1.0))
    axes.grid(visible=False, axis="y")
    if described:
        axes.set_yticks(ranks)
        for rank, one in enumerate(each):
            axes.annotate(_owned(one), (1.01, rank), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    yield "processes", figure


def _owned(one: Mapping[str, Any]) -> str:
    words = [f"{count(one[name])} {name if one[name] != 1 else name[:-1]}" for name in ("points", "cells", "pairs")]
    return ", ".join(words)
