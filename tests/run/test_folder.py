"""The folder of a run: complete files or none, one process, nothing written over."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from pinn.problem.settings import BadInput
from pinn.problem.text import read_string
from pinn.run import atomic
from pinn.run.folder import RunFolder, create, open_run, place, refuse_unusable, runs_below


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "metrics.json"
    atomic.write_json(path, {"a": 1})

    def fails(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match="the disk is full, .* MB free"):
        atomic.write(path, fails)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_the_previous_file_is_kept_when_asked(tmp_path):
    path, before = tmp_path / "a", tmp_path / "b"
    for content in (b"1", b"2"):
        atomic.write(path, lambda file, content=content: file.write(content), before)
    assert (path.read_bytes(), before.read_bytes()) == (b"2", b"1")


def test_numbers_that_json_has_not_become_null(tmp_path):
    atomic.write_json(tmp_path / "a.json", {"x": [float("nan"), np.float64(2.0)], "n": np.int64(3)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, 2.0], "n": 3}


def test_equal_arrays_are_equal_bytes_and_read_by_numpy(tmp_path):
    arrays = {"x": np.linspace(0, 1, 5), "u.reference": np.ones((2, 3)), "meta": np.array('{"time": "t"}')}
    assert atomic.npz_bytes(arrays) == atomic.npz_bytes(arrays)
    atomic.write_npz(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as stored:
        assert set(stored) == set(arrays)
        np.testing.assert_array_equal(stored["u.reference"], arrays["u.reference"])


def test_what_is_written_as_yaml_is_read_back_by_the_strict_reader():
    shared = [0, "2*pi"]
    content = {
        "coordinates": {"x": shared, "y": shared},
        "unknowns": ["NO", "on", "u"],
        "conditions": {"walls": {"at": "x = 0 or x = 1", "u": "max(x, 0)"}, "p(x=0, y=0)": "0"},
        "numbers": {"rate": 1e-05, "text": "1e-3", "odd": "010", "none": None, "flag": False},
        "title": 'It\'s "quoted": {yes}, #1 – ünïcode',
    }
    assert read_string(atomic.to_yaml(content)).mapping == content


def test_new_runs_get_new_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = place("heat_1d", now=0.0)
    create(first, "heat_1d")
    second = place("heat_1d", now=0.0)
    assert first != second
    assert first.parent == second.parent
    assert first.parts[:2] == ("runs", "heat_1d")


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="exists and is not empty"):
        refuse_unusable(tmp_path)
    (tmp_path / "config.yaml").write_text("a: 1")
    with pytest.raises(BadInput, match="use pinn resume"):
        refuse_unusable(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot make .*not a directory"):
        create(tmp_path / "file" / "run", "heat")


def test_a_folder_nobody_may_write_is_told_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(BadInput, match=f"cannot make {tmp_path}/a/b: permission denied in {tmp_path}"):
        refuse_unusable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_runs_that_begin_in_the_same_second_do_not_meet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = iter([tmp_path / "1", tmp_path / "1", tmp_path / "2"])
    monkeypatch.setattr("pinn.run.folder.place", lambda name: next(found))
    assert [create(None, "heat").path.name for _ in range(2)] == ["1", "2"]


def test_too_little_space_is_told_before_the_start(tmp_path):
    with pytest.raises(BadInput, match=r"needs about 1000000000000 MB, \d+ MB free"):
        create(tmp_path / "run", "heat", megabytes=1e12)
    assert not (tmp_path / "run").exists()


def test_a_folder_serves_one_process_at_a_time(tmp_path):
    folder = RunFolder(tmp_path)
    refused = pytest.raises(BadInput, match=f"in use by process {os.getpid()}")
    with folder.locked(), refused, RunFolder(tmp_path).locked():
        pass
    with folder.locked():
        pass
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("content", ["", "{", '{"pid": "x"}', '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_or_belongs_elsewhere(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    if content == '{"pid": 1}':  # no host: another machine, which has to be believed
        with pytest.raises(BadInput, match="in use by process 1"), RunFolder(tmp_path).locked():
            pass
    else:
        with RunFolder(tmp_path).locked():
            pass


def test_a_lock_whose_process_is_gone_does_not_count(tmp_path):
    code = f"""
import os
from pathlib import Path
from pinn.run.folder import RunFolder
lock = RunFolder(Path({str(tmp_path)!r})).locked()
lock.__enter__()
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "lock").exists()
    with RunFolder(tmp_path).locked():
        pass


def test_a_lock_is_never_held_twice(tmp_path):
    code = """
import sys, time
from pathlib import Path
from pinn.problem.settings import BadInput
from pinn.run.folder import RunFolder
for _ in range(150):
    try:
        with RunFolder(Path(sys.argv[1])).locked(), open(sys.argv[2], "a", buffering=1) as log:
            log.write("in\\n")
            time.sleep(5e-4)
            log.write("out\\n")
    except BadInput:
        time.sleep(2e-4)
"""
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "log")]
    for process in [subprocess.Popen(command) for _ in range(4)]:
        assert process.wait(timeout=60) == 0
    said = (tmp_path / "log").read_text().split()
    assert len(said) > 100 and said == ["in", "out"] * (len(said) // 2)


def test_a_process_number_that_is_used_again_does_not_count(tmp_path):
    import socket

    (tmp_path / "lock").write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": "1"}))
    with RunFolder(tmp_path).locked():
        pass


def test_status_says_where_a_run_stands(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.status() == {}
    folder.set_status("diverged", "adam", 812, "diverged at step 812", 3)
    status = folder.status()
    assert (status["state"], status["stage"], status["step"], status["exit_code"], status["pid"]) == (
        "diverged",
        "adam",
        812,
        3,
        os.getpid(),
    )


def test_only_folders_of_runs_are_opened(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        open_run(tmp_path / "none")
    with pytest.raises(BadInput, match="not the folder of a run"):
        open_run(tmp_path)


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / ".checkpoint.pt.4312").write_bytes(b"half")
    (tmp_path / ".notes").write_text("mine")
    with RunFolder(tmp_path).locked():
        assert {path.name for path in tmp_path.iterdir()} == {".notes", "lock"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("inside")])
def test_a_write_that_is_stopped_leaves_nothing(tmp_path, error):
    def stops(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        atomic.write(tmp_path / "a", stops)
    assert list(tmp_path.iterdir()) == []


def test_faults_of_the_file_system_are_not_bugs():
    told = atomic.fault_outside(OSError(errno.EROFS, "Read-only file system", "x" * 3000))
    assert str(told).startswith("cannot use xxx") and str(told).endswith("...: read-only file system")
    assert atomic.fault_outside(FileNotFoundError(errno.ENOENT, "No such file or directory", "a")) is None


def test_the_runs_of_a_sweep_are_found_in_their_order(tmp_path):
    for name in ("once", "sweep/2", "sweep/10", "sweep/2/figures", "deep/a/b/c", "deep/a/b/c/d", ".cache/x"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("once", "sweep/2", "sweep/10", "deep/a/b/c/d", ".cache/x"):
        (tmp_path / name / "config.yaml").write_text("a: 1")
    assert runs_below(tmp_path / "once") == [tmp_path / "once"]
    assert runs_below(tmp_path / "sweep") == [tmp_path / "sweep" / "2", tmp_path / "sweep" / "10"]
    assert [path.name for path in runs_below(tmp_path)] == ["once", "2", "10"]
    with pytest.raises(BadInput, match="not the folder of a run"):
        runs_below(tmp_path / "sweep" / "2" / "figures")
    with pytest.raises(BadInput, match="does not exist"):
        runs_below(tmp_path / "none")
