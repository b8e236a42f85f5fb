"""Faces that lack a condition: an error where there is none at all, a remark where the others have theirs."""

import pytest

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

CHANNEL = {
    "coordinates": {"x": [0, 2], "y": [0, 1]}, "unknowns": ["u", "v", "p"],
    "equations": {"momentum_x": "p_x = laplacian(u)", "momentum_y": "p_y = laplacian(v)", "continuity": "u_x + v_y = 0"},
    "conditions": {
        "inlet": {"at": "x = 0", "u": "y*(1 - y)", "v": 0}, "outlet": {"at": "x = 2", "p": 0},
        "walls": {"at": "y = 0 or y = 1", "u": 0, "v": 0},
    },
}  # fmt: skip
WAVE = {
    "coordinates": {"x": [0, 1], "t": [0, 1]}, "unknowns": ["u"], "equations": {"wave": "u_tt = u_xx"},
    "conditions": {"start": {"at": "t = 0", "u": "sin(pi*x)"}, "ends": {"at": "boundary", "u": 0}},
}  # fmt: skip


def channel(**conditions):
    return {**CHANNEL, "conditions": {name: each for name, each in (CHANNEL["conditions"] | conditions).items() if each}}


def test_an_outlet_with_a_pressure_only_is_a_remark():
    found = read_problem(channel())
    assert [warning for warning in found.warnings if "no condition" in warning] == [
        "no condition for u on x = 2; add one, or say free: u", "no condition for v on x = 2; add one, or say free: v",
    ]  # fmt: skip
    assert not read_problem(channel(open={"at": "x = 2", "free": ["u", "v"]})).warnings


@pytest.mark.parametrize("outlet", [None, {"at": "x = 2 and y > 0.5", "p": 0}])
def test_a_face_without_any_condition_is_an_error(outlet):
    with pytest.raises(BadInput, match="no condition for u on x = 2"):
        read_problem(channel(outlet=outlet, gauge="p(x=2, y=0.5) = 0"))


def test_the_same_at_edges_inside_the_box():
    hole = {"shapes": {"hole": {"ball": {"center": [1, 0.5], "radius": 0.2}}}, "domain": "not hole"}
    with pytest.raises(BadInput, match="no condition for u on the edge of the domain"):
        read_problem({**channel(), **hole})
    found = read_problem({**channel(slip={"at": "hole", "u*n_x + v*n_y": 0}), **hole})
    assert len(found.warnings) == 2
    found = read_problem({**channel(suction={"at": "hole", "p": 1}), **hole})
    assert "no condition for v on the edge of the domain" in found.warnings[3]


def test_one_of_two_conditions_of_fourth_order_is_an_error():
    beam = {"coordinates": {"x": [0, 1]}, "unknowns": ["w"], "equations": {"beam": "w_xxxx = 1"}}
    with pytest.raises(BadInput, match="needs 2 conditions for w on x = 1, got 1"):
        read_problem({**beam, "conditions": {"left": {"at": "x = 0", "w": 0, "w_n": 0}, "right": {"at": "x = 1", "w": 0}}})


def test_a_missing_start_is_an_error_unless_a_solution_is_given():
    with pytest.raises(BadInput, match="a start value of u_t is needed"):
        read_problem(WAVE)
    (warning,) = read_problem({**WAVE, "exact": "sin(pi*x)*cos(pi*t)"}).warnings
    assert "a start value of u_t is needed" in warning and "the solution is not unique" in warning


@pytest.mark.parametrize(("centre", "is_said"), [({"u": 1, "u_x": 0}, True), ({"u": 1}, False)])
def test_what_is_known_at_one_end_only_could_start_there(centre, is_said):
    star = {"coordinates": {"x": [0, 1]}, "unknowns": ["u"], "equations": {"star": "u_xx = -u"}}
    star |= {"conditions": {"centre": {"at": "x = 0", **centre}}}
    with pytest.raises(BadInput, match="no condition for u on x = 1") as caught:
        read_problem(star)
    assert ("or time: x, to start there" in str(caught.value)) == is_said
    if is_said:
        assert read_problem({**star, "time": "x"}).time == "x"
