from dataclasses import replace

import numpy as np
import pytest
from judged_fields import heat, perturbed, shipped

from pinn.judge.choose import reference
from pinn.judge.estimate import Estimate, estimate
from pinn.judge.metrics import metrics, relative_l2
from pinn.judge.reference import no_reference
from pinn.judge.settings import FiniteDifferenceReference
from pinn.judge.verdict import failed, verdict


@pytest.fixture(scope="module")
def judged():
    problem = heat()
    solution = perturbed(problem, 1e-3)
    return problem, solution, reference(problem), estimate(problem, solution)


@pytest.fixture(scope="module")
def finite():
    return reference(heat(), FiniteDifferenceReference(cache=False, target=1e-6))


WITHHELD = Estimate(False, "the field has cuts")


def test_verified_by_the_exact_solution(judged):
    problem, solution, truth, guess = judged
    found = verdict(metrics(problem, solution, truth), truth, guess, 1e-2)
    assert found.verdict == "verified" and found.source == "exact" and 1e-4 < found.error < 1e-2
    assert verdict(metrics(problem, solution, truth), truth, None).verdict == "verified"


def test_target_missed(judged):
    problem, solution, truth, guess = judged
    found = verdict(metrics(problem, solution, truth), truth, guess, 1e-4)
    assert found.verdict == "not verified" and found.missed and "above the target" in found.reasons[0]


def test_a_known_but_large_error_is_not_called_verified_unless_asked_for(judged):
    problem, _, truth, _ = judged
    poor = perturbed(problem, 0.3)
    numbers = metrics(problem, poor, truth)
    found = verdict(numbers, truth, estimate(problem, poor))
    assert found.verdict == "not verified" and "known, and large" in found.reasons[0] and not found.missed
    assert verdict(numbers, truth, estimate(problem, poor), 0.9).verdict == "verified"


def test_a_reference_must_be_better_known_than_the_error(judged, finite):
    problem, solution, _, guess = judged
    found = verdict(metrics(problem, solution, finite), finite, WITHHELD)
    assert found.verdict == "verified" and found.source == "finite_difference"
    better = perturbed(problem, 1e-8)
    found = verdict(metrics(problem, better, finite), finite, WITHHELD)
    assert found.verdict == "not verified" and found.source == "none"
    assert found.reasons[0].startswith(f"the error is at most {found.bound:.1e}: the distance from the reference is ")
    assert found.bound == pytest.approx(metrics(problem, better, finite).relative_l2["u"] + finite.bar)
    met = found.reasons[0].rpartition("accuracy=")[2]
    assert met.endswith(" is met") and found.bound <= (wanted := float(met.removesuffix(" is met"))) < 10 * found.bound
    assert verdict(metrics(problem, better, finite), finite, WITHHELD, wanted).verdict == "verified"
    found = verdict(metrics(problem, better, finite), finite, estimate(problem, better))
    assert found.verdict == "verified" and found.source == "estimate" and found.error < 1e-7
    found = verdict(metrics(problem, better, finite), finite, WITHHELD, 1e-3)
    assert found.verdict == "verified" and found.error == found.bound >= finite.bar and "is at most" in found.reasons[0]


def test_the_bound_is_that_of_the_worst_unknown():
    problem = shipped("reaction_diffusion")
    solution, rough = perturbed(problem, 1e-4), reference(problem, FiniteDifferenceReference(cache=False, target=1e-3))
    rough = replace(rough, relative_error={"u": 1e-2, "v": 1e-6})
    numbers = metrics(problem, solution, rough)
    found = verdict(numbers, rough, WITHHELD)
    assert found.verdict == "not verified" and found.bound == pytest.approx(numbers.relative_l2["u"] + 1e-2)
    assert found.bound > numbers.relative_l2["v"]


def test_the_estimate_alone(judged):
    problem, solution, _, guess = judged
    nothing = no_reference("off boxes")
    found = verdict(metrics(problem, solution, nothing), nothing, guess)
    assert found.verdict == "verified" and found.source == "estimate"
    found = verdict(metrics(problem, solution, nothing), nothing, WITHHELD)
    assert found.verdict == "not verified" and "off boxes" in found.reasons[0] and np.isnan(found.error)


def test_disagreeing_judges(judged):
    """A reference of another problem (a wrong exact solution) is caught by the estimate."""
    problem, solution, truth, guess = judged
    other = replace(truth, on_axes=lambda axes: {"u": 1.01 * truth.on_grid(axes)["u"]})
    found = verdict(metrics(problem, solution, other), other, guess)
    assert found.verdict == "not verified" and any("disagree" in reason for reason in found.reasons)


def test_failed(judged):
    problem, _, truth, _ = judged
    assert failed("loss is not finite").verdict == "failed"
    broken = metrics(problem, lambda points, request: np.full((len(points), len(request)), np.nan), truth)
    assert verdict(broken, truth, None).verdict == "failed"


def test_relative_l2():
    assert relative_l2(np.array([1.0, 2.0]), np.array([1.0, 1.0])) == pytest.approx(np.sqrt(0.5))
    assert relative_l2(np.array([3.0]), np.array([0.0])) == 3.0
    assert relative_l2(np.array([1.0, 5.0]), np.array([1.0, np.nan])) == 0.0
    assert relative_l2(np.array([1.0, 2.0]), np.array([1.0, 1.0]), np.array([1.0, 0.0])) == 0.0
