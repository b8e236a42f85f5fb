"""Settings: checked and normalised when made, complaints with the place."""

import pickle
from dataclasses import dataclass

import pytest

from pinn.problem.settings import BadInput, Settings, setting


@dataclass(frozen=True)
class Inner(Settings):
    size: int
    rate: float = setting(1.0, above=0)


@dataclass(frozen=True)
class Outer(Settings):
    inner: Inner = Inner(1)
    other: Inner | None = None


def test_a_mapping_stands_for_settings_inside_settings():
    assert Outer(inner={"size": "3", "rate": 2}) == Outer(Inner(3, 2.0))
    assert Outer(other={"size": 2}).other == Inner(2)
    assert Outer(other=None).other is None


@pytest.mark.parametrize(
    "value, message",
    [
        ({"size": 1, "rat": 2}, "inner.rat is not a setting; known are size, rate; did you mean 'rate'?"),
        ({"rate": 2}, "inner.size has no value"),
        ({"size": 1, "rate": 0}, "inner.rate must be greater than 0, got 0"),
        (3, "inner must be settings of Inner, got 3"),
    ],
)
def test_complaints_name_the_setting_inside(value, message):
    with pytest.raises(BadInput) as caught:
        Outer(inner=value)
    assert str(caught.value) == message


def test_a_complaint_remembers_its_place_and_survives_pickling():
    error = BadInput("is wrong", "size", "  x\n  ^")
    assert error.path is None and not error.placed
    moved = error.about("constants", "a").under("outer")
    assert (moved.path, moved.setting, error.path) == (("constants", "a"), "outer.size", None)
    again = pickle.loads(pickle.dumps(moved))
    assert (str(again), again.path) == ("outer.size is wrong\n  x\n  ^", ("constants", "a"))
