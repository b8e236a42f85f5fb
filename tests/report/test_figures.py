import struct
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image
from report_runs import build_run

from pinn.report.animation import MOST_BYTES, at_time
from pinn.report.estimate_figure import estimate_figures
from pinn.report.figures import MAKERS, make_figures, plot
from pinn.report.folder import Grid, RunData
from pinn.report.frontier import by_order
from pinn.report.history import _rows, running_steps
from pinn.report.panels import Column, smooth
from pinn.report.points_figure import MOST_DRAWN, points_figures
from pinn.report.processes_figure import processes_figures
from pinn.report.residual import residual_figures
from pinn.report.settings import Report
from pinn.report.solution_figure import solution_figures
from pinn.report.style import _wrapped, error_limits, field_scale, label, residual_scale, styled, term_style
from pinn.report.views import anchor, views

EXPECTED = {
    "heat": {"solution", "cuts", "estimate", "residual", "history", "points", "frontier"},
    "ode": {"solution", "residual", "history", "points", "frontier"},
    "system": {
        "solution_p",
        "solution_v",
        "cuts_p",
        "cuts_v",
        "estimate_p",
        "estimate_v",
        "residual",
        "history",
        "points",
        "frontier",
    },
}


def size_of(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


def images_of(figure):
    """The images of a figure by title, colour bars left out."""
    return {axes.get_title(): axes.collections[0] for axes in figure.axes if axes.get_title() and axes.collections}


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_figure_is_drawn(tmp_path, kind, heat):
    if kind == "heat":
        written = list((heat / "figures").glob("*.png"))
    else:
        failed = []
        written = make_figures(build_run(tmp_path / kind, kind, size=9), Report(animation=False), failed)
        assert failed == []
    assert {path.stem for path in written} == EXPECTED[kind]
    for path in written:
        width, height = size_of(path)
        assert 500 < width < 2400 and 250 < height < 2000, (path.name, width, height)
        assert np.ptp(np.asarray(Image.open(path).convert("L"))) > 100, f"{path.name} is blank"


@pytest.mark.parametrize(
    "kind, figure",
    [("heat_2d", "residual"), ("poisson", "points"), ("poisson_3d", "cuts"), ("heat_3d", "solution"), ("taylor_green", "points")],
)
def test_three_and_four_coordinates_are_drawn(tmp_path, kind, figure):
    failed = []
    written = make_figures(build_run(tmp_path / kind, kind, size=8), Report(figures=[figure], animation=False), failed)
    assert failed == [] and [path.stem for path in written] == [figure]


@pytest.mark.parametrize("kind", ["heat", "poisson", "heat_2d", "poisson_3d"])
def test_solution_and_reference_share_their_colours_and_the_error_is_logarithmic(tmp_path, kind):
    data = RunData(build_run(tmp_path / kind, kind, size=8))
    with styled():
        ((_, figure),) = solution_figures(data)
        images = images_of(figure)
    network = [image for title, image in images.items() if "network" in title]
    exact = [image for title, image in images.items() if "exact" in title]
    error = [image for title, image in images.items() if "|error|" in title]
    assert len(network) == len(exact) == len(error) > 0
    limits = {image.get_clim() for image in [*network, *exact]}
    assert len(limits) == 1, f"solution and reference have different limits: {limits}"
    assert all(isinstance(image.norm, matplotlib.colors.LogNorm) for image in error)
    low, high = error[0].get_clim()
    name = data.unknowns[0]
    assert (
        high == pytest.approx(np.abs(data.field(f"{name}.error")).max()) and high / low * (1 + 1e-9) >= 1e2 and high / low < 1.1e6
    )


def test_images_show_the_values_they_should(tmp_path):
    data = RunData(build_run(tmp_path / "run", "heat", size=11))
    with styled():
        ((_, figure),) = solution_figures(data)
        drawn = (
            images_of(figure)["$\\mathit{u}$, network"]
            .get_array()
            .reshape(-1, *[len(smooth(np.zeros((11, 11)), data.grid.axes["t"], data.grid.axes["x"])[1])])
        )
    step = (drawn.shape[0] - 1) // 10
    assert np.array_equal(drawn[::step, ::step], data.field("u"))


def test_without_a_reference_the_estimate_is_shown_and_without_both_the_solution_alone(tmp_path):
    with_estimate = RunData(build_run(tmp_path / "a", "heat", size=9, reference="none"))
    alone = RunData(build_run(tmp_path / "b", "heat", size=9, reference="none", estimate=False))
    with styled():
        ((_, first),) = solution_figures(with_estimate)
        ((_, second),) = solution_figures(alone)
        assert len(images_of(first)) == 2 and any("estimated" in title for title in images_of(first))
        assert len(images_of(second)) == 1
        assert "error not known" in second.get_suptitle() and "estimated" in first.get_suptitle()
        assert list(estimate_figures(with_estimate)) == []


@pytest.mark.parametrize("size", [1, 3, 200])
def test_bars_of_processes_are_what_was_measured(tmp_path, size):
    each = [{"points": 10 * k, "cells": 1, "pairs": 2000, "seconds": 1.0 + k / size} for k in range(size)]
    found = {"number": size, "evaluations": 1234, "seconds": 2.5, "each": each}
    data = RunData(build_run(tmp_path / "run", "heat", size=9, processes=found))
    with styled():
        ((_, figure),) = processes_figures(data)
    (axes,) = figure.axes
    busy, waiting = (np.array([bar.get_width() for bar in bars]) for bars in axes.containers)
    assert np.allclose(busy, [one["seconds"] for one in each]) and np.allclose(busy + waiting, 2.5)
    assert "1,234 evaluations" in figure.get_suptitle()
    said = [text.get_text() for text in axes.texts]
    assert said == ([] if size == 200 else [f"{10 * k} points, 1 cell, 2,000 pairs" for k in range(size)])


def test_points_outside_the_domain_stay_empty(tmp_path):
    data = RunData(build_run(tmp_path / "run", "poisson", size=9))
    data.solution["u"][:3, :3] = np.nan
    with styled():
        ((_, figure),) = solution_figures(data)
        image = images_of(figure)["$\\mathit{u}$, network"]
    assert image.get_array().mask.sum() == 9


def test_folder_with_little_in_it_draws_what_there_is(tmp_path):
    folder = build_run(tmp_path / "run", "heat", size=9)
    for name in ("metrics.json", "diagnostics.npz", "timing.csv", "config.yaml"):
        (folder / name).unlink()
    assert {path.stem for path in make_figures(folder, Report(animation=False))} == {"solution", "cuts", "estimate", "history"}
    (folder / "solution.npz").write_bytes(b"PK cut short")
    (folder / "history.csv").write_text("step,stage,loss,heat,error\n0,adam,1.0,1.0,\n1,adam,0.5,0.5,\n2,ad")
    failed = []
    assert [path.stem for path in make_figures(folder, failed=failed)] == ["history"] and failed == []


def test_one_broken_figure_costs_only_itself(tmp_path, monkeypatch):
    def broken(data):
        raise ArithmeticError("no such luck")
        yield

    monkeypatch.setitem(MAKERS, "cuts", broken)
    failed = []
    written = make_figures(
        build_run(tmp_path / "run", "heat", size=5), Report(figures=["cuts", "history"], animation=False), failed
    )
    assert [path.stem for path in written] == ["history"]
    assert failed == ["figure 'cuts' could not be drawn: ArithmeticError: no such luck"]
    for kind in set(MAKERS) - {"cuts"}:
        monkeypatch.delitem(MAKERS, kind)
    (tmp_path / "run" / "solution.npz").unlink()
    with pytest.raises(RuntimeError, match="figure 'cuts' could not be drawn"):
        plot(tmp_path / "run")


def test_animation_is_small_and_keeps_the_colours_of_the_extremes(tmp_path):
    folder = build_run(tmp_path / "run", "heat_2d", size=12)
    (path,) = make_figures(folder, Report(figures=[]))
    assert path.name == "animation.gif" and path.stat().st_size < MOST_BYTES
    with Image.open(path) as animation:
        assert animation.n_frames >= 8 and max(animation.size) < 1000
        colours = np.asarray(animation.convert("RGB")).reshape(-1, 3).astype(int)
    yellow = np.round(255 * np.array(matplotlib.colormaps["viridis"](1.0)[:3]))
    assert np.abs(colours - yellow).sum(axis=1).min() < 12


def test_lines_move_in_the_animation_of_one_space_coordinate(heat):
    with Image.open(heat / "figures" / "animation.gif") as animation:
        first = np.asarray(animation.convert("L")).astype(int)
        animation.seek(animation.n_frames - 1)
        last = np.asarray(animation.convert("L")).astype(int)
    assert (np.abs(first - last) > 60).sum() > 500


def test_points_drawn_of_many_still_fill_the_box(tmp_path):
    data = RunData(build_run(tmp_path / "run", "heat", size=5))
    num = 3 * MOST_DRAWN
    data.diagnostics["points.heat"] = np.stack([np.arange(num) / num, np.arange(num) % 2 / 2], axis=1)
    with styled():
        ((_, figure),) = points_figures(data)
    shown = figure.axes[0].collections[0].get_offsets()
    assert len(shown) == MOST_DRAWN and abs(shown[:, 0].mean() - 0.25) < 0.02 and abs(shown[:, 1].mean() - 0.5) < 0.02


def test_fields_are_linear_between_stored_times():
    grid = Grid({"x": np.array([0.0, 1.0]), "t": np.array([0.0, 1.0, 3.0])}, "t")
    values = np.array([[0.0, 1.0, 5.0], [1.0, 1.0, 1.0]])
    assert np.allclose(at_time(values, grid, 2.0), [3.0, 1.0])
    assert np.array_equal(at_time(values, grid, 3.0), values[:, 2])


def test_settings_of_the_user_survive(tmp_path):
    folder = build_run(tmp_path / "run", "ode", size=5)
    code = (
        "import matplotlib; matplotlib.use('svg'); matplotlib.rcParams['font.size'] = 31.0; before = dict(matplotlib.rcParams);"
        "from pinn.report.figures import make_figures; make_figures(r'%s'); import sys;"
        "assert dict(matplotlib.rcParams) == before; assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code % folder], check=True)


def test_settings_need_no_matplotlib():
    code = "import pinn.report.settings, pinn.report.figures, pinn.report.page, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scale_is_diverging_only_when_both_signs_matter():
    signed, colours = field_scale(np.array([-1.0, 2.0]), np.array([-3.0, 1.0]))
    assert (signed.vmin, signed.vmax, colours) == (-3.0, 3.0, "RdBu_r")
    plain, colours = field_scale(np.array([-1.0, 2.0]), np.array([0.0, 2.1]))
    assert (plain.vmin, plain.vmax, colours) == (-1.0, 2.1, "viridis")
    constant, _ = field_scale(np.ones(3))
    assert constant.vmin < 1.0 < constant.vmax


def test_next_to_a_singularity_values_lie_beyond_the_scale():
    plain = np.linspace(-1, 1, 40_000)
    spiky = np.where(np.arange(40_000) % 10_000 == 5, 1e4, plain)
    scale, _ = field_scale(spiky)
    assert scale.vmax == pytest.approx(1.0, abs=1e-3) and scale.vmin == -scale.vmax
    assert field_scale(np.where(np.arange(40_000) < 40, 15.0, plain))[0].vmax == 15.0
    assert Column("", spiky, scale, "RdBu_r", "").extend == "max" and Column("", -spiky, scale, "RdBu_r", "").extend == "min"
    assert Column("", plain, field_scale(plain)[0], "RdBu_r", "").extend == "neither"
    assert error_limits(1e-3 * spiky)[1] == 10.0 and error_limits(np.where(np.abs(spiky) > 1, 1e6, spiky))[1] < 1.0


def test_error_limits_keep_two_to_six_decades():
    assert error_limits(np.array([1.0, 0.9, 0.8])) == (1e-2, 1.0)
    low, high = error_limits(np.logspace(-20, 0, 1000))
    assert (low, high) == (pytest.approx(1e-6), 1.0)
    assert error_limits(np.zeros(4)) == (1e-16, 1e-14)
    assert error_limits(np.array([np.nan, np.inf, -2.0]))[1] == 2.0


def test_plane_with_nothing_on_it_is_not_shown():
    axis = np.linspace(0, 1, 21)
    grid = Grid({"x": axis, "y": axis, "z": axis}, None)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    held = anchor(grid, np.sin(2 * np.pi * x) * np.sin(np.pi * y) * np.sin(np.pi * z))
    assert axis[held["y"]] == axis[held["z"]] == 0.5 and axis[held["x"]] in (0.25, 0.75)
    assert [view.text.count("=") for view in views(grid, x * y * z)] == [1, 1, 1]
    held = anchor(grid, np.exp(-9 * x) + 0 * y)
    assert 0 < held["x"] < 10 and axis[held["y"]] == 0.5, "a wall is no place for a cut"


def test_snapshots_include_first_and_last_time():
    grid = Grid({"x": np.linspace(0, 1, 4), "y": np.linspace(0, 1, 5), "t": np.linspace(0, 2, 11)}, "t")
    shown = views(grid, np.zeros(grid.shape))
    assert [dict(view.fixed)["t"] for view in shown][0] == 0 and dict(shown[-1].fixed)["t"] == 10 and len(shown) == 4
    values = np.random.default_rng(0).random(grid.shape)
    assert np.array_equal(shown[0].of(values, grid), values[:, :, 0].T)


def test_time_runs_to_the_right():
    grid = Grid({"x": np.linspace(0, 1, 4), "t": np.linspace(0, 2, 6)}, "t")
    (view,) = views(grid, np.zeros(grid.shape))
    assert (view.across, view.up) == ("t", "x")
    assert view.of(np.arange(24.0).reshape(4, 6), grid).shape == (4, 6)


def test_refined_images_keep_the_values_of_the_grid():
    values = np.random.default_rng(1).random((5, 7))
    fine, across, up = smooth(values, np.linspace(0, 1, 7), np.array([0, 0.1, 0.4, 0.5, 1.0]))
    rows, columns = (fine.shape[0] - 1) // 4, (fine.shape[1] - 1) // 6
    assert np.array_equal(fine[::rows, ::columns], values) and len(across) == fine.shape[1] and len(up) == fine.shape[0]
    assert np.allclose(up[::rows], [0, 0.1, 0.4, 0.5, 1.0]) and fine.max() <= values.max()
    values[2, 2] = np.nan
    assert smooth(values, across, up)[0] is values


def test_labels_are_typeset_and_harmless():
    assert label("u") == r"$\mathit{u}$" and label("nu") == r"$\mathit{ν}$" and label("prey") == "prey"
    assert label("u_nu") == r"$\mathit{u}_{\mathit{ν}}$" and label("u_rtheta") == r"$\mathit{u}_{\mathit{rθ}}$"
    assert label("u_xx") == r"$\mathit{u}_{\mathit{xx}}$" and label("alpha_max") == r"$\mathit{α}_{\mathrm{max}}$"
    assert label("u_S_max") == r"$\mathit{u}_{\mathrm{S\_max}}$" and label("x", {"x": "m$"}) == r"$\mathit{x}$ [m\$]"


def test_terms_are_told_apart_and_steps_never_fall_back():
    looks = term_style([f"term{k}" for k in range(20)])
    assert len(set(looks.values())) == 20
    assert running_steps(np.array([0.0, 1, 2, 0, 1])).tolist() == [0, 1, 2, 2, 3]


def test_classical_runs_are_sorted_by_solver():
    lines = [
        {"order": 4, "seconds": 2.0, "error": 1e-3},
        {"order": 4, "seconds": 1.0, "error": 1e-2},
        {"order": "chebyshev", "seconds": 1, "error": None},
    ]
    orders = by_order(lines)
    assert list(orders) == ["order 4"] and orders["order 4"][0].tolist() == [1.0, 2.0] and by_order(None) == {}


def test_one_corner_does_not_set_the_colours_of_a_residual(tmp_path):
    values = np.linspace(1e-3, 1.0, 1000)
    scale, _, beyond = residual_scale(values)
    assert (scale.vmax, beyond) == (1.0, None)
    values[:4] = 500.0
    scale, _, beyond = residual_scale(values)
    assert 0.99 < scale.vmax <= 1.0 and beyond == 500.0 and scale.vmin < 0.02
    data = RunData(build_run(tmp_path / "run", "heat", size=41))
    data.diagnostics["residual.grid.heat"].flat[0] = 1e3
    with styled():
        ((_, figure),) = residual_figures(data)
    assert any("99.5 % lie in this range, largest 1,000" in axes.get_ylabel() for axes in figure.axes)


def test_names_of_short_stages_stand_below_each_other():
    steps = np.arange(1000)
    assert _rows(steps, [(0, "adam"), (500, "lbfgs")]) == [0, 0]
    assert _rows(steps, [(0, "adam"), (10, "broyden"), (20, "polish"), (80, "lbfgs"), (900, "end")]) == [0, 1, 2, 0, 0]


def test_terms_at_the_same_points_share_a_colour_and_a_name(tmp_path):
    data = RunData(build_run(tmp_path / "run", "system", size=5))
    data.diagnostics["points.momentum"] = data.diagnostics["points.continuity"]
    with styled():
        ((_, figure),) = points_figures(data)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts[0] == "continuity,\nmomentum (1,500)" and len(texts) == len(dict(data.points())) - 1


def test_titles_are_cut_into_lines_of_about_equal_length():
    assert _wrapped("", 64) == []
    assert _wrapped("Heat — training", 64) == ["Heat — training"]
    lines = _wrapped("Kovasznay flow behind a grid, steady Navier-Stokes equations at Re = 20 — training", 69)
    assert lines[-1] == "training" and len(lines) == 3 and min(map(len, lines[:2])) > 25


def test_long_titles_fit_into_an_animation(tmp_path):
    import json

    from pinn.report.animation import _images, _line

    for kind, draw in (("heat_2d", _images), ("heat", _line)):
        folder = build_run(tmp_path / kind, kind, size=8, reference="none", estimate=False)
        config = json.loads((folder / "config.yaml").read_text())
        config["problem"]["title"] = "A title of many words " * 5
        (folder / "config.yaml").write_text(json.dumps(config))
        data = RunData(folder)
        with styled():
            figure = draw(data, data.grid, data.unknowns[0]).figure
            figure.canvas.draw()
            box = figure._suptitle.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
