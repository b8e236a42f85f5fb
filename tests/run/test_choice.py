"""Which solver solves a problem when nobody says, and what settings say it."""

import pytest

import pinn
from pinn.problem.settings import BadInput
from pinn.run.build import build
from pinn.run.compose import Source, compose
from pinn.run.configuration import in_cells, read_configuration, record
from pinn.run.decide import decided, instead, is_open
from pinn.run.prepare import prepare, prepare_settings

POISSON = {"unknowns": ["u"], "equations": {"e": "laplacian(u) = 1"}, "conditions": {"walls": {"at": "boundary", "u": 0}}}
NONLINEAR = {**POISSON, "coordinates": {"x": [0, 1]}, "equations": {"e": "u_xx = exp(u)"}}


def in_coordinates(dim):
    return {**POISSON, "coordinates": {name: [0, 1] for name in "wxyz"[:dim]}}


def chosen(text, *words):
    """Return the name of the solver and why it was chosen."""
    configuration = prepare_settings(compose(Source("mine", problem=text), words)).configuration
    return configuration.solver.title, configuration.chosen


def of_file(here, text, *words):
    (here / "study.yaml").write_text(text)
    return prepare("study.yaml", words).configuration


@pytest.mark.parametrize(
    ("text", "solver", "why"),
    [
        (in_coordinates(1), "least_squares", "1 coordinate, order 2, linear, so that each cover takes one solve"),
        (in_coordinates(3), "least_squares", "3 coordinates, order 2, linear, so that each cover takes one solve"),
        (NONLINEAR, "least_squares", "1 coordinate, order 2, nonlinear, so Gauss-Newton in cells"),
        (in_coordinates(4), "adam+broyden", "4 coordinates are many for cells, so a network is trained"),
    ],
)
def test_the_solver_follows_from_the_text(text, solver, why):
    assert chosen(text) == (solver, f"solver={solver.replace('+', '_')}: {why}")


@pytest.mark.parametrize("word", ["precision=float32", "device=auto", "derivatives=autograd", "hard=[walls]"])
def test_settings_that_only_training_follows_choose_it(word):
    assert chosen(in_coordinates(2), word) == (
        "adam+broyden", "solver=adam_broyden: settings of a network, its points or its device are given",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "solver"),
    [
        (["network.width=9"], "adam+broyden"),
        (["network=mlp"], "adam+broyden"),
        (["network=fourier"], "adam+broyden"),
        (["points=sobol"], "adam+broyden"),
        (["points.interior=99"], "adam+broyden"),
        (["solver.stages.broyden.steps=9"], "adam+broyden"),
        (["solver.until.seconds=9"], "adam+broyden"),
        (["solver/until=budget"], "adam+broyden"),
        (["experiment=null", "solver.until.seconds=9"], "adam+broyden"),
        (["~solver.stages.adam"], "broyden"),
        (["+stage@solver.stages.last=lbfgs"], "adam+broyden+last"),
        (["solver=adam_lbfgs", "solver.until.seconds=9"], "adam+lbfgs"),
        (["solver.tolerance=1e-6"], "least_squares"),
        (["solver.most_cells=9"], "least_squares"),
        (["solver.seconds=9"], "least_squares"),
        (["solver.steps=9"], "least_squares"),
        (["solver.cells={x: 3}", "network.degree=5"], "least_squares"),
        (["network.degree=5"], "least_squares"),
    ],
)
def test_settings_that_one_solver_has_are_a_persons_choice_of_it(words, solver):
    assert chosen(in_coordinates(2), *words) == (solver, "")


@pytest.mark.parametrize(
    "words", [["accuracy=1e-6"], ["weights.walls=3"], ["threads=2"], ["seed=3"], ["report=none"], ["device=cpu"]]
)
def test_other_settings_leave_the_choice_open(words):
    solver, why = chosen(in_coordinates(2), *words)
    assert solver == "least_squares" and why


def test_settings_of_what_was_chosen_arrive():
    settings = compose(Source("mine", problem=in_coordinates(2)), ["solver.cells={x: 3}", "solver.cells.w=2", "network.degree=5"])
    solver, network = in_cells(prepare_settings(settings).configuration)
    assert (solver.cells, network.degree) == ({"x": 3, "w": 2}, 5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["network=local_features"], "network must be another network, such as mlp; local_features are for solver=least_squares"),
        (["solver=least_squares", "network=mlp"], "network must be local_features"),
        (["solver=least_squares", "hard=[walls]"], "hard must be empty with solver=least_squares"),
        (["solver=least_squares", "solver.until.seconds=9"], "unknown setting 'solver.until.seconds'; did you mean 'solver.seconds'?"),
        (["solver=adam_lbfgs", "solver.tolerance=1e-6"], "unknown setting 'solver.tolerance'"),
        (["solver.cells={q: 3}"], "solver.cells unknown coordinate 'q'; coordinates: w, x"),
        (["solver.cells={x: 0}"], "solver.cells.x must be a whole number of at least 1, got 0"),
        (["solver=adam_lbfgs", "solver.cells={x: 3}"], "unknown setting 'solver.cells'"),
        (["solver.tolerence=1e-6"], "unknown setting 'solver.tolerence'"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_refused(words, message):
    with pytest.raises(BadInput) as caught:
        chosen(in_coordinates(2), *words)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "solver"),
    [
        ("seed: 3", "least_squares"),
        ("solver: auto", "least_squares"),
        ("solver: {stages: {broyden: {steps: 9}}}", "adam+broyden"),
        ("solver: {until: {seconds: 9}}", "adam+broyden"),
        ("solver: {tolerance: 1.0e-5}", "least_squares"),
        ("solver: {most_cells: 7}\nnetwork: {degree: 5}", "least_squares"),
        ("network: {width: 9}", "adam+broyden"),
        ("network: mlp", "adam+broyden"),
        ("points: {interior: 99}", "adam+broyden"),
        ("solver: adam_lbfgs\nnetwork: {width: 9}", "adam+lbfgs"),
        ("experiment: poisson_5d\nnetwork: {width: 9}", "adam+broyden"),
    ],
)
def test_files_with_settings_choose_in_the_same_way(here, text, solver):
    found = of_file(here, f"problem: poisson_2d\n{text}\n")
    assert found.solver.title == solver
    assert bool(found.chosen) == (text in ("seed: 3", "solver: auto"))


def test_values_in_a_file_are_kept(here):
    assert of_file(here, "problem: poisson_2d\nsolver: {tolerance: 1.0e-5}\n").solver.tolerance == 1e-5
    assert of_file(here, "problem: poisson_2d\nsolver: {stages: {broyden: {steps: 9}}}\n").solver.stages["broyden"].steps == 9
    network = of_file(here, "problem: poisson_2d\nnetwork: fourier\n", "network.width=17").network
    assert (type(network), network.width) == (pinn.FourierFeatures, 17)
    assert of_file(here, "problem: poisson_2d\nnetwork: fourier\n", "solver=adam_lbfgs").solver.title == "adam+lbfgs"
    assert of_file(here, "problem: poisson_2d\nseed: 3\n", "solver.until.seconds=9").solver.until.seconds == 9


def test_a_setting_of_no_solver_is_refused_though_none_is_chosen(here):
    with pytest.raises(BadInput, match="unknown setting 'solver.tolerence'"):
        of_file(here, "problem: poisson_2d\nsolver: {tolerence: 1.0e-5}\n")


def test_what_is_left_open_is_closed_and_stays_closed():
    settings = compose(Source(name="poisson_2d"))
    assert is_open(settings) and isinstance(build(settings["solver"]), pinn.Auto)
    problem = prepare("poisson_2d").problem
    closed = decided(settings, problem)
    assert not is_open(closed) and closed["solver"]["_target_"] == "pinn.CellLeastSquares"
    kept = read_configuration(closed)
    assert kept.chosen.startswith("solver=least_squares: 2 coordinates")
    again = prepare_settings(record(kept)).configuration
    assert (again.solver, again.network, again.chosen) == (kept.solver, kept.network, kept.chosen)


def test_a_second_try_is_for_what_was_chosen_and_only_once():
    first = prepare("poisson_2d", ["weights.walls=3", "seed=4"]).configuration
    second = instead(first, "the rows are not finite")
    assert (second.solver.title, type(second.network), second.seed) == ("adam+broyden", pinn.MLP, 4)
    assert second.chosen == "solver=adam_broyden: the rows are not finite" and second.weights == first.weights
    assert instead(second, "again") is None
    assert instead(prepare("poisson_2d", ["solver=least_squares"]).configuration, "the rows are not finite") is None
