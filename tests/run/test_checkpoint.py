"""Checkpoints: whole or not there, the one before as a reserve, data only."""

import errno
import random

import pytest

torch = pytest.importorskip("torch")

from pinn.problem.settings import BadInput  # noqa: E402
from pinn.run import atomic, checkpoint  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


def content(step):
    return {"state": {"theta": torch.arange(1000, dtype=torch.float64) + step, "memory": {"k": [1, 2.5, "a"]}}, "step": step}


def test_what_is_saved_is_loaded_to_the_last_bit(path):
    assert checkpoint.load(path) == (None, "")
    checkpoint.save(path, content(1))
    loaded, notice = checkpoint.load(path)
    assert notice == ""
    assert loaded["state"]["memory"] == {"k": [1, 2.5, "a"]}
    assert torch.equal(loaded["state"]["theta"], content(1)["state"]["theta"])


@pytest.mark.parametrize(
    "damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * len(b), lambda b: flip(b, len(b) // 2)]
)
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(path, damage):
    for step in (1, 2):
        checkpoint.save(path, content(step))
    path.write_bytes(damage(path.read_bytes()))
    loaded, notice = checkpoint.load(path)
    assert loaded["step"] == 1
    assert notice == "checkpoint.pt is damaged, using checkpoint.previous.pt"


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_when_both_are_damaged_it_is_said(path):
    for step in (1, 2):
        checkpoint.save(path, content(step))
    path.write_bytes(b"")
    checkpoint.previous(path).write_bytes(b"")
    with pytest.raises(BadInput, match="cannot be read; start again with pinn run"):
        checkpoint.load(path)


def test_a_checkpoint_never_runs_code(path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"version": 1, "evil": Evil()}, path)
    with pytest.raises(BadInput, match="cannot be read"):
        checkpoint.load(path)


def test_a_later_form_is_refused(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "VERSION", 2)
    checkpoint.save(path, content(1))
    monkeypatch.undo()
    with pytest.raises(BadInput, match="made by a later version"):
        checkpoint.load(path)


def test_saving_takes_at_most_its_share_of_the_time():
    now = [0.0]
    schedule = checkpoint.Schedule(lambda: now[0])
    saved, spent = 0, 0.0

    def save():
        nonlocal saved, spent
        saved += 1
        spent += 0.5
        now[0] += 0.5

    while now[0] < 1000:
        now[0] += 0.01
        if schedule.due():
            schedule.timed(save)
    assert saved >= 10
    assert spent <= 0.021 * now[0]


class Full:
    """The file of a disk that is full."""

    def write(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_as_such_and_the_last_checkpoint_stays(path, monkeypatch):
    checkpoint.save(path, content(1))
    before = path.read_bytes()
    real = atomic.write
    monkeypatch.setattr(atomic, "write", lambda path, fill, previous: real(path, lambda file: fill(Full()), previous))
    with pytest.raises(BadInput, match="the disk is full"):
        checkpoint.save(path, content(2))
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_is_taken_for_a_bug(path, seed):
    checkpoint.save(path, content(1))
    rng, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(20):
        data[rng.randrange(len(data))] = rng.randrange(256)
    for _ in range(3):
        data[-rng.randrange(1, 600)] = rng.randrange(256)
    path.write_bytes(bytes(data))
    try:
        loaded, _ = checkpoint.load(path)
    except BadInput as error:
        assert "cannot be read" in str(error)
    else:
        assert torch.equal(loaded["state"]["theta"], content(1)["state"]["theta"])
