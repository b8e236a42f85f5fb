"""Unknown numbers, unknowns of fewer coordinates and observations, as they are read."""

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.settings import BadInput
from pinn.problem.terms import make_term

DIFFUSION = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "unknowns": {"u": {}, "C": {"of": [], "start": 2, "bounds": [0, 10]}},
    "equations": {"diffusion": "u_t = C*u_xx - exp(-t)*(1 - pi**2)*sin(pi*x)"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "ends": {"at": "boundary", "u": 0}},
    "data": {"sensors": {"points": {"x": [-1, 1, 10], "t": 1}, "u": "exact"}},
    "exact": {"u": "sin(pi*x)*exp(-t)", "C": 1},
}


def changed(**sections):
    return {**DIFFUSION, **sections}


def sensors(**entry):
    return changed(data={"sensors": entry})


def test_unknowns_say_what_they_depend_on_and_where_numbers_begin():
    problem = read_problem(changed(
        unknowns={"u": {}, "C": {"of": [], "bounds": [0, 10]}, "k": {"of": ["t"]}, "a": {"of": [], "positive": True, "dimension": 2}},
        equations={"diffusion": "u_t = C*u_xx + k*a1 + a2"}, exact=None, data={"s": {"points": 9, "u": "x"}},
    ))  # fmt: skip
    by_name = {unknown.name: unknown for unknown in problem.unknowns}
    assert {name: unknown.depends for name, unknown in by_name.items()} == {
        "u": ("x", "t"),
        "C": (),
        "k": ("t",),
        "a1": (),
        "a2": (),
    }
    assert problem.numbers == ("C", "a1", "a2")
    assert by_name["C"].start == 5.0
    assert by_name["a1"].positive
    assert problem.is_inverse


@pytest.mark.parametrize(
    ("settings", "at_zero", "at_one"),
    [({"start": 3.0}, 3.0, 6.0), ({"start": 3.0, "scale": 0.5}, 3.0, 3.5), ({"start": 3.0, "positive": True}, 3.0, 3.0 * np.e),
     ({"start": 2.0, "bounds": [0, 10]}, 2.0, 10 / (1 + 4 / np.e))],
)  # fmt: skip
def test_numbers_move_by_their_typical_size_and_stay_within_bounds(settings, at_zero, at_one):
    (_, number) = read_problem(changed(unknowns={"u": {}, "C": {"of": [], **settings}})).unknowns
    assert number.value(0.0) == pytest.approx(at_zero, rel=1e-15)
    assert number.value(1.0) == pytest.approx(at_one, rel=1e-15)


def test_a_derivative_along_a_coordinate_on_which_an_unknown_does_not_depend_is_zero():
    problem = read_problem(
        changed(unknowns={"u": {}, "C": {"of": ["t"]}}, equations={"d": "u_t = C*u_xx + C_x"}, exact=None, data={})
    )
    assert "C[10]" not in str(problem.equations[0].tree)


def test_observations_are_the_formula_minus_the_value_over_its_size():
    problem = read_problem(DIFFUSION)
    (observation,) = problem.data
    x = np.linspace(-1, 1, 10)
    np.testing.assert_allclose(observation.points, np.stack([x, np.ones(10)], axis=1))
    np.testing.assert_allclose(observation.values, np.sin(np.pi * x) * np.exp(-1), atol=1e-16)
    term = make_term(problem, observation, Points(interior=8, surface=8).draw(problem, 0)["data.sensors"])
    found = term.evaluate([np.full((10, 1), 2.0)])
    size = np.sqrt(np.mean(observation.values**2))
    np.testing.assert_allclose(found, (2.0 - observation.values) / size, rtol=1e-14)
    assert observation.size == pytest.approx(size)


def test_measured_values_may_be_integrals_of_what_is_known():
    (seen,) = read_problem(sensors(points={"x": [-1, 1, 3], "t": 1}, u="integral(s*t, s, 0, x)")).data
    np.testing.assert_allclose(seen.values, [0.5, 0, 0.5], atol=1e-15)


def test_points_of_observations_do_not_change_with_the_seed_and_are_taken_with_their_values():
    problem = read_problem(DIFFUSION)
    first, second = (Points(interior=8, surface=8).draw(problem, seed, seed)["data.sensors"] for seed in (0, 1))
    np.testing.assert_array_equal(first.points, second.points)
    part = first.take(np.array([2, 5]))
    np.testing.assert_array_equal(part.columns["data.sensors"], problem.data[0].values[[2, 5]])


def test_added_noise_has_the_deviation_that_is_asked_for_and_is_the_same_for_a_seed():
    entry = {"points": {"x": [-1, 1, 400], "t": [0, 1, 25]}, "u": "exact", "add_noise": 0.3}
    clean = read_problem(sensors(**{**entry, "add_noise": None})).data[0].values
    noise = read_problem(sensors(**entry)).data[0].values - clean
    assert np.std(noise) == pytest.approx(0.3, rel=0.03)
    np.testing.assert_array_equal(read_problem(sensors(**entry)).data[0].values - clean, noise)
    other = read_problem(sensors(**entry, seed=1)).data[0].values - clean
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05


def test_sets_of_observations_weigh_as_their_noise_and_their_number_say():
    data = {
        "good": {"points": {"x": [-0.9, 0.9, 10], "t": 1}, "u": "exact", "noise": 0.01},
        "bad": {"points": {"x": [-0.9, 0.9, 40], "t": 0.5}, "u_x": "exact", "noise": 0.2},
    }
    good, bad = read_problem(changed(data=data)).data
    weight = [1 / (each.size**2 * len(each.values)) for each in (good, bad)]  # of one squared misfit in the sum of mean squares
    assert weight[0] / weight[1] == pytest.approx((0.2 / 0.01) ** 2, rel=1e-12)


def test_observations_from_a_file_measure_what_their_columns_are_called(tmp_path):
    table = np.array([[0.1, 0.5, 1.0, 2.0], [0.2, 0.25, 3.0, 4.0], [-0.3, 0.75, 5.0, 6.0]])
    np.savetxt(tmp_path / "d.csv", table, delimiter=",", header="x,t,u,q", comments="")
    file = str(tmp_path / "d.csv")
    value, flux = read_problem(sensors(file=file, columns={"x": "x", "t": "t", "u": "u", "q": "-C*u_x"}, noise=0.1)).data
    np.testing.assert_array_equal(value.values, table[:, 2])
    np.testing.assert_array_equal(flux.values, table[:, 3])
    np.testing.assert_array_equal(value.points, table[:, :2])
    assert flux.name == "data.sensors.-C*u_x"
    (taken,) = read_problem(sensors(file=file, columns={"u": "u", "q": "u_x"}, take=2)).data[:1]
    assert len(taken.values) == 2


def test_a_typical_size_that_is_not_stated_is_that_of_the_measured_values():
    problem = read_problem(sensors(points={"x": [-1, 1, 10], "t": 1}, u="300 + x"))
    assert problem.unknowns[0].scale == pytest.approx(300, rel=0.01)


def test_known_numbers_make_a_problem_without_observations():
    problem = read_problem({**DIFFUSION, "quantities": {"flux": "C*u_x(x=1)"}})
    known = problem.with_numbers({"C": 0.25})
    assert known.unknown_names == ("u",)
    assert not known.is_inverse
    assert "C" not in str(known.equations[0].tree) + str(known.quantities["flux"])
    assert "0.25*u" in str(known.quantities["flux"])
    assert problem.source != known.source


BAD = [
    (changed(unknowns={"u": {}, "C": {"of": [], "start": 20, "bounds": [0, 10]}}), "start must lie between the bounds 0 and 10"),
    (changed(unknowns={"u": {}, "C": {"of": [], "start": -1, "positive": True}}), "start must be greater than 0"),
    (changed(unknowns={"u": {}, "C": {"of": ["z"]}}), "'z' is not a coordinate"),
    (changed(unknowns={"u": {"start": 1}, "C": {"of": []}}), "'start' is for unknown numbers"),
    (changed(unknowns={"u": {"of": []}, "C": {"of": []}}), "at least one unknown must be a function"),
    (changed(unknowns={"u": {}, "C": {"of": [], "bounds": [3, 1]}}), "the lower one must be below the upper one"),
    (changed(unknowns={"u": {}, "C": {"of": []}, "D": {"of": []}}), "unknown 'D' occurs in no equation"),
    (sensors(points={"x": [-1, 2, 10], "t": 1}, u=0), "3 of 10 points lie outside the domain, the first one at x=1.33333, t=1"),
    (sensors(points={"x": [-1, 1, 10]}, u=0), "coordinate t is missing"),
    (sensors(points={"x": [-1, 1], "t": 1}, u=0), "x must be a number, or \\[first, last, number\\]"),
    (sensors(points={"x": 0, "t": 1}, u="exact", noise=0), "noise must be a standard deviation greater than 0"),
    (sensors(points={"x": 0, "t": 1}, u="exact", noise=1, add_noise=1), "either noise .* or add_noise"),
    (sensors(points={"x": 0, "t": 1}), "nothing is measured here"),
    (sensors(points={"x": 0, "t": 1}, x=1), "'x' holds no unknown"),
    (sensors(points={"x": 0, "t": 1}, u="v"), "unknown name 'v'"),
    (sensors(points={"x": 0, "t": 1}, u="1/x"), "not a finite number at x=0, t=1"),
    (sensors(points=0, u=0), "must be from 1 to"),
    (sensors(u=0), "no points"),
    (sensors(file="missing.csv"), "missing.csv"),
    (sensors(file=""), "needs the name of a file"),
    (changed(unknowns={"u": {}, "c": {"of": [], "dimension": 3}}, equations={"d": "u_t = c1*u_xx + c2*u + c3"}, exact=None,
             data={"s": {"points": {"x": 0, "t": 1}, "u": 0.3}}), "3 unknown numbers need at least as many measured values, got 1"),
]  # fmt: skip


@pytest.mark.parametrize(("mapping", "message"), BAD)
def test_what_cannot_be_used_is_refused_in_one_line(mapping, message):
    with pytest.raises(BadInput, match=message) as caught:
        read_problem(mapping)
    assert "\n" not in caught.value.message


def test_a_row_of_a_file_that_is_no_number_or_lies_outside_is_named(tmp_path):
    (tmp_path / "d.csv").write_text("x,t,u\n0.1,0.5,1\n0.2,0.5,one\n")
    with pytest.raises(BadInput, match="d.csv line 3: 'u'"):
        read_problem(sensors(file=str(tmp_path / "d.csv")))
    (tmp_path / "e.csv").write_text("x,t,u\n0.1,0.5,1\n1.2,0.5,1\n")
    with pytest.raises(BadInput, match="e.csv line 3: x = 1.2 is outside its range -1 to 1"):
        read_problem(sensors(file=str(tmp_path / "e.csv")))


def test_unknowns_that_are_measured_need_no_conditions_and_others_do():
    text = changed(conditions={"start": {"at": "t = 0", "u": "sin(pi*x)"}})
    read_problem(text)
    with pytest.raises(BadInput, match="no condition for u on x = -1"):
        read_problem({**text, "data": {}})
