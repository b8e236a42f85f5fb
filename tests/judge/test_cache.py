import numpy as np
import pytest
from judged_fields import heat

from pinn.judge import cache, windows
from pinn.judge.choose import reference
from pinn.judge.settings import FiniteDifferenceReference

SETTINGS = FiniteDifferenceReference(target=1e-2)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls, plain = [], windows.finite_differences
    monkeypatch.setattr(windows, "finite_differences", lambda *a: calls.append(1) or plain(*a))
    return calls


def test_second_time_is_read_from_the_disk_and_equal(counted):
    first, second = reference(heat(), SETTINGS), reference(heat(), SETTINGS)
    assert len(counted) == 1
    assert first.record() == second.record()
    points = np.random.default_rng(0).random((20, 2))
    np.testing.assert_array_equal(first(points), second(points))


def test_other_text_or_settings_are_computed(counted):
    reference(heat(), SETTINGS)
    reference(heat(equations={"heat": "u_t = 0.4*u_xx + 0*u"}), SETTINGS)
    reference(heat(), FiniteDifferenceReference(target=1e-3))
    assert len(counted) == 3


def test_damaged_files_are_ignored_and_replaced(counted):
    reference(heat(), SETTINGS)
    (file,) = cache.folder().glob("*.npz")
    for damage in (b"", b"PK\x03\x04 nothing", file.read_bytes()[:500]):
        file.write_bytes(damage)
        assert reference(heat(), SETTINGS).kind == "finite_difference"
    assert len(counted) == 4
    reference(heat(), SETTINGS)
    assert len(counted) == 4 and len(list(cache.folder().iterdir())) == 1


def test_no_place_to_write(counted, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert reference(heat(), SETTINGS).kind == "finite_difference"


def test_switched_off(counted):
    off = FiniteDifferenceReference(target=1e-2, cache=False)
    reference(heat(), off), reference(heat(), off)
    assert len(counted) == 2 and not cache.folder().exists()
