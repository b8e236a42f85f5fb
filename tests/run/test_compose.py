"""Words of the command line: what they mean and what is said about those that mean nothing."""

import copy

import pytest

from pinn.problem.settings import BadInput
from pinn.run.compose import Source, compose
from pinn.run.options import groups

PROBLEM = {
    "title": "Heat",
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "constants": {"a": "0.01/pi"},
    "equations": {"heat": "u_t = a*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
}
SOURCE = Source("mine", problem=PROBLEM)


def composed(*words, source=SOURCE):
    return compose(source, words)


def test_a_problem_file_reaches_the_settings_unchanged():
    settings = composed()
    assert settings["problem"] == PROBLEM
    assert list(settings["problem"]) == list(PROBLEM)
    assert settings["name"] == "mine"


def test_names_with_quotes_survive():
    assert compose(Source("it's 1, really", problem=PROBLEM))["name"] == "it's 1, really"


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("problem.constants.a=0.3", ("constants", "a"), 0.3),
        ("problem.constants.a=0.01/pi", ("constants", "a"), "0.01/pi"),
        ("problem.exact=sin(pi*x)*exp(-t)", ("exact",), "sin(pi*x)*exp(-t)"),
        ("problem.exact=max(x, 0)", ("exact",), "max(x, 0)"),
        ("problem.exact='max(x, 0)'", ("exact",), "max(x, 0)"),
        ("problem.conditions.initial.at=t = 0", ("conditions", "initial", "at"), "t = 0"),
        ("problem.conditions.initial.u=(x+1)/2", ("conditions", "initial", "u"), "(x+1)/2"),
        ("problem.equations.heat=u_t - 0.4*u_xx", ("equations", "heat"), "u_t - 0.4*u_xx"),
        ("problem.conditions.walls={periodic: x}", ("conditions", "walls"), {"periodic": "x"}),
        ("+problem.conditions.more={at: x = 0, u: sin(t)}", ("conditions", "more"), {"at": "x = 0", "u": "sin(t)"}),
        ("+problem.constants.k=2", ("constants", "k"), 2),
        ("problem.coordinates.x=[0, 2*pi]", ("coordinates", "x"), [0, "2*pi"]),
        ("problem.title=Something else", ("title",), "Something else"),
    ],
)
def test_problem_texts_need_no_quotes(word, path, value):
    node = composed(word)["problem"]
    for key in path:
        node = node[key]
    assert node == value


def test_conditions_can_be_taken_away():
    assert list(composed("~problem.conditions.walls")["problem"]["conditions"]) == ["initial"]


def test_weights_take_names_of_terms_with_dots():
    assert composed("weights.initial.u_t=3", "weights.walls=2")["weights"] == {
        "conditions": 100,
        "interfaces": 100,
        "initial": {"u_t": 3},
        "walls": 2,
    }


def test_stages_are_added_exchanged_and_taken_away():
    added = composed("+stage@solver.stages.polish=self_scaled_broyden")["solver"]["stages"]
    assert list(added) == ["adam", "broyden", "polish"]
    assert composed("stage@solver.stages.broyden=adam")["solver"]["stages"]["broyden"]["_target_"] == "pinn.Adam"
    assert list(composed("~solver.stages.adam")["solver"]["stages"]) == ["broyden"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver.stages.adam.stps=5"], "unknown setting 'solver.stages.adam.stps'; did you mean 'solver.stages.adam.steps'?"),
        (["sovler.stages.adam.steps=5"], "unknown setting 'sovler.stages.adam.steps'; did you mean 'solver.stages.adam.steps'?"),
        (["steps=5"], "unknown setting 'steps'; did you mean 'solver.stages.adam.steps'?"),
        (["sed=1"], "unknown setting 'sed'; did you mean 'seed'?"),
        (["problem.titel=x"], "unknown setting 'problem.titel'; did you mean 'problem.title'?"),
        (["problem.constants.b=2"], "unknown setting 'problem.constants.b'; did you mean 'problem.constants.a'?"),
        (["+network.foo=1"], "unknown setting 'network.foo' ('+' cannot add settings here)"),
        (["++seed=1"], "unknown setting 'seed' ('++' cannot add settings here)"),
        (["network=mpl"], "unknown network 'mpl'; did you mean 'mlp'?"),
        (["network=3"], "'network' is a group of settings, not a number"),
        (["network=null"], "network must be chosen; available: "),
        (["network.width=10,20"], "several values for 'network.width' need -m, or write [10,20]"),
        (["network=mlp,mlp"], "several values for 'network' need -m"),
        (["network.width=[1"], "missing ']' in 'network.width=[1'"),
        (["network.width=1)"], "unexpected ')' in 'network.width=1)'"),
        (["network.width=a(b)"], "cannot read 'network.width=a(b)'; put the value in quotes"),
        (["problem.exact=sin(x"], "missing ')' in 'problem.exact=sin(x'"),
        (["~problem"], "problem must be chosen; available: "),
        (["~network"], "'network' cannot be taken away"),
        (["problem=wave"], "problem is given twice"),
        (["solver/until=budgt"], "unknown until 'budgt'; did you mean 'budget'?"),
        (["seed=${nope}"], "'seed' refers to 'nope', which does not exist"),
        (["seed=${seed}"], "'seed' refers to itself"),
        (["seed=${oc.env:HOME}"], "environment lookups are not"),
        (["seed=???"], "setting 'seed' has no value"),
        (["hydra.job.name=x"], "'hydra.job.name' cannot be set here"),
        (["hydra/launcher=joblib"], "'hydra/launcher' needs -m"),
        (["hydra/job_logging=none"], "'hydra/job_logging' cannot be set here"),
        (["=3"], "'=3' is not understood; settings are written name=value"),
    ],
)
def test_what_is_said_about_words_that_mean_nothing(words, message):
    with pytest.raises(BadInput) as caught:
        composed(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [[], ["problem=null"], ["problem="], ["problem=???"]])
def test_a_problem_has_to_be_chosen(words):
    with pytest.raises(BadInput, match="problem must be chosen; available: "):
        compose(Source(), words)


def test_a_record_gives_the_same_settings_again_and_takes_values_only():
    settings = composed("network.width=17", "seed=5")
    record = {"version": "0.1.0", **settings}
    again = Source("mine", experiment=record)
    assert compose(again) == record
    assert compose(again, ["network.width=19"])["network"]["width"] == 19
    with pytest.raises(BadInput, match="takes values, not other options: 'network=mlp'"):
        compose(again, ["network=mlp"])


def test_a_partial_settings_file_lies_over_the_defaults():
    file = {"problem": copy.deepcopy(PROBLEM), "points": "sobol", "network": {"width": 11}, "seed": 9}
    settings = compose(Source("mine", experiment=file), ["threads=1"])
    assert settings["problem"] == PROBLEM
    assert (settings["network"]["width"], settings["seed"], settings["threads"]) == (11, 9, 1)
    assert settings["points"]["rule"] == "sobol"


def test_hydra_cannot_be_set_in_a_file():
    with pytest.raises(BadInput, match="'hydra' cannot be set in a file"):
        compose(Source(experiment={"problem": PROBLEM, "hydra": {"callbacks": {}}}))


def test_somebody_elses_hydra_application_goes_on_undisturbed(tmp_path):
    from hydra import compose as outer_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    (tmp_path / "theirs.yaml").write_text("a: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.2"):
        outer = GlobalHydra.instance().hydra
        assert composed("seed=3")["seed"] == 3
        assert GlobalHydra.instance().hydra is outer
        assert outer_compose("theirs").a == 1


def test_groups_are_read_from_the_tree():
    assert list(groups())[0] == "problem"
    assert {"network", "points", "solver", "solver/until", "stage", "reference", "report"} <= set(groups())


@pytest.mark.parametrize("text", ["sp ace é", "a, [b", "x=1", "(", "it's"])
def test_a_folder_may_have_any_name(text):
    assert composed(f"folder={text}")["folder"] == text
