"""Quantities of interest: refused before the training when they cannot be evaluated, afterwards compared with the reference."""

import json

import numpy as np
import pytest

from pinn.judge.choose import reference
from pinn.judge.reference import Reference, no_reference
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.run.cli import main
from pinn.run.prepare import check_quantities
from pinn.run.quantities import arrays, quantities

TEXT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = 0.4*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-0.4*pi**2*t)*sin(pi*x)",
    "quantities": {
        "flux": "u_x(x=1)",
        "energy": "integral(u**2)",
        "centre": "u(x=0.5, t=0.1)",
        "slope": "u*u_x",
        "log": "log(u - 5)",
    },
}
AXES = (np.linspace(0, 1, 7), np.linspace(0, 1, 5))


def off(problem, factor):
    """The exact solution times a factor: every error is known."""
    return lambda points, request: factor * problem.exact_values(request, points)


@pytest.fixture(scope="module")
def problem():
    return read_problem(TEXT)


def by_name(found):
    return {quantity.name: quantity for quantity in found}


def test_numbers_and_functions_carry_the_error_against_the_exact_solution(problem):
    found = by_name(quantities(problem, off(problem, 1.01), reference(problem), AXES))
    assert {name: quantity.coordinates for name, quantity in found.items()} == {
        "flux": ("t",), "energy": ("t",), "centre": (), "slope": ("x", "t"), "log": ("x", "t"),
    }  # fmt: skip
    decay = np.exp(-0.4 * np.pi**2 * AXES[1])
    np.testing.assert_allclose(found["flux"].reference, -np.pi * decay, rtol=1e-12)
    np.testing.assert_allclose(found["energy"].reference, decay**2 / 2, rtol=1e-12)
    assert found["slope"].values.shape == (7, 5)
    flux, energy, centre = (found[name].record() for name in ("flux", "energy", "centre"))
    assert flux["error"] == pytest.approx(0.01 * np.pi) and flux["relative_error"] == pytest.approx(0.01)
    assert (flux["coordinates"], flux["lowest"]) == (["t"], pytest.approx(-1.01 * np.pi))
    assert energy["relative_error"] == pytest.approx(1.01**2 - 1)
    assert centre["value"] == pytest.approx(1.01 * centre["reference"]) and centre["error"] == pytest.approx(
        0.01 * centre["reference"]
    )
    assert found["log"].record()["error"] is None and found["log"].record()["why"] == "it is nowhere a finite number"


def test_a_reference_of_values_says_nothing_of_derivatives_nor_of_less_than_its_own_error(problem):
    def differences(bar):
        def values(points):
            return problem.exact_values(problem.values, points)

        return Reference("finite_difference", "observed", ("u",), relative_error={"u": bar}, at_points=values)

    found = by_name(quantities(problem, off(problem, 1.01), differences(1e-4), AXES))
    assert found["flux"].reference is None and found["flux"].record()["why"] == "the reference has values only, no derivatives"
    assert found["centre"].record()["relative_error"] == pytest.approx(0.01)
    unsure = by_name(quantities(problem, off(problem, 1.01), differences(0.004), AXES))["centre"].record()
    assert unsure["error"] is None and "itself known to 4.0e-03" in unsure["why"]
    nothing = by_name(quantities(problem, off(problem, 1.01), no_reference("none wanted"), AXES))["centre"].record()
    assert nothing["error"] is None and nothing["why"] == "there is no reference" and nothing["value"] > 0


def test_functions_are_stored_with_their_places(problem):
    stored = arrays(quantities(problem, off(problem, 1.0), reference(problem), AXES))
    assert set(stored) >= {"flux", "flux.t", "flux.reference", "slope", "slope.x", "slope.t"} and "centre" not in stored
    np.testing.assert_array_equal(stored["flux.t"], AXES[1])


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("u(x=2*x)", "quantities.flux: looks up an unknown at x="),
        ("log(x - x - 1)", "quantities.flux: is not a finite number anywhere, whatever the solution"),
        ("u/(x - x)", "quantities.flux: is not a finite number anywhere"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_before_the_training(formula, message):
    with pytest.raises(BadInput) as caught:
        check_quantities(read_problem({**TEXT, "quantities": {"flux": formula}}))
    assert str(caught.value).startswith(message)


def test_the_file_and_the_line_are_told(here, capsys):
    text = json.dumps({**TEXT, "quantities": {}})[:-1].replace('"quantities": {}', '"quantities":\n  {"far": "u(x=2*x)"}')
    (here / "rod.yaml").write_text(text + "}\n")
    for verb in ("check", "run"):
        assert main([verb, "rod.yaml"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("pinn: rod.yaml line 2: quantities.far: looks up an unknown at x=") and said.count("\n") == 3
    assert [path.name for path in here.iterdir()] == ["rod.yaml"]


def test_a_run_writes_numbers_and_functions(here, small):
    words = ["problem.quantities={flux: u_x(x=1), centre: 'u(x=0.5, t=0.1)'}", "folder=run"]
    assert main(["run", "heat_1d", *small, *words]) == 0
    found = json.loads((here / "run" / "metrics.json").read_text())
    assert found["quantities"]["centre"]["value"] == pytest.approx(found["quantities"]["centre"]["reference"], abs=1.0)
    assert found["quantities"]["flux"]["coordinates"] == ["t"]
    assert found["weights"] == {"heat": 1.0, "initial": 100.0, "walls": 100.0}
    with np.load(here / "run" / "quantities.npz") as stored:
        assert stored["flux"].shape == stored["flux.t"].shape == stored["flux.reference"].shape
        assert np.abs(stored["flux"] - stored["flux.reference"]).max() == pytest.approx(found["quantities"]["flux"]["error"])
