"""The tree of shipped settings and the classes behind it say the same."""

import dataclasses

import pytest
import yaml

from pinn.problem.settings import BadInput, Settings
from pinn.problem.text import read_text
from pinn.run.build import build, option, plain, targets
from pinn.run.compose import Source, compose
from pinn.run.configuration import Configuration, changes, read_configuration, record
from pinn.run.options import config_folder, groups
from pinn.solver.staged import Staged

OPTIONS = [(group, name) for group, names in groups().items() for name in names if group not in ("problem", "experiment")]
PROBLEM = {"coordinates": {"x": [0, 1]}, "unknowns": ["u"], "equations": {"e": "u_xx = 1"}}


def configuration(*words):
    if not any(word.startswith("solver=") for word in words):
        words = ("solver=adam_broyden", *words)
    return read_configuration(compose(Source("mine", problem=PROBLEM), words))


@pytest.mark.parametrize(("group", "name"), OPTIONS)
def test_a_file_lists_every_setting_of_its_class(group, name):
    mapping = read_text(config_folder() / group / f"{name}.yaml").mapping
    kind = option(mapping["_target_"])
    assert issubclass(kind, Settings)
    listed = set(mapping) - {"_target_", "defaults"}
    composed = {"stages", "until"} if kind is Staged else set()
    assert listed | composed == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(("group", "name"), [pair for pair in OPTIONS if "/" not in pair[0] and pair[0] != "stage"])
def test_every_option_can_be_chosen_and_recorded(group, name):
    needed = ["solver=least_squares"] if name == "local_features" else []
    if name == "auto":
        pytest.skip("what it chooses is recorded in its place")
    chosen = configuration(f"{group}={name}", *needed)
    again = read_configuration(record(chosen))
    assert dataclasses.replace(again, version="") == chosen


@pytest.mark.parametrize("name", groups()["stage"])
def test_every_stage_can_be_added(name):
    stages = configuration(f"+stage@solver.stages.last={name}").solver.stages
    assert list(stages)[-1] == "last"


def test_settings_survive_the_way_to_mappings_and_back():
    chosen = configuration("network.width=1e2", "weights.e=3")
    assert chosen.network.width == 100
    assert build(plain(chosen.network)) == chosen.network
    assert chosen.weights == {"conditions": 100, "interfaces": 100, "e": 3}


def test_only_settings_classes_are_on_the_closed_list():
    assert all(issubclass(option(name), Settings) for name in targets())


@pytest.mark.parametrize("name", ["os.system", "pinn.solve", "pinn.BadInput", "builtins.eval", 3, None, ["pinn.MLP"]])
def test_nothing_else_is_ever_looked_up(name):
    with pytest.raises(BadInput, match="_target_ must be one of pinn.MLP, "):
        build({"_target_": name}, "network")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "pinn.MLP", "widht": 3}, "unknown setting 'network.widht'; did you mean 'network.width'?"),
        ({"_target_": "pinn.MLP", "width": "no"}, "network.width must be a whole number, got 'no'"),
        ({"_target_": "pinn.MLQ"}, "did you mean 'pinn.MLP'?"),
        ({"_target_": "pinn.Staged"}, "setting 'network.stages' has no value"),
        ({"_target_": "pinn.MLP", "width": {"_target_": "pinn.MLP"}}, "network.width must be a whole number"),
    ],
)
def test_what_is_said_about_wrong_settings(node, message):
    with pytest.raises(BadInput) as caught:
        build(node, "network")
    assert message in str(caught.value)


def test_entry_points_extend_the_closed_list(monkeypatch):
    import importlib.metadata

    point = importlib.metadata.EntryPoint("theirs.Net", "pinn.field.network.mlp:MLP", "pinn.options")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == "pinn.options" else [])
    targets.cache_clear()
    try:
        assert build({"_target_": "theirs.Net", "width": 3}).width == 3
    finally:
        targets.cache_clear()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed must be at least 0"),
        ({"seed": 2**40}, "seed must be at most"),
        ({"seed": "None"}, "'None' is text in YAML"),
        ({"version": "2.1"}, "made by pinn 2.1, this is 0."),
        ({"version": "new"}, "version must be a version"),
        ({"device": "gpu"}, "device must be cpu, cuda"),
        ({"device": "mps"}, "use precision=float32"),
        ({"precision": "float16"}, "precision must be one of float64, float32"),
        ({"weights": {"e": -1}}, "weights.e must be a number of at least 0"),
        ({"weights": {"e": "inf"}}, "weights.e must be"),
        ({"network": "mlp"}, "network must be"),
        ({"network": None}, "network must be"),
        ({"solver": {"_target_": "pinn.Adam"}}, "solver must be settings of Staged or settings of CellLeastSquares, got Adam("),
        ({"points": {"_target_": "pinn.MLP"}}, "points must be settings of Points, got MLP("),
        ({"problem": "heat"}, "problem must be the text of a problem"),
        ({"extra": 3}, "unknown setting 'extra'"),
        ({"sede": 3}, "unknown setting 'sede'; did you mean 'seed'?"),
    ],
)
def test_a_record_is_checked_like_a_command_line(change, message):
    with pytest.raises(BadInput) as caught:
        read_configuration({**record(configuration()), **change})
    assert message in str(caught.value)


def test_changes_name_the_setting():
    before = {"problem": {"constants": {"a": 0.1}}, "seed": 0, "hard": []}
    after = {"problem": {"constants": {"a": 0.2}}, "seed": 0, "new": 1}
    assert changes(before, after) == [("problem.constants.a", 0.1, 0.2), ("hard", [], None), ("new", None, 1)]
    assert changes(before, before) == []


def test_every_top_level_setting_is_in_the_file():
    listed = set(yaml.safe_load((config_folder() / "config.yaml").read_text())) - {"defaults"}
    grouped = {"problem", "decomposition", "launch", "network", "points", "solver", "reference", "report", "version", "chosen"}
    assert listed | grouped == {field.name for field in dataclasses.fields(Configuration)}


def test_weights_go_by_term_then_condition_then_kind():
    from pinn.problem.language import read_problem
    from pinn.run.configuration import weight_of

    problem = read_problem(
        {
            "coordinates": {"x": [0, 1], "t": [0, 1]},
            "unknowns": ["u"],
            "equations": {"wave": "u_tt = u_xx"},
            "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)", "u_t": 0}, "walls": {"at": "boundary", "u": 0}},
        }
    )
    chosen = configuration("weights.initial=7", "weights.equations=3", "weights.walls=5")
    found = {row.name: weight_of(chosen, row) for row in problem.residuals}
    assert found == {"wave": 3, "initial.u": 7, "initial.u_t": 7, "walls": 5}
    assert weight_of(configuration(), problem.conditions[0]) == 100
