"""What is said of problems that are accepted all the same."""

import pytest

from pinn.problem.language import read_problem


def test_corners_that_the_domain_does_not_reach_are_not_warned_of():
    channel = {
        "unknowns": ["u"],
        "coordinates": {"x": [0, 4], "y": [0, 2]},
        "shapes": {"step": {"box": {"x": [0, 2], "y": [1, 2]}}},
        "domain": "not step",
        "equations": {"laplace": "laplacian(u) = 0"},
        "conditions": {"inlet": {"at": "x = 0", "u": "y*(1 - y)"}, "walls": {"at": "boundary and not x = 0", "u": 0}},
    }
    assert not read_problem(channel).warnings
    channel["conditions"]["inlet"]["u"] = "y*(1 - y) + 0.5"
    assert any("differ by 0.5 at x=0, y=0" in warning for warning in read_problem(channel).warnings)


@pytest.mark.parametrize("start, warning", [
    ("sin(2*pi*x)", None),
    ("x*(1 - x)*t", None),
    ("mean(x) + sin(2*pi*x)", None),
    ("x", "the value of 'start' jumps by 1 where x closes; expect an error there"),
    ("4*x*mean(x)", "the value of 'start' jumps by 2 where x closes; expect an error there"),
    ("x*(1 - x)", "the slope of 'start' jumps by 2 where x closes; expect an error there"),
])  # fmt: skip
def test_a_start_that_does_not_fit_a_ring_is_warned_of(start, warning):
    text = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"heat": "u_t = u_xx"},
        "conditions": {"start": {"at": "t = 0", "u": start}, "ring": {"periodic": "x"}},
    }
    assert list(read_problem(text).warnings) == ([warning] if warning else [])


PIPE = {
    "coordinates": {"r": [0, 1], "z": [0, 2]},
    "unknowns": ["u"],
    "equations": {"heat": "r*u_z = diff(r*u_r, r)"},
    "conditions": {"inlet": {"at": "z = 0", "u": "1 - r**4"}, "axis": {"at": "r = 0", "u_r": 0}, "wall": {"at": "r = 1", "u": 0}},
}


@pytest.mark.parametrize("changes, noted", [
    ({}, True), ({"time": "z"}, False), ({"time": None}, False),
    ({"conditions": {**PIPE["conditions"], "outlet": {"at": "z = 2", "u": 0}}}, False),
])  # fmt: skip
def test_a_coordinate_that_could_be_a_time_is_named(changes, noted):
    found = [warning for warning in read_problem({**PIPE, **changes}).warnings if "time: z" in warning]
    assert found == (["all conditions along z stand at z=0: with 'time: z' it is solved from there on, and faster"] * noted)


def test_prescribed_values_may_be_integrals_of_what_is_known():
    text = {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"heat": "u_t = u_xx"},
        "conditions": {"start": {"at": "t = 0", "u": "mean(x) - 0.5"}, "walls": {"at": "boundary", "u": "integral(s, s, 0, 1)"}},
    }
    warnings = read_problem(text).warnings
    assert [warning.partition(" at ")[0] for warning in warnings] == ["'start' and 'walls' differ by 0.5"] * 2
    text["conditions"] = {"walls": {"at": "boundary or t = 0", "u": "1000*mean(x)"}}
    assert "values of u up to 5e+02 are prescribed" in read_problem(text).warnings[0]
