"""The Python call: everything the command line takes, and a result that can be asked."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pinn  # noqa: E402
from pinn.run.prepare import prepare  # noqa: E402
from pinn.run.solve import _with_network  # noqa: E402


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    from tests.run.conftest import SMALL

    folder = tmp_path_factory.mktemp("runs") / "api"
    words = [word for word in SMALL if "broyden" not in word]
    return pinn.solve("heat_1d", *words, "solver.stages.broyden.steps=60", seed=1, folder=folder, quiet=True)


def test_the_result_carries_its_error(result):
    x, t = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 11))
    exact = np.exp(-0.4 * np.pi**2 * t) * np.sin(np.pi * x)
    error = np.linalg.norm(result.field(x=x, t=t) - exact) / np.linalg.norm(exact)
    assert result.error == pytest.approx(error, rel=0.2)
    assert result.metrics["error"]["source"] == "exact"
    assert (result.folder / "metrics.json").exists()
    assert "error" in str(result) and str(result.folder) in str(result)


def test_a_result_says_in_one_line_what_it_is(result):
    assert (result.verdict, result.estimate) == (result.metrics["verdict"], result.metrics["estimate"]["relative_l2"])
    assert repr(result).startswith(f"<Result of heat_1d: {result.verdict}, error {result.error:.1e}, ") and len(repr(result)) < 80


def test_the_solution_serves_for_derivatives_of_any_kind(result):
    points = np.array([[0.3, 0.1], [0.6, 0.2]])
    slopes = pinn.derivatives.jacobian(result.solution, points)[:, 0]
    np.testing.assert_allclose(slopes[:, 0], result.derivative("u_x", x=points[:, 0], t=points[:, 1]), rtol=1e-12)


def test_quantities_of_a_result(result):
    assert result.quantities == result.metrics["quantities"] == {}


def test_derivatives_are_those_of_the_field(result):
    x, step = np.linspace(0.2, 0.8, 7), 1e-4
    for name, shift in (("u_x", {"x": step, "t": 0.0}), ("u_t", {"x": 0.0, "t": step})):
        difference = (result.field(x=x + shift["x"], t=0.5 + shift["t"]) - result.field(x=x - shift["x"], t=0.5 - shift["t"])) / (
            2 * step
        )
        np.testing.assert_allclose(result.derivative(name, x=x, t=0.5), difference, atol=1e-6)
    second = (result.derivative("u_x", x=x + step, t=0.5) - result.derivative("u_x", x=x - step, t=0.5)) / (2 * step)
    np.testing.assert_allclose(result.derivative("u_xx", x=x, t=0.5), second, atol=1e-5)
    assert result.derivative("u_xt", x=0.5, t=0.5).shape == ()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.field(x=1), "coordinate t is missing; give x, t"),
        (lambda r: r.field(x=[0.5, 1.5], t=0), "x=1.5 lies outside the domain, where x runs from 0 to 1"),
        (lambda r: r.derivative("u_t", x=0.5, t=float("nan")), "t=nan lies outside the domain"),
        (lambda r: r.field(y=1, t=0), "'y' is not a coordinate"),
        (lambda r: r.field("v", x=1, t=0), "unknown 'v' is not in the problem"),
        (lambda r: r.derivative("u_z", x=1, t=0), "'z' is not made of coordinates x, t"),
        (lambda r: r.derivative("v_x", x=1, t=0), "is not a derivative of u"),
    ],
)
def test_what_is_said_when_asked_wrongly(result, ask, message):
    with pytest.raises(pinn.BadInput) as caught:
        ask(result)
    assert message in str(caught.value)


def test_a_problem_may_be_a_mapping_a_file_or_read_before(here, small):
    text = {
        "coordinates": {"x": (0, 1)},
        "unknowns": ["u"],
        "equations": {"e": "u_xx = -sin(pi*x)"},
        "conditions": {"w": {"at": "boundary", "u": 0}},
    }
    by_mapping = pinn.solve(text, *small, folder="a", quiet=True)
    by_problem = pinn.solve(pinn.read_problem({**text, "coordinates": {"x": [0, 1]}}), *small, folder="b", quiet=True)
    (here / "mine.yaml").write_text(
        "coordinates: {x: [0, 1]}\nunknowns: [u]\nequations: {e: u_xx = -sin(pi*x)}\nconditions: {w: {at: boundary, u: 0}}\n"
    )
    by_file = pinn.solve(here / "mine.yaml", *small, folder="c", quiet=True)
    x = np.linspace(0, 1, 5)
    np.testing.assert_array_equal(by_mapping.field(x=x), by_problem.field(x=x))
    np.testing.assert_array_equal(by_mapping.field(x=x), by_file.field(x=x))
    assert by_file.metrics["reference"]["kind"] == "finite_difference"


def test_a_torch_module_is_solved_with(here, small):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    before = module[0].weight.clone()
    words = [word for word in small if not word.startswith("network")]
    result = pinn.solve("heat_1d", *words, network=module, folder="m", quiet=True)
    parts = result.solution.field.layout.unpack(result.solution.theta)
    assert list(parts) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert torch.equal(module[0].weight, before) and not torch.allclose(parts["0.weight"], before.double())
    with pytest.raises(pinn.BadInput, match="can only be given in Python"):
        pinn.solve(here / "m" / "config.yaml", quiet=True)


def test_a_network_is_trained_where_cells_would_be_chosen_and_by_the_solver_of_a_file(here):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    quick = {"problem": "heat_1d", "seed": 3, "report": "none"}
    (here / "open.yaml").write_text(f"{quick}")
    (here / "said.yaml").write_text(f"{quick | {'solver': 'soap'}}")
    made = [
        _with_network(prepare(name, []), module, [])
        for name in ("heat_1d", "open.yaml", "said.yaml")
    ]  # fmt: skip
    assert [each.configuration.solver.title for each in made] == ["adam+broyden", "adam+broyden", "soap"]
    assert made[0].configuration.chosen == "solver=adam_broyden: a network is given" and made[2].configuration.chosen == ""
    cells = _with_network(prepare("heat_1d"), pinn.LocalFeatures(degree=9), [])
    assert (cells.configuration.solver.title, cells.configuration.network.degree) == ("least_squares", 9)
    with pytest.raises(pinn.BadInput, match="local_features are for solver=least_squares"):
        _with_network(prepare("heat_1d", ["solver=soap"]), pinn.LocalFeatures(degree=9), [])


def test_settings_of_a_network_are_an_argument_too(here, small):
    words = [word for word in small if not word.startswith("network")]
    results = [
        pinn.solve("heat_1d", *words, "network=separable", "network.width=5", "network.rank=2", folder="a", quiet=True),
        pinn.solve("heat_1d", *words, network=pinn.Separable(width=5, depth=2, rank=2), folder="b", quiet=True),
    ]
    assert results[0].metrics["loss"] == results[1].metrics["loss"]


@pytest.mark.parametrize(
    ("network", "words", "message"),
    [
        (3, [], "network.module must be a torch.nn.Module, got 3"),
        ("mlp", [], "an option is the word 'network=mlp'"),
        (torch.nn.Linear(2, 1), ["network.width=3"], "given twice: as an argument, and by 'network.width=3'"),
        (torch.nn.Linear(3, 1), [], "takes no points with 2 inputs"),
        (torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()), [], "ReLU has no continuous second derivative"),
    ],
)
def test_networks_that_are_refused(here, network, words, message):
    with pytest.raises(pinn.BadInput) as caught:
        pinn.solve("heat_1d", *words, network=network, quiet=True)
    assert message in str(caught.value)
    assert list(here.iterdir()) == []


def test_bad_input_is_an_exception_and_writes_nothing(here):
    with pytest.raises(pinn.BadInput, match="did you mean 'heat_1d'"):
        pinn.solve("heat1d")
    with pytest.raises(pinn.BadInput, match="made without text"):
        pinn.solve({})
    assert list(here.iterdir()) == []
