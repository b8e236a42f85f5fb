"""Solutions from files as references: distances at their places, and verdicts that do not trust them more than is said."""

import math

import numpy as np
import pytest
from judged_fields import perturbed

from pinn.judge.choose import reference, second_reference
from pinn.judge.classical import classical
from pinn.judge.metrics import metrics
from pinn.judge.reference import from_file
from pinn.judge.settings import AutoReference, FiniteDifferenceReference
from pinn.judge.verdict import verdict
from pinn.problem.language import read_problem

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = 0.1*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
}
EXACT = "exp(-0.1*pi**2*t)*sin(pi*x)"


def truth(x, t):
    return np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x)


def problem(folder, factor=1.0, places=None, **more):
    """The heat equation with a file of its solution times a factor, on a grid or at given places."""
    if places is None:
        x, t = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 11), indexing="ij")
        np.savez(folder / "u.npz", x=x[:, 0], t=t[0], u=factor * truth(x, t))
    else:
        np.savez(folder / "u.npz", x=places[:, 0], t=places[:, 1], u=factor * truth(*places.T))
    return read_problem({**HEAT, "reference": {"file": str(folder / "u.npz"), **more}})


@pytest.fixture(scope="module")
def solution():
    """Wrong by a thousandth, relative."""
    return perturbed(read_problem({**HEAT, "exact": EXACT}), 1e-3)


def test_the_distance_is_that_at_the_places_of_the_file(tmp_path, solution):
    places = np.random.default_rng(0).random((300, 2))
    heat = problem(tmp_path, places=places)
    found = metrics(heat, solution, reference(heat))
    apart = solution(places, heat.values)[:, 0] - truth(*places.T)
    assert found.relative_l2["u"] == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(truth(*places.T)), rel=1e-10)
    assert found.max_error["u"] == pytest.approx(np.abs(apart).max())
    assert np.isfinite(found.reference["u"]).mean() > 0.8  # shown between the places


def test_grids_are_shown_as_they_are_and_weighed_by_area(tmp_path, solution):
    heat = problem(tmp_path)
    found = metrics(heat, solution, reference(heat))
    assert [len(axis) for axis in found.axes] == [21, 11]
    np.testing.assert_array_equal(found.reference["u"], truth(*np.meshgrid(*found.axes, indexing="ij")))
    weights = np.multiply.outer(np.r_[0.5, np.ones(19), 0.5], np.r_[0.5, np.ones(9), 0.5])
    size = math.sqrt(np.sum(weights * found.reference["u"] ** 2))
    assert found.relative_l2["u"] == pytest.approx(math.sqrt(np.sum(weights * found.error["u"] ** 2)) / size)


def test_gaps_and_places_outside_the_domain_are_not_compared(tmp_path, solution):
    places = np.random.default_rng(0).random((200, 2))
    heat = problem(tmp_path, places=places)
    values = np.where(np.arange(200) < 50, np.nan, truth(*places.T))
    np.savez(tmp_path / "u.npz", x=places[:, 0], t=places[:, 1], u=values)
    found = metrics(heat, solution, reference(read_problem(heat.source)))
    apart = (solution(places, heat.values)[:, 0] - truth(*places.T))[50:]
    assert found.relative_l2["u"] == pytest.approx(np.linalg.norm(apart) / np.linalg.norm(truth(*places[50:].T)))


def test_what_nobody_said_the_error_of_verifies_nothing(tmp_path, solution):
    heat = problem(tmp_path)
    file = reference(heat)
    assert (file.kind, file.state, file.record()["relative_error"]) == ("file", "not stated", None)
    found = verdict(metrics(heat, solution, file), file)
    assert found.verdict == "not verified" and found.source == "none" and math.isinf(found.bound)
    assert "how exact that is, is not said" in found.reasons[0]


def test_a_stated_error_makes_the_distance_the_error(tmp_path, solution):
    heat = problem(tmp_path, error=1e-6)
    file = reference(heat)
    numbers = metrics(heat, solution, file)
    found = verdict(numbers, file)
    assert found.verdict == "verified" and found.source == "file" and found.error == numbers.relative_l2["u"]
    rough = from_file(problem(tmp_path, error=0.01).given)
    assert verdict(numbers, rough).verdict == "not verified"
    assert verdict(numbers, rough, target=0.05).error == pytest.approx(0.01 + found.error)


@pytest.fixture(scope="module")
def differences():
    return reference(read_problem(HEAT), FiniteDifferenceReference(cache=False, target=1e-6))


def judged(heat, solution, differences):
    file = reference(heat)
    numbers = metrics(heat, solution, file)
    return verdict(numbers, file, second=(metrics(heat, solution, differences, numbers.axes), differences))


def test_finite_differences_verify_what_a_file_cannot(tmp_path, solution, differences):
    found = judged(problem(tmp_path), solution, differences)
    assert found.verdict == "verified" and found.source == "finite_difference" and 1e-4 < found.error < 1e-2


def test_wrong_files_are_found_out(tmp_path, solution, differences):
    found = judged(problem(tmp_path, 1.2), solution, differences)
    assert found.verdict == "not verified" and found.source == "finite_difference" and found.error < 1e-2
    assert "the judges disagree on u" in found.reasons[0] and "the distance from u.npz is 1.7e-01" in found.reasons[0]
    stated = judged(problem(tmp_path, 1.01, error=1e-4), solution, differences)
    assert stated.verdict == "not verified" and "(known to 1.0e-04)" in stated.reasons[0]
    assert judged(problem(tmp_path, 1.01), solution, differences).verdict == "verified"  # nobody said that it is better than that


def test_unknowns_that_the_file_lacks_are_not_judged_by_it(tmp_path):
    text = {**HEAT, "unknowns": ["u", "v"], "equations": {**HEAT["equations"], "other": "v = u**2"}}
    problem(tmp_path)
    both = read_problem({**text, "reference": {"file": str(tmp_path / "u.npz"), "error": 1e-6}})

    def solution(points, request):
        values = {"u": truth(*points.T) * 1.001, "v": np.zeros(len(points))}
        return np.stack([values[name] for name, _ in request], axis=1)

    file = reference(both)
    numbers = metrics(both, solution, file)
    assert set(numbers.relative_l2) == {"u"} and set(numbers.record()) == {"u", "v"}
    found = verdict(numbers, file)
    assert found.verdict == "not verified" and found.reasons[0].startswith("v cannot be judged")


def test_what_is_compared_with_by_itself(tmp_path):
    heat = problem(tmp_path)
    assert reference(heat, FiniteDifferenceReference(cache=False, target=1e-2)).kind == "finite_difference"
    assert second_reference(heat, AutoReference(cache=False, target=1e-2)).kind == "finite_difference"
    assert second_reference(heat, FiniteDifferenceReference(cache=False)) is None
    exact = read_problem({**heat.source, "exact": EXACT})
    assert reference(exact).kind == "file" and second_reference(exact, AutoReference()).kind == "exact"
    assert "at its own places only" in classical(heat, reference(heat), 1e-3, 1.0).why
