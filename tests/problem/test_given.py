"""Solutions from files: which numbers belong to which unknown at which place."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

X, T = np.linspace(0, 1, 6), np.linspace(0, 2, 4)
WAVE = {
    "coordinates": {"x": [0, 1], "t": [0, 2]},
    "unknowns": ["u", "v"],
    "equations": {"first": "u_t = v_x", "second": "v_t = u_x"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(x)", "v": 0}},
}
SCHROEDINGER = {
    "coordinates": {"x": [0, 1], "t": [0, 2]},
    "unknowns": {"h": {"complex": True}},
    "equations": {"waves": "1j*h_t + h_xx = 0"},
    "conditions": {"initial": {"at": "t = 0", "h": "sin(x)"}, "walls": {"at": "boundary", "h": 0}},
}


def given(folder, problem, settings=None, **arrays):
    np.savez(folder / "solution.npz", **arrays)
    return read_problem({**problem, "reference": {"file": str(folder / "solution.npz"), **(settings or {})}}).given


def test_a_grid_with_several_unknowns(tmp_path):
    u, v = np.outer(X, T), np.outer(X**2, 1 + T)
    found = given(tmp_path, WAVE, x=X[::-1], t=T, u=u[::-1].T, v=v[::-1].T)
    assert found.left_out == () and found.error is None
    np.testing.assert_array_equal(found.axes[0], X)
    np.testing.assert_array_equal(found.axes[1], T)
    x, t = found.points.T
    np.testing.assert_array_equal(found.values["u"], x * t)
    np.testing.assert_array_equal(found.values["v"], x**2 * (1 + t))


def test_unknowns_and_columns_that_do_not_meet_are_left_out(tmp_path):
    found = given(tmp_path, WAVE, {"error": "1e-4", "columns": ["u", "energy"]}, x=X, t=T, u=np.outer(X, T), energy=np.outer(X, T))
    assert found.left_out == ("v",) and found.columns_left_out == ("energy",) and found.error == 1e-4


def test_other_arrays_do_not_matter_and_gaps_may_be_anywhere_but_everywhere(tmp_path):
    u = np.where(np.outer(X, T) > 0.5, np.nan, 1.0)
    found = given(tmp_path, WAVE, x=X, t=T, u=u, v=0 * u, nu=0.01, author=np.array(["somebody"]))
    assert np.isnan(found.values["u"]).any() and found.columns_left_out == ()
    with pytest.raises(BadInput, match="reference: solution.npz has no number for u in the domain"):
        given(tmp_path, WAVE, x=X, t=T, u=np.nan * u)


@pytest.mark.parametrize("halves", [True, False])
def test_complex_unknowns(tmp_path, halves):
    h = np.outer(np.sin(X), np.exp(1j * T))
    arrays, columns = ({"a": h.real, "b": h.imag}, {"a": "real(h)", "b": "imag(h)"}) if halves else ({"uu": h}, {"uu": "h"})
    found = given(tmp_path, SCHROEDINGER, {"columns": columns}, x=X, t=T, **arrays)
    x, t = found.points.T
    np.testing.assert_allclose(found.values["h_real"], np.sin(x) * np.cos(t))
    np.testing.assert_allclose(found.values["h_imag"], np.sin(x) * np.sin(t))


def test_vectors_of_scattered_points(tmp_path):
    random = np.random.default_rng(0)
    x, t = random.random(9), 2 * random.random(9)
    found = given(tmp_path, WAVE, {"columns": {"y": "(u, v)"}}, x=x, t=t, y=np.column_stack([x, t]))
    assert found.axes is None
    np.testing.assert_array_equal(found.values["v"], found.points[:, 1])


@pytest.mark.parametrize(
    "settings, arrays, message",
    [
        ({}, {"x": X, "u": X}, "solution.npz needs a column for every coordinate, it has none for t"),
        ({}, {"x": X, "t": T, "w": np.outer(X, T)}, "solution.npz has no column of an unknown (u, v), but w"),
        ({"columns": {"w": "uu"}}, {"x": X, "t": T, "w": np.outer(X, T)}, "columns: 'uu' is no unknown; did you mean 'u'?; unknowns: u, v"),
        ({"columns": {"w": "u_x"}}, {"x": X, "t": T, "w": np.outer(X, T)}, "'u_x' is no unknown; a reference holds values of unknowns"),
        ({}, {"x": X, "t": T, "u": 1j * np.outer(X, T)}, "the values of 'u' are complex, the unknown is real"),
        ({}, {"x": 2 * X, "t": T, "u": np.outer(X, T)}, "solution.npz: x = 1.2 is outside its range 0 to 1 (12 such places)"),
        ({"error": 3}, {"x": X, "t": T, "u": np.outer(X, T)}, "error is how exact the values are, relative, between 0 and 1"),
        ({"erorr": 3}, {"x": X, "t": T, "u": np.outer(X, T)}, "unknown key 'erorr'; did you mean 'error'?"),
        ({"columns": {"w": "(u, v)"}}, {"x": X, "t": T, "w": np.outer(X, T)}, "'(u, v)' has 2 components, its array 1"),
    ],
)  # fmt: skip
def test_faults(tmp_path, settings, arrays, message):
    with pytest.raises(BadInput) as caught:
        given(tmp_path, WAVE, settings, **arrays)
    assert message in str(caught.value) and str(caught.value).startswith("problem: reference: ")
