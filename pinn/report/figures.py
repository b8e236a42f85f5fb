"""Draws all figures of a run into its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pinn.report.animation import write_animation
from pinn.report.cover_figure import cover_figures
from pinn.report.cuts import cut_figures
from pinn.report.estimate_figure import estimate_figures
from pinn.report.folder import RunData
from pinn.report.frontier import frontier_figures
from pinn.report.history import history_figures
from pinn.report.jumps_figure import jumps_figures, windows_figures
from pinn.report.observations_figure import observation_figures, profile_figures
from pinn.report.parameter_figures import dependence_figures, members_figures, sensitivity_figures, statistics_figures
from pinn.report.points_figure import points_figures
from pinn.report.processes_figure import processes_figures
from pinn.report.residual import residual_figures
from pinn.report.settings import Report
from pinn.report.solution_figure import quantity_figures, solution_figures
from pinn.report.style import DPI, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAKERS: dict[str, Callable[[RunData], Iterator[tuple[str, Figure]]]] = {
    "solution": solution_figures, "cuts": cut_figures, "quantities": quantity_figures, "estimate": estimate_figures,
    "residual": residual_figures, "history": history_figures, "points": points_figures, "cover": cover_figures,
    "observations": observation_figures, "profile": profile_figures,
    "jumps": jumps_figures, "windows": windows_figures, "frontier": frontier_figures, "processes": processes_figures,
    "members": members_figures, "dependence": dependence_figures, "sensitivity": sensitivity_figures,
    "statistics": statistics_figures,
}  # fmt: skip
"""By kind of figure, in the order of the report."""


def make_figures(folder: str | Path, settings: Report | None = None, failed: list[str] | None = None) -> list[Path]:
    """Write ``figures/*.png`` (and ``animation.gif``) of a run and return their paths.

    A figure that cannot be drawn does not stop the others: a line saying which and why is added to ``failed``.
    """
    data, settings = RunData(Path(folder)), settings or Report()
    failed = failed if failed is not None else []
    target = data.folder / "figures"
    target.mkdir(exist_ok=True)
    written: list[Path] = []
    for kind, make in MAKERS.items():
        if kind in settings.figures:
            _collect(kind, _save(make(data), target), written, failed)
    if settings.animation:
        _collect("animation", write_animation(data, target / "animation.gif"), written, failed)
    return written


def plot(folder: str | Path) -> list[Path]:
    """Draw every kind of figure of a run again and return the paths.

    Raises
    ------
    RuntimeError : a figure could not be drawn; all others are written before.
    """
    failed: list[str] = []
    written = make_figures(folder, Report(), failed)
    if failed:
        raise RuntimeError("; ".join(failed))
    return written


def _collect(kind: str, drawn: Iterator[Path], written: list[Path], failed: list[str]) -> None:
    try:
        for path in drawn:
            written.append(path)
    except Exception as error:  # one broken figure must not cost the others, whatever broke it
        failed.append(f"figure '{kind}' could not be drawn: {type(error).__name__}: {error}")


def _save(figures: Iterator[tuple[str, Figure]], target: Path) -> Iterator[Path]:
    with styled():
        for name, figure in figures:
            path = target / f"{name}.png"
            figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.08)
            yield path
