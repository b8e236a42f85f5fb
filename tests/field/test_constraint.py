import numpy as np
import pytest
import torch
from field_problems import PLATE, RING, WAVE, inside, read

from pinn.field.constraint import NUM_TRIALS, Constraint
from pinn.field.network.mlp import MLP
from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import Program
from pinn.problem.problem import Coordinate, Problem
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import sample
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.problem.unknowns import Unknown

CASES = [
    (WAVE, ("initial",)),
    (WAVE, ("ends",)),
    (WAVE, ("initial", "ends")),
    (PLATE, ("initial", "right")),
    (PLATE, ("walls",)),
    (PLATE, ("walls", "initial")),
    (RING, ("initial",)),
]


def residuals(problem, field, theta, names):
    """Largest value of each named residual on its pieces."""
    found = {}
    for residual in problem.conditions:
        if residual.name not in names:
            continue
        for piece in residual.region:
            term = make_term(problem, residual, Sites(sample(problem, piece, "faces", NUM_TRIALS)))
            columns = [field.at(image.sites, image.request).jets(theta).numpy() for image in term.images]
            found[residual.name] = max(found.get(residual.name, 0.0), np.abs(term.evaluate(columns)).max())
    return found


@pytest.mark.parametrize("mapping, hard", CASES)
@pytest.mark.parametrize("engine", ["taylor", "autograd"])
@pytest.mark.parametrize("seed", [0, 1])
def test_hard_conditions_hold_for_random_weights(mapping, hard, engine, seed):
    problem = read(mapping)
    field = MLP(width=8, depth=2).field(problem, engine, hard=hard)
    theta = 3 * field.initial(seed)
    expected = {residual.name for residual in problem.conditions if residual.condition in hard}
    assert expected <= set(field.satisfied)
    defects = residuals(problem, field, theta, field.satisfied)
    assert set(defects) == set(field.satisfied)
    assert max(defects.values()) < 3e-14, defects


def test_a_field_without_them_does_not_hold():
    problem = read(WAVE)
    field = MLP(width=8, depth=2).field(problem)
    assert field.satisfied == ()
    assert min(residuals(problem, field, field.initial(0), ["initial.u", "initial.u_t", "ends"]).values()) > 1e-3


def test_the_network_still_matters_inside():
    problem = read(WAVE)
    field = MLP(width=8, depth=2).field(problem, hard=("initial", "ends"))
    evaluation = field.at(Sites(inside(problem, np.random.default_rng(0))), problem.values)
    assert (evaluation.jets(field.initial(0)) - evaluation.jets(field.initial(1))).abs().min() > 1e-6


def test_distance_is_of_size_one_and_vanishes_only_on_the_faces():
    problem = read(WAVE)
    constraint = Constraint(problem, ("initial", "ends"))
    _, distance = constraint.evaluate("u", inside(problem, np.random.default_rng(0), 2000), ((0, 0),))
    assert distance.min() > 0
    assert 0.3 < distance.max() <= 1.0
    _, slope = constraint.evaluate("u", np.array([[1.0, 0.0]]), ((0, 0), (0, 1), (0, 2)))
    assert slope[0, :2].tolist() == [0.0, 0.0]
    assert slope[0, 2] > 0


def test_the_lift_reproduces_bilinear_data():
    problem = read(
        PLATE, walls={"at": "boundary", "u": "2 + x - 3*y + x*y"}, initial={"at": "t = 0", "u": "2 + x - 3*y + x*y", "v": 0}
    )
    lift = Constraint(problem, ("walls", "initial")).lift["u"]
    points = inside(problem, np.random.default_rng(0))
    (value,) = Program([lift])({calculus.Name(name): points[:, axis] for axis, name in enumerate(problem.names)})
    x, y, _ = points.T
    np.testing.assert_allclose(value, 2 + x - 3 * y + x * y, rtol=1e-13, atol=1e-13)


def test_periodic_rows_are_satisfied_only_while_the_lift_is_periodic():
    assert MLP().field(read(RING)).satisfied == ("ring.u", "ring.u_x")
    assert MLP(periodic="none").field(read(RING)).satisfied == ()
    kink = read(RING, initial={"at": "t = 0", "u": "x**2*cos(pi*x)"})
    assert MLP().field(kink, hard=("initial",)).satisfied == ("initial", "ring.u")


@pytest.mark.parametrize(
    "mapping, hard, message",
    [
        (PLATE, "left", "not one unknown with a given value"),
        (RING, "ring", "it is periodic"),
        (RING, "rnig", "unknown condition 'rnig'; did you mean 'ring'"),
        (
            {**WAVE, "conditions": {**WAVE["conditions"], "ends": {"at": "boundary", "u": "u_t"}}},
            "ends",
            "not one unknown with a given value",
        ),
        ({**WAVE, "conditions": {**WAVE["conditions"], "ends": {"at": "boundary", "u**2": 1}}}, "ends", "only values"),
        ({**WAVE, "conditions": {**WAVE["conditions"], "ends": {"at": "boundary", "u_x": 1}}}, "ends", "only values"),
        (WAVE, "initial.u_t", "only with the value of u at the same time"),
    ],
)
def test_what_cannot_be_hard_is_refused_with_the_reason(mapping, hard, message):
    problem = read(mapping)
    with pytest.raises(BadInput, match=message) as caught:
        Constraint(problem, (hard,))
    assert caught.value.setting == "hard"


@pytest.mark.parametrize("u_t, u", [("1", "sin(pi*x) + x"), ("0", "x + 1")])
def test_conditions_that_differ_where_they_meet_are_refused(u_t, u):
    problem = read(WAVE, initial={"at": "t = 0", "u": u, "u_t": u_t})
    Constraint(problem, ("initial",))
    with pytest.raises(BadInput, match="'ends' would be off by .* because they differ where they meet"):
        Constraint(problem, ("initial", "ends"))


def test_one_row_of_a_condition_can_be_named():
    assert Constraint(read(WAVE), ("initial.u",)).satisfied == ("initial.u",)


def test_unknowns_of_fewer_coordinates_are_refused():
    problem = Problem("family", (Coordinate("x", 0.0, 1.0),), (Unknown("u", ("x",)), Unknown("k", ())), ())
    with pytest.raises(BadInput, match="'k' depends on nothing only"):
        MLP().field(problem)


def test_hard_jets_are_differentiable():
    problem = read(WAVE)
    field = MLP(width=4, depth=2).field(problem, hard=("initial", "ends"))
    evaluation = field.at(Sites(inside(problem, np.random.default_rng(0), 3)), (("u", ((0, 2),)),))
    assert torch.autograd.gradcheck(evaluation.jets, field.initial(0).requires_grad_())
