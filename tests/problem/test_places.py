"""Unknowns that live in a part of the domain: what is read and what is refused."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

CHANNEL = {
    "coordinates": {"x": [0, 2], "y": [0, 1]}, "unknowns": {"T": {}, "u": {"at": "fluid"}},
    "constants": {"kf": 0.1, "ks": 1, "G": 8}, "shapes": {"fluid": "y > 0.5"}, "interfaces": ["fluid"],
    "define": {"k": "where(fluid, kf, ks)"},
    "equations": {
        "flow": {"at": "fluid", "equation": "laplacian(u) = -G"},
        "fluid_heat": {"at": "fluid", "equation": "u*T_x = kf*laplacian(T)"},
        "solid_heat": {"at": "not fluid", "equation": "ks*laplacian(T) = 0"},
    },
    "conditions": {
        "top": {"at": "y = 1", "u": 0, "T": 1}, "bottom": {"at": "y = 0", "T": 0}, "ends": {"at": "x = 0 or x = 2", "T_n": 0},
        "fluid_ends": {"at": "(x = 0 or x = 2) and fluid", "u_n": 0},
        "wall": {"at": "interfaces", "jump(T)": 0, "jump(k*T_n)": 0, "u": 0},
    },
}  # fmt: skip


def changed(group, **entries):
    return {**CHANNEL, group: {name: entry for name, entry in {**CHANNEL[group], **entries}.items() if entry is not None}}


def test_an_unknown_lives_on_its_side_only():
    problem = read_problem(CHANNEL)
    points = np.array([[1, 0.2], [1, 0.7], [1, 0.5]])
    assert problem.lives("u", points).tolist() == [False, True, False]
    assert problem.lives_at("u", points).tolist() == [False, True, True]
    assert problem.lives("T", points).all()
    assert not problem.warnings


def test_a_condition_at_an_interface_holds_on_the_side_where_its_unknowns_live():
    names = [row.name for row in read_problem(CHANNEL).conditions]
    assert "wall.u.inside" in names and "wall.u.outside" not in names
    other = changed("unknowns", u={"at": "not fluid"})
    other["equations"] = {
        "flow": {"at": "not fluid", "equation": "laplacian(u) = -G"}, "heat": {"equation": "laplacian(T) = 0", "at": "y < 2"},
    }  # fmt: skip
    other["conditions"] = {
        **CHANNEL["conditions"], "top": {"at": "y = 1", "T": 1}, "bottom": {"at": "y = 0", "T": 0, "u": 0},
        "fluid_ends": {"at": "boundary and x*(2 - x) < 1e-9 and not fluid", "u_n": 0},
    }  # fmt: skip
    names = [row.name for row in read_problem(other).conditions]
    assert "wall.u.outside" in names and "wall.u.inside" not in names


def test_what_its_part_of_a_face_lacks_is_said():
    (first, second) = read_problem(changed("conditions", fluid_ends=None)).warnings
    assert "no condition for u on x = 0" in first and "no condition for u on x = 2" in second


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("unknowns", u={"at": "y > 0.25"}), "an unknown lives in a body that is listed in interfaces:"),
        (changed("unknowns", u={"at": "fluit"}), "'fluit' is not a surface; did you mean 'fluid'"),
        (changed("unknowns", u={"at": "y = 1"}), "is a surface"),
        (changed("unknowns", u=None) | {"unknowns": ["T", "u"]}, "2 unknowns \\(T, u\\) need 2 equations, got 1"),
        (changed("equations", flow="laplacian(u) = -G"), "flow: holds u at .*, where it does not live"),
        (changed("equations", solid_heat={"at": "not fluid", "equation": "ks*laplacian(T) = u"}), "solid_heat: holds u at"),
        (changed("equations", solid_heat=None), "1 unknowns \\(T\\) need 1 equations, got 0"),
        (changed("conditions", bottom={"at": "y = 0", "T": 0, "u": 0}), "bottom: holds u at .*, where it does not live"),
        (changed("conditions", fluid_ends={"at": "x = 0 or x = 2", "u_n": 0}), "fluid_ends: holds u at"),
        (
            changed("conditions", wall={"at": "interfaces", "jump(T)": 0, "jump(k*T_n)": 0}),
            "needs 1 conditions for u on the interface",
        ),
        (changed("conditions", wall={"at": "interfaces", "jump(T)": 0, "jump(k*T_n)": 0, "jump(u)": 0}), "holds u at"),
        (changed("conditions", point="u(x=1, y=0.2) = 0"), "point: holds u at x=1, y=0.2, where it does not live"),
    ],
)
def test_what_reads_an_unknown_elsewhere_is_refused(text, message):
    with pytest.raises(BadInput, match=message):
        read_problem(text)
