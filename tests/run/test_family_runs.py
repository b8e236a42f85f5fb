"""Runs of families: what they leave behind, results at single values, statistics, networks, words of the command line."""

import json

import heat_family
import numpy as np
import pytest
from heat_family import exact

torch = pytest.importorskip("torch")

import pinn  # noqa: E402
from pinn.problem.settings import BadInput  # noqa: E402
from pinn.run.cli import main  # noqa: E402
from pinn.run.prepare import prepare  # noqa: E402

HEAT = {**heat_family.HEAT, "quantities": {"flux": "u_x(x=1, t=0.1)", "slope": "u_a(x=0.5, t=0.1)"}}
QUIET = ["threads=1", "report.animation=false"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    figures = "report.figures=[solution,members,dependence]"
    return pinn.solve(HEAT, *QUIET, figures, "accuracy=1e-5", folder=tmp_path_factory.mktemp("runs") / "heat", quiet=True)


def test_the_result_is_a_function_of_the_parameter(result):
    x, t, a = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 0.5, 5), np.linspace(0.1, 1, 7))
    np.testing.assert_allclose(result.field(x=x, t=t, a=a), exact(x, t, a), atol=1e-5)
    slope = result.derivative("u_a", x=x, t=t, a=a)
    np.testing.assert_allclose(slope, -(np.pi**2) * t * exact(x, t, a), atol=1e-3)
    mixed = result.derivative("u_xa", x=x, t=t, a=a)
    np.testing.assert_allclose(mixed, -(np.pi**3) * t * np.exp(-(np.pi**2) * a * t) * np.cos(np.pi * x), atol=3e-3)
    with pytest.raises(BadInput, match="a runs from 0.1 to 1"):
        result.field(x=0.5, t=0.1, a=2)
    with pytest.raises(BadInput, match="coordinate a is missing"):
        result.field(x=0.5, t=0.1)


def test_a_result_at_one_value_is_a_plain_one(result):
    alone = result.at(a=0.3)
    assert alone.problem.names == ("x", "t") and alone.problem.parameters == ()
    np.testing.assert_allclose(alone.field(x=0.3, t=[0.1, 0.2]), exact(0.3, np.array([0.1, 0.2]), 0.3), atol=1e-5)
    np.testing.assert_allclose(alone.derivative("u_x", x=0.5, t=0.1), 0, atol=1e-4)
    with pytest.raises(BadInput, match="'b' is not a parameter"):
        result.at(b=1)


def test_metrics_have_a_table_of_values(result):
    metrics = json.loads((result.folder / "metrics.json").read_text())
    rows = metrics["parameters"]["values"]
    assert [row["values"]["a"] for row in rows] == sorted(row["values"]["a"] for row in rows) and len(rows) == 5
    assert rows[0]["values"]["a"] == pytest.approx(0.1) and rows[-1]["values"]["a"] == pytest.approx(1)
    assert all(row["source"] == "exact" and row["verdict"] == "verified" for row in rows)
    worst = max(rows, key=lambda row: row["relative_l2"])
    assert metrics["parameters"]["worst"] == worst and metrics["error"]["relative_l2"] <= worst["relative_l2"] <= 1e-5
    for row in rows:
        assert row["estimate"] == pytest.approx(row["relative_l2"], rel=0.3, abs=1e-9)
    assert metrics["quantities"]["flux"]["coordinates"] == ["a"]
    assert metrics["quantities"]["flux"]["lowest"] == pytest.approx(-np.pi * np.exp(-0.01 * np.pi**2), rel=1e-4)
    assert metrics["quantities"]["slope"]["relative_error"] < 1e-3 and metrics["statistics"] == {}
    assert len(metrics["nodes"]["values"]) == len(metrics["nodes"]["cells"])


def test_arrays_and_figures_have_values_and_not_columns(result):
    with np.load(result.folder / "solution.npz") as stored:
        assert json.loads(str(stored["meta"]))["coordinates"] == ["x", "t", "a"]
        assert stored["a"][0] == pytest.approx(0.1) and stored["u"].shape == (101, 101, 5)
        x, t, a = np.meshgrid(stored["x"], stored["t"], stored["a"], indexing="ij")
        np.testing.assert_allclose(stored["u"], exact(x, t, a), atol=1e-5)
    with np.load(result.folder / "quantities.npz") as stored:
        np.testing.assert_allclose(stored["flux"], -np.pi * np.exp(-0.1 * np.pi**2 * stored["flux.a"]), rtol=1e-4)
    names = {path.stem for path in (result.folder / "figures").iterdir()}
    assert names == {"solution", "members", "dependence"}
    page = (result.folder / "report.html").read_text()
    assert "Parameters" in page and "partial dependence" in page


def test_a_distribution_gives_statistics(tmp_path):
    """Against Gauss's rules for the coefficients and along x: u = ∫(c − s)/k ds with c = ∫s/k / ∫1/k."""
    found = pinn.solve(
        "random_diffusion",
        *QUIET,
        "accuracy=1e-4",
        "reference=none",
        "report.figures=[statistics]",
        folder=tmp_path / "run",
        quiet=True,
    )
    nodes, weights = np.polynomial.legendre.leggauss(40)
    x, w = np.concatenate([(1 + nodes) / 4, (3 + nodes) / 4]), np.tile(weights / 4, 2)
    y, v = np.polynomial.hermite_e.hermegauss(8)
    xi = np.stack(np.meshgrid(y, y, y, y, indexing="ij"), axis=-1).reshape(-1, 4)
    density = np.prod(np.meshgrid(v, v, v, v, indexing="ij"), axis=0).ravel() / v.sum() ** 4
    m = np.arange(1, 5)
    slow = np.exp(-0.3 * xi @ (np.sin(np.pi * np.outer(m, x)) / m[:, None]))
    c = slow @ (w * x) / (slow @ w)
    centre = c * (slow[:, :40] @ w[:40]) - slow[:, :40] @ (w * x)[:40]
    mean = density @ centre
    metrics = found.metrics["statistics"]
    assert metrics["centre"]["mean"] == pytest.approx(mean, rel=1e-5)
    assert metrics["centre"]["variance"] == pytest.approx(density @ (centre - mean) ** 2, rel=1e-3)
    assert metrics["flux"]["mean"] == pytest.approx(density @ (c - 1), rel=1e-4)
    assert metrics["flux"]["std"] == pytest.approx(np.sqrt(density @ (c - density @ c) ** 2), rel=1e-3)
    assert (found.folder / "figures" / "statistics.png").exists()
    with np.load(found.folder / "parameters.npz") as stored:
        assert stored["statistics.u.mean"][50] == pytest.approx(mean, rel=1e-4)
        low, high = stored["statistics.u.0.05"][50], stored["statistics.u.0.95"][50]
    assert low < mean < high and metrics["centre"]["quantiles"]["0.05"] == pytest.approx(low, rel=0.02)
    one = np.flatnonzero((np.abs(xi) < 3).all(axis=1))[100]
    values = dict(zip(("xi1", "xi2", "xi3", "xi4"), xi[one], strict=True))
    assert found.at(**values).field(x=0.5) == pytest.approx(centre[one], rel=1e-3)
    assert found.at(xi=xi[one]).field(x=0.5) == found.at(**values).field(x=0.5)


def cole_hopf(x, t, nu):
    """Burgers' equation from −sin(πx): a quotient of two integrals (Cole 1951, Hopf 1950), by the trapezoidal rule."""
    y = x[:, None] + np.linspace(-1, 1, 6001) * np.minimum(2, 12 * np.sqrt(4 * nu * t) + 4 * t)[:, None]
    exponent = -np.cos(np.pi * y) / (2 * np.pi * nu) - (x[:, None] - y) ** 2 / (4 * nu * t[:, None])
    weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return -(np.sin(np.pi * y) * weight).sum(axis=1) / weight.sum(axis=1)


@pytest.mark.slow
def test_burgers_equation_at_nine_viscosities_that_were_not_solved_for(tmp_path):
    words = [*QUIET, "report=none", "reference=none", "accuracy=1e-3"]
    found = pinn.solve("burgers_family", *words, folder=tmp_path / "run", quiet=True)
    solved, rng = [row["nu"] for row in found.metrics["nodes"]["values"]], np.random.default_rng(0)
    x, t = rng.uniform(-1, 1, 600), rng.uniform(0.02, 1, 600)
    x[::3] *= 0.05
    for nu in np.geomspace(0.0033, 0.097, 9):
        assert min(abs(nu / other - 1) for other in solved) > 1e-3
        exact = cole_hopf(x, t, nu)
        error = np.linalg.norm(found.field(x=x, t=t, nu=nu) - exact) / np.linalg.norm(exact)
        assert error < 1e-3, (nu, error)


NETWORK = ["network.width=8", "points.interior=256", "points.surface=64", "solver.stages.adam.steps=50"]


@pytest.mark.parametrize("words", [["hard=[initial,walls]"], ["decomposition=windows", "decomposition.cells={a: 2, x: 1}"]])
def test_networks_take_parameters_as_inputs(words, tmp_path):
    settings = [*QUIET, *NETWORK, "solver.stages.broyden.steps=200", "report=none", *words]
    found = pinn.solve(HEAT, *settings, folder=tmp_path / "run", quiet=True)
    x, t, a = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 0.5, 5), np.linspace(0.1, 1, 7))
    assert np.abs(found.field(x=x, t=t, a=a) - exact(x, t, a)).max() < 0.05
    assert found.error < 0.03 and found.metrics["parameters"]["worst"]["source"] == "exact"
    if "hard" in words[0]:
        assert np.abs(found.field(x=[0.0, 1.0], t=0.3, a=[0.2, 0.9])).max() < 1e-14
        np.testing.assert_allclose(found.field(x=0.3, t=0.0, a=[0.1, 0.7]), np.sin(0.3 * np.pi), rtol=1e-13)
    step = 1e-4
    ends = found.field(x=0.5, t=0.2, a=[0.4 - step, 0.4 + step])
    assert found.derivative("u_a", x=0.5, t=0.2, a=0.4) == pytest.approx(np.diff(ends)[0] / (2 * step), rel=1e-5)


def test_a_constant_becomes_a_parameter_and_back():
    prepared = prepare("burgers", ["+problem.parameters.nu=[0.01,0.1]", "~problem.constants.nu"])
    assert [parameter.name for parameter in prepared.problem.parameters] == ["nu"] and prepared.problem.box[2].tolist() == [
        0.01,
        0.1,
    ]
    prepared = prepare("burgers", ["+problem.parameters.nu={range: [0.01/pi, 0.1], scale: log}", "~problem.constants.nu"])
    assert prepared.problem.parameters[0].scale == "log"
    prepared = prepare("burgers_family", ["~problem.parameters.nu", "+problem.constants.nu=0.02", "problem.quantities=null"])
    assert prepared.problem.parameters == () and prepared.problem.names == ("x", "t")
    prepared = prepare("burgers_family", ["problem.parameters.nu=[0.05,0.1]"])
    assert prepared.problem.parameters[0].low == 0.05
    with pytest.raises(BadInput, match="already declared"):
        prepare("burgers", ["+problem.parameters.nu=[0.01,0.1]"])


def test_the_command_line_shows_and_checks_families(capsys):
    assert main(["show", "burgers_family"]) == 0
    assert "nu in [0.0031831, 0.1], logarithmic" in capsys.readouterr().out
    assert main(["check", "burgers_family"]) == 0
    assert "steepness(nu)" in capsys.readouterr().out
    assert main(["check", "burgers_family", "decomposition=adaptive"]) == 2
    assert "adaptive needs a problem without parameters" in capsys.readouterr().err
