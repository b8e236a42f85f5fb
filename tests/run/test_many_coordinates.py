"""Problems with many coordinates: read, checked, solved with estimated Laplacians, judged exactly, and gone on with."""

import json
import os
import re
import signal
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pinn.problem.points import Points  # noqa: E402
from pinn.problem.sites import Sites, tensor_points  # noqa: E402
from pinn.problem.terms import make_term  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.prepare import prepare  # noqa: E402
from pinn.run.setup import set_up  # noqa: E402
from pinn.run.training import Keeper  # noqa: E402

TEXT = """\
coordinates: {{x: {{range: [-1, 1], dimension: {dim}}}, t: [0, 0.5]}}
unknowns: [u]
equations:
  heat: u_t = {equation}
conditions:
  initial: {{at: t = 0, u: exact}}
  walls: {{at: boundary, u: exact}}
exact: dot(x, x)/{dim} + 2*t + sin(sum(x)/sqrt({dim}))*exp(-t)
quantities: {{end: "u(t=0.5)"}}
"""
WORDS = [
    "points=uniform", "points.interior=48", "points.surface=32", "points.redraw=3", "points.directions=4", "network.width=6",
    "network.depth=2", "solver.stages.adam.steps=12", "solver.stages.broyden.steps=12", "report=none",
]  # fmt: skip


@pytest.fixture
def mine(here):
    def write(dim, equation="laplacian(u)"):
        (here / "mine.yaml").write_text(TEXT.format(dim=dim, equation=equation))
        return "mine.yaml"

    return write


def test_three_hundred_coordinates_are_read_and_have_points_in_seconds(mine):
    """Each of formulas, faces and edges was quadratic once, and took minutes."""
    start = time.process_time()
    problem = prepare(mine(300)).problem
    sites = Points(interior=64, surface=8).draw(problem, 0)
    assert len(re.findall(r"x\d", str(problem.exact["u"]))) == 3 * 300
    assert time.process_time() - start < 10
    assert sites["heat"].points.shape == (64, 301) and sites["walls"].points.shape == (600, 301)
    faces = np.abs(sites["walls"].points[:, :-1]) == 1
    assert (faces.sum(axis=1) == 1).all() and (faces.sum(axis=0) == 2).all()
    inner = sites["walls"].points[:, -1]
    assert len(np.unique(inner)) == 600 and abs(inner.mean() - 0.25) < 0.02


def test_a_run_is_judged_at_random_points_and_shown_on_a_plane(mine, here, capsys):
    words = [word for word in WORDS if word != "report=none"]
    assert main(["run", mine(9), *words, "folder=run"]) == 0
    metrics, stored = json.loads((here / "run/metrics.json").read_text()), np.load(here / "run/solution.npz")
    assert metrics["error"]["source"] == "exact" and stored["u"].ndim == 3 and set(stored) >= {"x1", "x2", "t"}
    meta = json.loads(str(stored["meta"]))
    assert meta["held"] == {f"x{k}": 0.0 for k in range(3, 10)}
    x1, x2, t = np.meshgrid(stored["x1"], stored["x2"], stored["t"], indexing="ij")
    exact = (x1**2 + x2**2) / 9 + 2 * t + np.sin((x1 + x2) / 3) * np.exp(-t)
    np.testing.assert_allclose(stored["u.reference"], exact, atol=1e-12)
    shown = np.linalg.norm(stored["u.error"]) / np.linalg.norm(exact)
    assert metrics["error"]["relative_l2"] != pytest.approx(shown, rel=1e-3)
    assert {path.name for path in (here / "run/figures").iterdir()} >= {"solution.png", "residual.png", "points.png"}
    assert not any("could not be drawn" in line for line in metrics["warnings"])


def test_the_map_of_residuals_is_exact(mine, here):
    assert main(["run", mine(9), *WORDS, "folder=run"]) == 0
    prepared = prepare("mine.yaml", WORDS)
    (equation,) = prepared.problem.equations
    theta = torch.load(here / "run/checkpoint.pt", weights_only=False)["state"]["theta"]
    stored, maps = np.load(here / "run/solution.npz"), np.load(here / "run/diagnostics.npz")
    axes = [stored[name] if name in stored else np.zeros(1) for name in (*(f"x{k}" for k in range(1, 10)), "t")]
    term = make_term(prepared.problem, equation, Sites(tensor_points(axes)))
    columns = [set_up(prepared).field.at(*image).jets(theta).numpy() for image in term.images]
    at_points = make_term(prepared.problem, equation, Sites(maps["points.heat"]))
    own = [set_up(prepared).field.at(*image).jets(theta).numpy() for image in at_points.images]
    np.testing.assert_allclose(maps["residual.heat"], at_points.evaluate(own), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(maps["residual.grid.heat"].ravel(), term.evaluate(columns), rtol=1e-12, atol=1e-12)


def test_new_directions_at_every_redraw_and_a_terminated_run_goes_on_to_the_last_bit(mine, here, monkeypatch):
    assert main(["run", mine(9), *WORDS, "folder=whole"]) == 0
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        if state.total == 16:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert main(["run", "mine.yaml", *WORDS, "folder=cut"]) == 130
    monkeypatch.setattr(Keeper, "write", write)
    assert main(["resume", "cut"]) == 0
    for name in ("history.csv", "solution.npz", "diagnostics.npz"):
        assert (here / "whole" / name).read_bytes() == (here / "cut" / name).read_bytes(), name


@pytest.mark.parametrize("equation, words, message", [
    ("laplacian(u)", ["points.directions=9"], "must be null or less: nothing in the problem is a sum of more than 9 derivatives"),
    ("laplacian(u)**2", [], "must be null: 'heat' is not linear in a sum of derivatives of u, so that its estimate would be biased"),
    ("laplacian(u)", ["hard=[initial]"], "must be null where conditions are hard: their lift has no derivatives along lines"),
    ("laplacian(u)", ["points.directions=0"], "must be at least 1, got 0"),
])  # fmt: skip
def test_directions_that_do_not_fit_are_refused_in_one_line(mine, here, capsys, equation, words, message):
    name = mine(9, equation)
    if "**" in equation:  # the exact solution does not solve that
        (here / name).write_text((here / name).read_text().split("exact: ")[0].replace("exact", "0"))
    assert main(["check", name, *WORDS, *words]) == 2
    assert capsys.readouterr().err == f"pinn: points.directions {message}\n"


def test_tensor_grids_and_integrals_in_many_dimensions_are_refused(mine, here, capsys):
    assert main(["run", mine(20), *WORDS, "points.rule=grid", "points.redraw=null"]) == 2
    assert "the rule 'grid' is for at most 16 coordinates, here are 21; take points=sobol" in capsys.readouterr().err
    text = (here / "mine.yaml").read_text().replace("u(t=0.5)", "integral(u)")
    (here / "mine.yaml").write_text(text)
    assert main(["check", "mine.yaml"]) == 2
    assert "an integral over 20 coordinates needs 24**20 points" in capsys.readouterr().err


def test_the_check_says_what_derivatives_cost(mine, capsys):
    assert main(["check", mine(60, "laplacian(u)")]) == 0
    said = capsys.readouterr().out
    assert "channels    63 " in said and "points.directions=16 estimates them" in said
    assert main(["check", "mine.yaml", "points.directions=8"]) == 0
    said = capsys.readouterr().out
    assert "channels    11 " in said and "note" not in said
