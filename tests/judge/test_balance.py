import numpy as np
import pytest
from judged_fields import exact, from_text, perturbed, true_error

from pinn.judge.choose import reference
from pinn.judge.estimate import estimate
from pinn.judge.settings import FiniteDifferenceReference

QUICK = FiniteDifferenceReference(target=1e-4, size=0.1, cache=False)
LINE, SQUARE = {"x": [0, 1]}, {"x": [0, 1], "y": [0, 1]}
SEALED = {"sealed": {"at": "boundary", "u_n": 0}, "gauge": "mean(u) = 0"}


def sealed(coordinates, equation, **more):
    return from_text(**{"coordinates": coordinates, "unknowns": ["u"], "equations": {"p": equation}, "conditions": SEALED, **more})


CONTRADICTIONS = [
    sealed(LINE, "u_xx = 1"),
    sealed(LINE, "u_xx = 1e4*cos(pi*x) + 1"),
    sealed(SQUARE, "laplacian(u) = cos(pi*x) + 0.1"),
    sealed(LINE, "u_xx = 1", conditions={"sealed": {"at": "boundary", "u_n": 0}, "gauge": "u(x=0.5) = 2"}),
    sealed(SQUARE, "laplacian(u) = u**2 - mean(u**2) + 2*x"),
]
BALANCED = [
    sealed(LINE, "u_xx = exp(x) - (exp(1) - 1)"),
    sealed(SQUARE, "laplacian(u) = cos(pi*x)"),
    sealed(SQUARE, "laplacian(u) = where(x < 0.5, 1, -1)"),
    sealed(
        SQUARE,
        "laplacian(u) = 2",
        conditions={"right": {"at": "x = 1", "u_n": 2}, "rest": {"at": "not x = 1", "u_n": 0}, "gauge": "mean(u) = 0"},
    ),
]


@pytest.mark.parametrize("problem", CONTRADICTIONS, ids=lambda p: p.equations[0].text)
def test_data_that_contradict_each_other_have_no_reference(problem):
    found = reference(problem, QUICK)
    assert (found.kind, found.state) == (
        "none",
        "contradictory",
    ) and "contradict each other: 'p' can only hold with a constant added" in found.why


@pytest.mark.parametrize("problem", BALANCED, ids=lambda p: p.equations[0].text)
def test_data_that_balance_have_a_reference(problem):
    found = reference(problem, QUICK)
    assert found.kind == "finite_difference" and found.bar < 0.2, found.why


def test_unbalanced_data_have_no_estimate():
    """The field solves a balanced neighbour to all digits: what is missing cannot be repaired by any error."""
    balanced = sealed(LINE, "u_xx = 100*cos(pi*x)", exact="-100/pi**2*cos(pi*x)")
    contradiction = sealed(LINE, "u_xx = 100*cos(pi*x) + 1")
    for field in (exact(balanced), perturbed(balanced, 1e-3)):
        found = estimate(contradiction, field)
        assert not found.accepted and "contradict" in found.why


def test_balanced_data_have_an_estimate():
    problem = sealed(LINE, "u_xx = 100*cos(pi*x)", exact="-100/pi**2*cos(pi*x)")
    for size in (1e-1, 1e-4, 1e-7):
        found = estimate(problem, perturbed(problem, size))
        assert found.accepted, found.why
        assert found.worst == pytest.approx(true_error(problem, perturbed(problem, size))["u"], rel=0.25)


FLOW = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u", "v", "p"],
    "equations": {"mx": "p_x = laplacian(u)", "my": "p_y = laplacian(v)", "continuity": "u_x + v_y = 0"},
}


def test_more_inflow_than_outflow_has_no_reference():
    inflow = {"in": {"at": "x = 0", "u": "4*y*(1 - y)", "v": 0}, "lids": {"at": "y = 0 or y = 1", "u": 0, "v": 0}}
    less = from_text(**FLOW, conditions={**inflow, "out": {"at": "x = 1", "u": "2*y*(1 - y)", "v": 0}, "gauge": "mean(p) = 0"})
    found = reference(less, QUICK)
    assert found.kind == "none" and "'continuity' can only hold with a constant added" in found.why
    same = from_text(
        **FLOW, conditions={**inflow, "out": {"at": "x = 1", "u": "20*y**2*(1 - y)**2", "v": 0}, "gauge": "mean(p) = 0"}
    )
    found = reference(same, QUICK)
    assert found.kind == "finite_difference" and found.bar < 2e-2
    assert np.allclose(found(np.array([[0.0, 0.5], [1.0, 0.5]]))[:, 0], [1.0, 1.25], atol=1e-3)
