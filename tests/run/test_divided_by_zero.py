"""Runs of equations that are divided by a coordinate which is zero on a wall: nothing but their own lines is printed."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pinn.run.cli import main  # noqa: E402

STAR = """
coordinates: {r: [0, 1]}
time: r
unknowns: [u]
equations: {star: u_rr + 2*u_r/r + u = 0}
conditions:
  centre: {at: r = 0, u: 1, u_r: 0}
exact: where(r > 0, sin(r)/r, 1)
"""
RAY = """
coordinates: {x: [0, 1]}
unknowns: [u]
equations: {ray: u_x = u/x + x}
conditions:
  end: {at: x = 1, u: 1}
"""
BENT = """
coordinates: {x: [0, 1]}
unknowns: [u]
equations: {bent: u_x = u**2/x + 1 - x}
conditions:
  end: {at: x = 1, u: 1}
"""
SPHERE = """
coordinates: {r: [0, 1], t: [0, 0.2]}
unknowns: [u]
equations: {heat: u_t = u_rr + 2*u_r/r}
conditions:
  start: {at: t = 0, u: "where(r > 0, sin(pi*r)/r, pi)"}
  centre: {at: r = 0, u_r: 0}
  rim: {at: r = 1, u: 0}
"""


@pytest.mark.filterwarnings("always::RuntimeWarning")
@pytest.mark.parametrize("text", [STAR, RAY, BENT, SPHERE], ids=["star", "ray", "bent", "sphere"])
def test_quotients_at_zero_are_not_complained_about(text, here, capfd, recwarn):
    (here / "mine.yaml").write_text(text)
    assert main(["run", "mine.yaml", "report=none", "folder=run"]) == 0
    told = capfd.readouterr().err
    assert "Warning" not in told and all(line.startswith(("solver=", "cells")) for line in told.splitlines()), told
    assert not [str(each.message) for each in recwarn]
    found = json.loads((here / "run/metrics.json").read_text())
    assert found["verdict"] == "verified" and found["error"]["relative_l2"] < 1e-9


def test_residuals_are_not_finite_where_their_formula_is_not(here):
    """On the axis alone; the figure shows nothing there."""
    (here / "mine.yaml").write_text(STAR)
    assert main(["run", "mine.yaml", "report=none", "folder=run"]) == 0
    with np.load(here / "run/diagnostics.npz") as stored:
        is_finite = np.isfinite(stored["residual.grid.star"])
    assert not is_finite[0] and is_finite[1:].all()
