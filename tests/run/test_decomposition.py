"""Runs with a network in every cell: what they leave behind, and settings that do not go together."""

import json
import os
import signal

import numpy as np
import pytest

pytest.importorskip("torch")

import pinn  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.training import Keeper  # noqa: E402

SMALL = [
    "solver=adam_lbfgs", "solver.stages.adam.steps=12", "solver.stages.lbfgs.steps=8", "solver.stages.adam.warm_up=3",
    "points.interior=64", "points.surface=32", "points.redraw=7", "network.width=5", "network.depth=2", "solver.until.check=10",
    "threads=1", "report=none", "decomposition.cells=2",
]  # fmt: skip
KINDS = ["windows", "cuts", "xpinn", "cpinn"]


def run(kind, folder, *words):
    return main(["run", "heat_1d", *SMALL, f"decomposition={kind}", f"folder={folder}", *words])


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_cells_and_interfaces_behind(kind, tmp_path):
    assert run(kind, tmp_path / "run") == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["cells"] == {"in_all": 4} and metrics["num_parameters"] == 4 * (15 + 30 + 6)
    faces = {
        "windows": [],
        "cuts": ["u at x", "u_x at x", "u at t"],
        "xpinn": ["u at x", "heat at x", "u at t"],
        "cpinn": ["u at x", "flux of heat at x", "u at t"],
    }[kind]
    assert list(metrics["interfaces"]) == [f"interfaces.{name}" for name in faces]
    assert list(metrics["terms"]) == ["heat", "initial", "walls", *metrics["interfaces"]]
    assert {metrics["weights"][name] for name in metrics["interfaces"]} <= {100.0}
    stored = np.load(tmp_path / "run" / "diagnostics.npz")
    assert stored["cells"].shape == (4, 2, 2) and stored["points.heat"].shape == (64, 2)
    if kind == "windows":
        places, *values = stored["windows.x"]
        assert "faces" not in stored and (places[0], places[-1]) == (0, 1) and len(values) == 2
        np.testing.assert_allclose(np.sum(values, axis=0), 1, atol=1e-12)
    else:
        assert stored["faces"].shape == (4, 2, 2) and (stored["jump.u"] > 0).all() and "windows.x" not in stored
    assert metrics["estimate"]["why"] == ("the field has cuts" if faces else metrics["estimate"]["why"])


OWN = "decomposition.boxes=[{x: [0, 0.4], network: {width: 7}}, {x: [0.4, 0.8], network: siren}, {x: [0.8, 1]}]"


@pytest.mark.parametrize("kind", ["windows", "cuts"])
def test_boxes_with_networks_of_their_own(kind, tmp_path, monkeypatch, capsys):
    assert run(kind, tmp_path / "run", OWN) == 0
    siren, others = 3 * 24 + 2 * (24 * 24 + 24) + 25, (3 * 7 + 7 * 7 + 7 + 8) + (15 + 30 + 6)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["num_parameters"] == siren + others and metrics["cells"] == {"in_all": 3}
    assert main(["check", "heat_1d", *SMALL, f"decomposition={kind}", OWN]) == 0
    assert f"{siren + others} (MLP in each of 3 cells with 3 different settings" in capsys.readouterr().out
    assert main(["run", str(tmp_path / "run" / "config.yaml"), f"folder={tmp_path / 'again'}"]) == 0
    write = Keeper.write

    def terminated(self, state):
        write(self, state)
        if state.total == 15:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Keeper, "write", terminated)
    assert run(kind, tmp_path / "cut", OWN) == 130
    monkeypatch.setattr(Keeper, "write", write)
    assert main(["resume", str(tmp_path / "cut")]) == 0
    for name in ("history.csv", "solution.npz"):
        assert len({(tmp_path / folder / name).read_bytes() for folder in ("run", "again", "cut")}) == 1, name


def test_a_decomposition_asks_for_a_training(tmp_path):
    result = pinn.solve(
        "heat_1d", "decomposition=windows", "solver.until.seconds=0.1", "report=none", folder=tmp_path / "run", quiet=True
    )
    assert "adam" in result.metrics["solver"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decomposition=window"], "unknown decomposition 'window'; did you mean 'windows'?"),
        (
            ["decomposition=cpinn", "problem.equations.heat='u_t = a*u_xx + u_x**2'", "problem.exact=null"],
            "'heat' has no flux along x",
        ),
        (["decomposition=windows", "solver=least_squares"], "decomposition must be none with solver=least_squares"),
        (["decomposition=windows", "derivatives=autograd"], "derivatives must be taylor with a decomposition"),
        (["decomposition=windows", "network.factorisation.mean=1"], "network.factorisation.mean must be null with a decomposition"),
        (["decomposition=windows", "decomposition.cells=0"], "decomposition.cells must be a whole number of at least 1, got 0"),
        (["decomposition=windows", "decomposition.cells={y: 3}"], "decomposition.cells unknown coordinate 'y'"),
        (["decomposition=windows", "decomposition.smoothness=1"], "decomposition.smoothness must be at least the order"),
        (
            ["decomposition=cuts", "decomposition.boxes=[{network: sirne}]"],
            "decomposition.boxes[0]: unknown network 'sirne'; did you",
        ),
        (
            ["decomposition=cuts", "decomposition.boxes=[{network: {with: 2}}]"],
            "decomposition.boxes[0].network.with is not a setting",
        ),
        (["decomposition=cuts", "decomposition.boxes=[{network: {_target_: pinn.Adam}}]"], "boxes[0].network must be the settings"),
        (["decomposition=cuts", "decomposition.match=fluxes"], "decomposition.match must be"),
        (["decomposition=cuts", "weights.interfaces.v=3"], "weights unknown term 'interfaces.v'"),
    ],
)
def test_impossible_settings(words, message, tmp_path, capsys):
    assert main(["run", "heat_1d", *words, f"folder={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("\n") <= 3
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "cells", "smooth"),
    [([], 2, False), (["decomposition=cuts", "decomposition.cells={y: 2}"], 4, False), (["decomposition=none"], None, True),
     (["decomposition=windows", "decomposition.cells=2"], 4, True), (["derivatives=autograd"], None, True)],
)  # fmt: skip
def test_regions_get_networks_of_their_own_by_default(words, cells, smooth, tmp_path):
    few = ["solver=adam_lbfgs", "solver.stages.adam.steps=3", "solver.stages.adam.warm_up=1", "solver.stages.lbfgs.steps=2"]
    small = [*few, "points.interior=64", "points.surface=32", "network.width=5", "network.depth=1", "report=none"]
    assert main(["run", "two_materials", *small, *words, f"folder={tmp_path / 'run'}"]) in (0, 3, 4)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics.get("cells") == (cells and {"in_all": cells})
    assert any("smooth and cannot have the kinks" in warning for warning in metrics["warnings"]) == smooth
    assert ("pinn.Regions" in (tmp_path / "run" / "config.yaml").read_text()) is False


def test_adaptive_cells_are_found_once_and_recorded(tmp_path):
    few = ["solver=extreme_learning", "network.width=20", "points.interior=512", "points.surface=64", "report=none"]
    words = ["decomposition=adaptive", "decomposition.cells=5", "decomposition.join=slopes"]
    first = pinn.solve("composite_rod", *few, *words, folder=tmp_path / "first", quiet=True)
    assert first.metrics["cells"] == {"in_all": 5}
    record = (tmp_path / "first" / "config.yaml").read_text()
    assert "pinn.Cuts" in record and record.count("boxes") == 1 and "5 cells found by least squares" in record
    assert main(["run", str(tmp_path / "first" / "config.yaml"), f"folder={tmp_path / 'second'}"]) in (0, 4)
    pages = [np.load(tmp_path / name / "diagnostics.npz")["cells"] for name in ("first", "second")]
    np.testing.assert_array_equal(*pages)


def test_a_check_tells_how_many_networks_there_are(capsys):
    assert main(["check", "heat_1d", "decomposition=windows", "network.width=8", "network.depth=2"]) == 0
    assert "in each of 16 cells, 3.1 of which see a point on average" in capsys.readouterr().out
