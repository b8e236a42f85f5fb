"""Pictures and page of a solve in cells: it is no training, has no network and no points, and says how it ended."""

import html
import json
import re

import numpy as np
import pytest
from report_runs import build_run

from pinn.report.cover_figure import FINE, cover_figures
from pinn.report.figures import make_figures
from pinn.report.folder import RunData
from pinn.report.history import history_figures
from pinn.report.page import write_page
from pinn.report.points_figure import points_figures
from pinn.report.settings import Report
from pinn.report.style import styled
from pinn.report.wording import classical_sentences, method

CHOSEN = "solver=least_squares: 2 coordinates, order 2, linear, so that each cover takes one solve"
CELLS = {"slabs": 3, "in_all": 1198, "at_once": 700}


def halves(*counts):
    """Boxes (cells, dim, 2) of the unit cube cut into so many equal parts along each coordinate."""
    edges = [np.stack([np.arange(n) / n, np.arange(1, n + 1) / n], axis=1) for n in counts]
    places = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, len(counts))
    return np.stack([edges[axis][places[:, axis]] for axis in range(len(counts))], axis=1)


def in_cells(folder, kind, boxes, chosen=CHOSEN, **changes):
    """Return a run with cells in place of points."""
    changes = {
        "solver": "least_squares",
        "cells": CELLS,
        "remarks": [],
        "reason": "every cell resolves the solution to 1e-11",
        **changes,
    }
    build_run(folder, kind, size=9, **changes)
    with np.load(folder / "diagnostics.npz") as stored:
        kept = {name: array for name, array in stored.items() if not name.startswith("points.")}
    np.savez(folder / "diagnostics.npz", cells=boxes, **kept)
    config = json.loads((folder / "config.yaml").read_text()) | {"chosen": chosen, "solver": {"_target_": "pinn.CellLeastSquares"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    return folder


def drawn(folder):
    """Return title, polygons, colours, and axes of the picture of the cells."""
    with styled():
        ((name, figure),) = cover_figures(RunData(folder))
        (axes,) = figure.axes
        (cells,) = axes.collections
        corners = [path.vertices[:4] for path in cells.get_paths()]
        assert name == "cover"
        return figure.get_suptitle(), np.array(corners), cells.get_facecolors(), axes


def page_text(folder):
    text = re.sub(
        r"(?s)<style>.*?</style>|<details>.*?</details>|src=\"[^\"]*\"", "", write_page(folder).read_text(encoding="utf-8")
    )
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_cells_on_a_line_are_drawn_as_a_strip(tmp_path):
    title, corners, _, axes = drawn(in_cells(tmp_path / "run", "ode", halves(4)))
    assert title == "Damped oscillator — 4 cells"
    np.testing.assert_array_equal(corners[:, :, 0].min(axis=1), [0, 0.25, 0.5, 0.75])
    assert axes.get_xlabel() == "$\\mathit{t}$" and axes.get_ylabel() == "" and len(axes.get_yticks()) == 0


def test_time_runs_across(tmp_path):
    title, corners, _, axes = drawn(in_cells(tmp_path / "run", "heat", halves(4, 2)))
    assert title == "Heat conduction in a rod — 8 cells"
    assert axes.get_xlabel().startswith("$\\mathit{t}$") and axes.get_ylabel().startswith("$\\mathit{x}$")
    widths, heights = np.ptp(corners[:, :, 0], axis=1), np.ptp(corners[:, :, 1], axis=1)
    assert set(widths) == {0.5} and set(heights) == {0.25}


def test_space_is_drawn_to_scale_and_small_cells_are_darker(tmp_path):
    wide = halves(2, 1) * np.array([2.0, 1.0])[:, None]
    boxes = np.concatenate([wide[:1], halves(4, 4) + [[1.0], [0.0]]])
    _, corners, colours, axes = drawn(in_cells(tmp_path / "run", "poisson", boxes))
    assert axes.get_aspect() == 1.0 and axes.get_xlim() == (0, 2) and axes.get_ylim() == (0, 1)
    np.testing.assert_array_equal(corners[0], [[0, 0], [1, 0], [1, 1], [0, 1]])
    assert (colours[1:, 0] < colours[0, 0]).all()
    one_half = drawn(in_cells(tmp_path / "half", "poisson", np.concatenate([wide[:1], halves(1, 2) + [[1.0], [0.0]]])))[2]
    assert np.abs(one_half[1] - one_half[0]).max() < 0.5 * np.abs(colours[1] - colours[0]).max()
    assert FINE > 16


@pytest.mark.parametrize("kind, boxes, title, num", [
    ("heat_2d", halves(2, 2, 4) * np.array([2.0, 2.0, 0.5])[:, None] - np.array([1.0, 1.0, 0.0])[:, None],
     "Cooling of a plate — 16 cells, 4 at $\\mathit{t}$ = 0.5", 4),
    ("heat_2d", halves(3, 2, 1), "Cooling of a plate — 6 cells", 6),
    ("poisson_3d", halves(2, 3, 2) * np.array([1.0, 1.0, 0.5])[:, None],
     "Poisson's equation in a box — 12 cells, 6 at $\\mathit{z}$ = 0.25", 6),
    ("heat_3d", halves(2, 1, 2, 2), "Heat in a cube — 8 cells, 2 at $\\mathit{z}$ = 0.5, $\\mathit{t}$ = 1", 2),
])  # fmt: skip
def test_of_more_coordinates_a_plane_is_drawn_and_the_title_says_where(tmp_path, kind, boxes, title, num):
    found, corners, _, axes = drawn(in_cells(tmp_path / "run", kind, boxes))
    assert (found.replace("\n", " — "), len(corners)) == (title, num)
    assert axes.get_xlabel() == "$\\mathit{x}$" and axes.get_ylabel() == "$\\mathit{y}$"
    area = np.ptp(corners[:, :, 0], axis=1) @ np.ptp(corners[:, :, 1], axis=1)
    assert area == pytest.approx(np.ptp(corners[..., 0]) * np.ptp(corners[..., 1]))


def test_cells_and_points_exclude_one_another(tmp_path):
    cells, trained = (
        RunData(in_cells(tmp_path / "cells", "heat", halves(2, 2))),
        RunData(build_run(tmp_path / "points", "heat", size=9)),
    )
    with styled():
        assert [len(list(figures(cells))) for figures in (cover_figures, points_figures)] == [1, 0]
        assert [len(list(figures(trained))) for figures in (cover_figures, points_figures)] == [0, 1]


def test_rounds_are_not_called_training(tmp_path):
    said = {}
    for name, folder in (
        ("cells", in_cells(tmp_path / "a", "heat", halves(2, 2))),
        ("trained", build_run(tmp_path / "b", "heat", size=9)),
    ):
        with styled():
            ((_, figure),) = history_figures(RunData(folder))
            said[name] = (
                figure.get_suptitle().split("— ")[-1].split("\n")[-1],
                figure.axes[-2].get_xlabel() or figure.axes[-1].get_xlabel(),
            )
    assert said["cells"][0] == "rounds of refinement" and said["trained"][0] == "training"


def test_the_page_of_a_solve_in_cells_says_what_was_done(tmp_path):
    folder = in_cells(
        tmp_path / "run", "heat", halves(4, 2), weights={"heat": 1.0, "initial": 100.0, "walls": 100.0}, terms={"heat": 1e-8}
    )
    make_figures(folder, Report(figures=("history", "cover", "frontier"), animation=False))
    text = page_text(folder)
    assert not [word for word in ("network", "training", "Collocation", "step") if word in text.replace("each step or round", "")]
    assert "least_squares was chosen: 2 coordinates, order 2, linear, so that each cover takes one solve" in text
    assert "cells 1,198 in 3 slabs of time, at most 700 in one" in text
    assert "ended because every cell resolves the solution to 1e-11" in text
    assert "root mean square of residual in the last slab of time" in text
    assert "initial u = sin(pi*x) + sin(k*pi*x)/k 100 –" in text and "heat u_t = alpha*u_xx 1 1.0×10⁻⁴" in text
    assert "Cells, in each of which the solution is a sum of features" in text and "C compiler" not in text
    assert "The least-squares solver's relative error is" in text and "times faster than the least-squares solver" in text


def test_what_could_not_be_had_is_a_warning(tmp_path):
    remark = "at most 4 cells: 1.4e-03 stays unresolved"
    text = page_text(in_cells(tmp_path / "run", "poisson", halves(2, 2), remarks=[remark, remark], reason=remark, chosen=""))
    assert text.count(remark) == 2 and f"Warnings {remark}" in text
    assert "was chosen" not in text


def test_the_page_of_a_training_still_speaks_of_the_network(tmp_path):
    folder = build_run(tmp_path / "run", "heat", size=9, reason="the budget is spent")
    data = RunData(folder)
    assert method(data) == "network" and "The network's relative error" in " ".join(classical_sentences(data))
    text = page_text(folder)
    assert "ended because the budget is spent" in text and "cells" not in text and "term formula points weight" in text


@pytest.mark.parametrize(("kind", "names"), [("heat", 2), ("ode", 1)])
def test_cells_of_a_trained_network_are_shaded_by_their_residual(tmp_path, kind, names):
    folder = build_run(tmp_path / "run", kind, size=9)
    grid = RunData(folder).grid
    low, high = (np.array([axis[end] for axis in grid.axes.values()]) for end in (0, -1))
    boxes = np.stack([np.stack([low, high], axis=1)] * 2)
    boxes[0, 0, 1] = boxes[1, 0, 0] = (low[0] + high[0]) / 2
    with np.load(folder / "diagnostics.npz") as stored:
        kept = dict(stored)
    (name,) = [key for key in kept if key.startswith("residual.grid.")]
    first = next(iter(grid.axes.values()))
    inside = (first > boxes[0, 0, 1]).reshape(-1, *[1] * (names - 1))
    kept[name] = np.where(inside, 5.0, np.where(first.reshape(inside.shape) < boxes[0, 0, 1], 0.25, 1.0)) * np.ones(grid.shape)
    np.savez(folder / "diagnostics.npz", cells=boxes, **kept)
    with styled():
        ((_, figure),) = cover_figures(RunData(folder))
        axes, bar = figure.axes
        small, large = axes.collections[0].get_array()
    middle = boxes[0, 0, 1]
    along = np.where(first > middle, 5.0, np.where(first < middle, 0.25, 1.0))
    expected = [np.sqrt(np.mean(along[part] ** 2)) for part in (first <= middle, first >= middle)]
    assert [small, large] == pytest.approx(expected) and "residual" in bar.get_xlabel() + bar.get_ylabel()
