"""Runs with functions from files: what they come to is what the formulas come to that the files were made from."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pinn  # noqa: E402
from pinn.judge.choose import reference  # noqa: E402
from pinn.judge.settings import FiniteDifferenceReference  # noqa: E402
from pinn.problem.language import read_problem  # noqa: E402
from pinn.problem.settings import BadInput  # noqa: E402
from pinn.report.page import write_page  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.execute import resume  # noqa: E402
from pinn.run.progress import Silence  # noqa: E402

ROD = {
    "coordinates": {"x": [0, 1], "t": [0, 0.5]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = diff(k*u_x, x) + sin(pi*x)"},
    "conditions": {
        "initial": {"at": "t = 0", "u": "k - 0.2"},
        "held": {"at": "x = 0", "u": 0},
        "cooled": {"at": "x = 1", "k*u_n": "k*k_x - 2*(u - k + 0.2)"},
    },
}
TRAINED = [
    "solver=adam_lbfgs",
    "solver.stages.adam.steps=5",
    "solver.stages.lbfgs.steps=3",
    "network.width=8",
    "network.depth=2",
    "points.interior=100",
    "points.surface=20",
]
QUIET = ["report=none", "threads=1"]


@pytest.fixture
def rods(tmp_path):
    """The rod with its conductivity from a file, and as a formula; cubics are met by splines exactly."""
    x = np.linspace(0, 1, 8)
    np.savetxt(tmp_path / "k.csv", np.column_stack([x, 0.2 + 0.3 * x - 0.1 * x**3]), delimiter=",", header="x,k", comments="")
    return {**ROD, "fields": {"k": {"file": str(tmp_path / "k.csv")}}}, {**ROD, "define": {"k": "0.2 + 0.3*x - 0.1*x**3"}}


@pytest.mark.parametrize(
    "words, tolerance",
    [
        (["solver=least_squares", "solver.tolerance=1e-4"], 1e-4),
        (TRAINED, 1e-9),
        ([*TRAINED, "hard=[initial]"], 1e-9),
        ([*TRAINED, "precision=float32"], 1e-4),
        ([*TRAINED, "derivatives=autograd"], 1e-9),
        ([*TRAINED, "decomposition=windows", "decomposition.cells=2"], 1e-9),
    ],
    ids=["cells", "network", "hard", "float32", "autograd", "windows"],
)
def test_solutions_are_those_of_the_formula(rods, tmp_path, words, tolerance):
    x, t = np.meshgrid(np.linspace(0, 1, 11), np.linspace(0, 0.5, 6))
    known, formula = (
        pinn.solve(rod, *words, *QUIET, "reference=none", folder=tmp_path / name, quiet=True)
        for name, rod in zip("ab", rods, strict=True)
    )
    np.testing.assert_allclose(
        known.field(x=x, t=t), formula.field(x=x, t=t), atol=tolerance * np.abs(formula.field(x=x, t=t)).max()
    )
    assert known.metrics["terms"].keys() == formula.metrics["terms"].keys()


def test_steps_at_interfaces_are_those_of_the_file(tmp_path):
    """One mode of heat in a rod of two materials, known exactly."""
    (tmp_path / "k.csv").write_text("x,k\n-0.5,1\n0.5,4\n")
    rod = {
        "coordinates": {"x": [-1, 1], "t": [0, 0.2]},
        "unknowns": ["u"],
        "constants": {"a": "2*atan(sqrt(5))", "b": "2/sqrt(6)"},
        "shapes": {"left": "x < 0"},
        "interfaces": ["left"],
        "fields": {"k": {"file": str(tmp_path / "k.csv"), "interpolate": "nearest"}},
        "equations": {"heat": "u_t = k*u_xx"},
        "conditions": {
            "initial": {"at": "t = 0", "u": "exact"},
            "ends": {"at": "boundary", "u": 0},
            "joint": {"at": "interfaces", "jump(u)": 0, "jump(k*u_n)": 0},
        },
        "exact": "exp(-a**2*t)*where(left, sin(a*(x + 1)), b*sin(a*(1 - x)/2))",
    }
    found = pinn.solve(rod, "solver=least_squares", "solver.tolerance=1e-7", *QUIET, folder=tmp_path / "run", quiet=True)
    assert found.verdict == "verified" and found.error < 1e-6


def test_references_are_those_of_the_formula(rods):
    known, formula = (reference(read_problem(rod), FiniteDifferenceReference(target=1e-5, cache=False)) for rod in rods)
    assert known.kind == "finite_difference" and known.grids == formula.grids
    points = np.random.default_rng(0).random((50, 2)) * [1, 0.5]
    np.testing.assert_allclose(known(points), formula(points), atol=1e-10)


def test_kept_references_are_those_of_the_file_as_it_is(rods, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settings = FiniteDifferenceReference(target=1e-3)
    first = reference(read_problem(rods[0]), settings)
    again = reference(read_problem(rods[0]), settings)
    path = rods[0]["fields"]["k"]["file"]
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("1.000000000000000000e+00,", "1.0,0.2\n2.0,"))
    other = reference(read_problem(rods[0]), settings)
    point = np.array([[0.5, 0.5]])
    assert first(point) == again(point) != other(point)


def test_a_run_goes_on_and_runs_again_from_elsewhere(rods, tmp_path, monkeypatch, capsys):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "k.csv").rename(home / "k.csv")
    (home / "rod.yaml").write_text(json.dumps({**rods[0], "fields": {"k": {"file": "k.csv"}}}))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "home/rod.yaml"]) == 0
    assert main(["run", "home/rod.yaml", *TRAINED, *QUIET, "reference=none", "folder=first"]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["run", "../first/config.yaml", "folder=second"]) == 0
    solutions = [np.load(tmp_path / place / "solution.npz")["u"] for place in ("first", "elsewhere/second")]
    np.testing.assert_array_equal(*solutions)
    (home / "k.csv").unlink()
    capsys.readouterr()
    assert main(["run", "../first/config.yaml", "folder=third"]) == 2
    assert "fields.k: no file '" in capsys.readouterr().err


def test_a_run_beside_a_file_says_what_it_was_compared_with(tmp_path):
    x, t = np.linspace(0, 1, 17), np.linspace(0, 1, 9)
    np.savez(tmp_path / "u.npz", x=x, t=t, u=1.1 * np.outer(np.sin(np.pi * x), np.exp(-0.1 * np.pi**2 * t)))
    heat = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"heat": "u_t = 0.1*u_xx"},
        "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
        "quantities": {"middle": "u(x=0.5, t=1)"},
        "reference": {"file": str(tmp_path / "u.npz")},
    }
    words = ["solver=least_squares", "solver.tolerance=1e-6", "reference.target=1e-3"]
    found = pinn.solve(heat, *words, *QUIET, folder=tmp_path / "run", quiet=True)
    metrics = found.metrics
    assert metrics["reference"]["kind"] == "file" and metrics["reference"]["relative_error"] is None
    assert metrics["unknowns"]["u"]["relative_l2"] == pytest.approx(0.1 / 1.1, rel=1e-3)
    assert metrics["second_reference"]["kind"] == "finite_difference" and metrics["second_unknowns"]["u"]["relative_l2"] < 1e-2
    assert found.verdict == "not verified" and "the judges disagree on u" in metrics["verdict_reasons"][0]
    assert metrics["quantities"]["middle"]["reference"] == pytest.approx(np.exp(-0.1 * np.pi**2), rel=1e-2)
    words = write_page(found.folder).read_text()
    assert "Compared with: reference file. 153 places of u.npz." in words and "<code>u.npz</code>" in words


def test_a_run_does_not_go_on_with_other_numbers(rods, tmp_path):
    pinn.solve(rods[0], *TRAINED, *QUIET, "reference=none", folder=tmp_path / "run", quiet=True)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    (tmp_path / "run" / "status.json").write_text(json.dumps({**status, "state": "interrupted"}))
    (tmp_path / "k.csv").write_text("x,k\n0,1\n1,1\n")
    with pytest.raises(BadInput, match="k.csv was changed after the run began"):
        resume(tmp_path / "run", Silence())


def test_a_file_of_the_command_line_is_looked_for_here(rods, tmp_path, monkeypatch, capsys):
    (tmp_path / "rod.yaml").write_text(json.dumps(rods[0]))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "rod.yaml", "problem.fields.k.file=k.csv"]) == 0
    assert main(["check", "rod.yaml", "problem.fields.k.file=none.csv"]) == 2
    assert "none.csv'" in capsys.readouterr().err


@pytest.mark.slow
def test_several_processes_read_the_same_file(rods, tmp_path):
    (tmp_path / "rod.yaml").write_text(json.dumps(rods[0]))
    words = [*TRAINED, *QUIET, "reference=none"]
    for count in (1, 2):
        command = [sys.executable, "-m", "pinn", "run", "rod.yaml", *words, f"launch.processes={count}", f"folder=run{count}"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    one, two = (np.load(tmp_path / f"run{count}" / "solution.npz")["u"] for count in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-9)
