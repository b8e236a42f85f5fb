"""Bad input through the command line: one line that says what is wrong, exit code 2, nothing written, no traceback."""

import pytest

from pinn.run.cli import main

MINE = """\
title: Mine
coordinates: {x: [0, 1], t: [0, 1]}
unknowns: [u]
constants: {a: 0.4}
equations:
  heat: u_t = a*u_xx
conditions:
  initial: {at: t = 0, u: sin(pi*x)}
  walls: {at: boundary, u: 0}
"""

WORDS = [
    (["solver.stages.adam.stps=5"], "unknown setting 'solver.stages.adam.stps'; did you mean 'solver.stages.adam.steps'?"),
    (["+solver.stages.adam.foo=1"], "unknown setting 'solver.stages.adam.foo' ('+' cannot add settings here)"),
    (["solver.stages.adam.steps=abc"], "solver.stages.adam.steps must be a whole number, got 'abc'"),
    (["solver.stages.adam.steps=1.5"], "solver.stages.adam.steps must be a whole number, got 1.5"),
    (["solver.stages.adam.steps=-5"], "solver.stages.adam.steps must be at least"),
    (["solver.stages.adam.steps=99999999999999999999"], "solver.stages.adam.steps must be at most 1000000000"),
    (["solver.stages.adam.rate=-1"], "solver.stages.adam.rate must be greater than 0"),
    (["solver.stages.adam.rate=nan"], "solver.stages.adam.rate must be a finite number"),
    (["solver.stages.adam.rate=inf"], "solver.stages.adam.rate must be a finite number"),
    (["solver.stages.adam.rate=1e400"], "solver.stages.adam.rate must be a finite number"),
    (["solver.stages.adam.rate="], "solver.stages.adam.rate has no value given"),
    (["solver.stages.adam.steps=null"], "solver.stages.adam.steps must be a whole number, got null"),
    (["solver.stages.adam=null"], "solver.stages.adam must be settings of a stage"),
    (["solver.until=3"], "solver.until"),
    (["seed=None"], "'None' is text in YAML"),
    (["seed=-1"], "seed must be at least 0"),
    (["seed=4294967296"], "seed must be at most"),
    (["seed=true"], "seed must be a whole number, got true"),
    (["seed=1,2"], "several values for 'seed' need -m, or write [1,2]"),
    (["network=mpl"], "unknown network 'mpl'; did you mean 'mlp'? available: "),
    (["network=3"], "'network' is a group of settings, not a number"),
    (["network.width=[1"], "missing ']' in 'network.width=[1'"),
    (["network.width=0"], "network.width must be at least 1"),
    (["network.depth=-1"], "network.depth must be at least 1"),
    (["network.width=no"], "network.width must be a whole number"),
    (["network.activation=tahn"], "did you mean 'tanh'?"),
    (["network.activation=relu"], "relu"),
    (["network._target_=os.system"], "_target_ must be one of pinn.MLP"),
    (["points=sobl"], "did you mean 'sobol'?"),
    (["points.interior=0"], "points.interior must be at least 1"),
    (["points.rule=sobl"], "points.rule must be one of"),
    (["weights.icc=1"], "weights unknown term 'icc'; terms: heat, initial, walls"),
    (["weights.walls=-1"], "weights.walls must be a number of at least 0"),
    (["hard=[wals]"], "hard unknown condition 'wals'; did you mean 'walls'?; conditions: initial, walls"),
    (["solver=adam_lbgfs"], "unknown solver 'adam_lbgfs'; did you mean 'adam_lbfgs'?"),
    (["solver=adam_lbfgs", "~solver.stages.adam", "points.redraw=10"], "needs fixed points; set points.redraw=null"),
    (["device=gpu"], "device must be cpu, cuda"),
    (["device=mps"], "use precision=float32"),
    (["precision=float16"], "precision must be one of float64, float32"),
    (["network.width=60000", "network.depth=9"], "GB; lower points.interior"),
    (["accuracy=0"], "accuracy must be greater than 0"),
    (["threads=0"], "threads must be at least 1"),
    (["version=2.1"], None),
    (["problem.equations.heat=u_t = b*u_xx"], "unknown name 'b'"),
    (["problem.equations.heat=u_t = sinn(x)"], "did you mean 'sin'?"),
    (["problem.coordinates.x=[1,0]"], "below"),
    (["problem.shapes={}", "problem.foo=1"], "unknown setting 'problem.foo'"),
    (["experiment=nope"], "unknown experiment 'nope'"),
]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(MINE)

    def trained(*arguments):
        raise AssertionError("this input should have been refused")

    monkeypatch.setattr("pinn.run.training.train", trained)


def said(arguments, capsys, tmp_path, lines=1, written=("mine.yaml",)):
    """Run the command line, check that it refuses politely, and return the first line it says."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.startswith("pinn: ")
    assert len(captured.err.splitlines()) <= lines, captured.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written)
    return captured.err.splitlines()[0]


@pytest.mark.parametrize(("words", "message"), WORDS, ids=[" ".join(words) for words, _ in WORDS])
def test_settings(words, message, capsys, tmp_path):
    line = said(["run", "mine.yaml", *words], capsys, tmp_path, lines=3)
    if message is not None:
        assert message in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], None),
        (["rnu"], "unknown verb 'rnu'; did you mean 'run'?"),
        (["--bogus"], "unknown option '--bogus'; see pinn --help"),
        (["run", "--bogus"], "unknown option '--bogus'; see pinn run --help"),
        (["run", "--config-name", "nope"], "unknown option '--config-name'"),
        (["run", "heat_1d", "--mulitrun"], "did you mean '--multirun'?"),
        (["run"], "problem must be chosen; available: "),
        (["run", "problem=null"], "problem must be chosen; available: "),
        (["run", "~problem"], "problem must be chosen; available: "),
        (["run", "wav"], "unknown problem 'wav'"),
        (["run", "heat1d"], "did you mean 'heat_1d'?"),
        (["run", "problem=heat1d"], "unknown problem 'heat1d'; did you mean 'heat_1d'?"),
        (["run", "heat_1d", "wave_1d"], "pinn run takes one problem, got 2"),
        (["run", "heat_1d", "problem=wave_1d"], "problem is given twice"),
        (["run", "heat_1d", "-m", "seed=0,-1"], "seed must be at least 0, got -1"),
        (["run", "heat_1d", "-m", "network=mlp,mpl"], "unknown network 'mpl'"),
        (["run", "heat_1d", "-m", "network.wdth=1,2"], "unknown setting 'network.wdth'; did you mean 'network.width'?"),
        (["run", "heat_1d", "-m", "seed=0,1", "hydra/launcher=jobli"], "unknown launcher 'jobli'; did you mean 'joblib'?"),
        (["run", "heat_1d", "-m", "seed=0,1", "hydra.callbacks.x=1"], "'hydra.callbacks.x' cannot be set here"),
        (["run", "nothing.yaml"], "no file 'nothing.yaml'"),
        (["run", "mine.yml"], "rename to mine.yaml"),
        (["check", "mine.yaml", "sed=1"], "unknown setting 'sed'; did you mean 'seed'?"),
        (["check", "a", "b"], "pinn check takes one problem, got 2"),
        (["show"], "pinn show needs one problem"),
        (["list", "heat"], "pinn list takes no further words"),
        (["resume"], "pinn resume needs one folder of a run"),
        (["resume", "nowhere"], "nowhere does not exist"),
        (["resume", "."], "is not the folder of a run"),
        (["resume", ".", "seed=1"], "pinn resume takes no settings"),
        (["compare"], "pinn compare needs folders of runs"),
        (["compare", "nowhere"], "nowhere does not exist"),
        (["plot", "nowhere"], "nowhere does not exist"),
        (["export", "nowhere", "--to", "a.vti"], "nowhere does not exist"),
        (["export", "nowhere"], "pinn export needs --to FILE"),
        (["export", "nowhere", "--to"], "option '--to' needs a value"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_command_lines(arguments, message, capsys, tmp_path):
    if message is None:
        assert main(arguments) == 0
        assert "usage: pinn VERB" in capsys.readouterr().out
    else:
        assert message in said(arguments, capsys, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no settings"),
        ("- 1\n- 2\n", "has no settings"),
        ("equation: u_t = u_xx\n", "settings (key 'problem'); did you mean 'equations'?"),
        ("a: 1\n", "neither a problem (key 'equations') nor settings (key 'problem')"),
        ("equations: {e: u_xx = 1}\n\tx: 1\n", "tab character; indent with spaces"),
        (MINE + "title: again\n", "'title' is already set on line 1"),
        (MINE.replace("a*u_xx", "b*u_xx"), "unknown name 'b'"),
        (MINE.replace("u: sin(pi*x)", "u: max(x, 0)"), "cut at the comma"),
        (MINE + "hydra: {callbacks: {}}\n", "'hydra' cannot be set in a file"),
        (MINE + "extra: 3\n", "unknown key 'extra'"),
        (MINE + "_target_: os.system\n", "unknown key '_target_'"),
        ("problem: heat_1d\nnetwork: {widht: 3}\n", "unknown setting 'network.widht'; did you mean 'network.width'?"),
        ("problem: heat1d\n", "unknown problem 'heat1d'; did you mean 'heat_1d'?"),
        ("problem: heat_1d\nextra: 3\n", "unknown setting 'extra'"),
        ("problem: heat_1d\nnetwork: {_target_: os.system}\n", "_target_ must be one of pinn.MLP"),
        ("problem: heat_1d\nseed: ${nope}\n", "'seed' refers to 'nope', which does not exist"),
        ("problem: heat_1d\nseed: ${oc.env:HOME}\n", "environment lookups are not allowed"),
        ("problem: heat_1d\nversion: '9.0'\n", None),
    ],
)
def test_files(text, message, capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    line = said(["run", "mine.yaml"], capsys, tmp_path, lines=3)
    assert message is None or message in line


def test_a_word_that_is_meant_for_a_file_or_a_folder(capsys, tmp_path):
    assert "'mine' is no shipped problem; for the file say ./mine.yaml" in said(["run", "mine"], capsys, tmp_path)
    run = tmp_path / "runs" / "0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("a: 1")
    (tmp_path / "heat_1d").mkdir()
    written = ("mine.yaml", "runs", "heat_1d")
    for arguments, message in (
        (["run", "runs"], "runs is a folder, not a problem"),
        (["show", "runs/0"], "runs/0 is the folder of a run; pinn resume runs/0 goes on with it"),
        (["list", "runs"], "for the runs in runs say pinn compare runs"),
        (["plot", "runs"], "runs holds runs, say which: runs/0"),
        (["resume", "mine.yaml"], "mine.yaml is not the folder of a run"),
    ):
        assert message in said(arguments, capsys, tmp_path, written=written)
    assert main(["check", "heat_1d"]) == 0  # a folder of that name does not stand before the problem


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "mine.yaml", "network.activation={}"],
        ["check", "mine.yaml", "network={}"],
        ["{}"],
        ["run", "--{}"],
        ["check", "mine.yaml", "seed=[{}"],
    ],
)
def test_long_values_are_not_repeated_whole(arguments, capsys, tmp_path):
    line = said([word.format("a" * 40 + "b" * 200) for word in arguments], capsys, tmp_path)
    assert "…" in line and "b" * 16 not in line.split("…")[0] and "b" * 20 not in line


def test_a_line_break_in_a_value_does_not_break_the_line(capsys, tmp_path):
    assert "unknown problem 'no\\npe'" in said(["check", "no\npe"], capsys, tmp_path)


def test_values_in_quotes_are_cut_and_what_stands_between_them_is_not():
    from pinn.problem.settings import BadInput
    from pinn.run.cli import told

    message = "'first' differs, and " + "words " * 20 + "then 'second'; it isn't " + "more " * 20 + "'third'"
    assert told(BadInput(message, detail="  x = 'y\n      ^")) == message + "\n  x = 'y\n      ^"


def test_a_launcher_that_is_not_installed_says_how_to_get_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("pinn.run.compose._launching", lambda: {"hydra/launcher": ["basic"], "hydra/sweeper": ["basic"]})
    words = ["run", "mine.yaml", "-m", "seed=0,1", "hydra/launcher=joblib"]
    assert "joblib is not installed; pip install 'pinn[joblib]' brings it" in said(words, capsys, tmp_path)
    assert main(["run", "--help"]) == 0
    assert "pip install 'pinn[joblib]'" in capsys.readouterr().out


def test_a_folder_that_is_taken_or_cannot_be_made(capsys, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    written = ("mine.yaml", "taken")
    assert "folder taken exists and is not empty" in said(["run", "mine.yaml", "folder=taken"], capsys, tmp_path, written=written)
    (tmp_path / "taken" / "config.yaml").write_text("a: 1")
    for verb in ("check", "run"):
        assert "use pinn resume taken" in said([verb, "mine.yaml", "folder=taken"], capsys, tmp_path, written=written)
    assert "cannot make mine.yaml/run" in said(["run", "mine.yaml", "folder=mine.yaml/run"], capsys, tmp_path, written=written)


def test_a_device_that_is_not_there(capsys, tmp_path):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    for verb in ("check", "run"):
        assert "no CUDA device; use device=cpu or auto" in said([verb, "mine.yaml", "device=cuda"], capsys, tmp_path)


def test_too_little_space(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("pinn.run.atomic.free_megabytes", lambda folder: 3.0)
    assert "MB, 3 MB free" in said(["run", "mine.yaml", "folder=run"], capsys, tmp_path)


def test_numbers_may_be_written_as_people_write_them(capsys, tmp_path):
    assert main(["check", "mine.yaml", "solver.stages.adam.steps=1e3", "problem.constants.a=4e-1", "network.width=16"]) == 0
    assert "adam 1000 steps" in capsys.readouterr().out


def test_points_that_are_no_power_of_two_are_remarked(capsys):
    assert main(["check", "mine.yaml", "points.interior=1000"]) == 0
    assert "the next power of 2 is 1024" in capsys.readouterr().out
