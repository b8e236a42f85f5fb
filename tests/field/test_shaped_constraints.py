"""Conditions on rims of any shape that hold whatever the weights are."""

import numpy as np
import pytest
import torch

from pinn.field.constraint import Constraint
from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import sample, sample_region
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term

SQUARE = {"x": [-2, 2], "y": [-2, 2]}
SMOOTH = "sin(x)*exp(y/2)"
ELL = {"polygon": {"vertices": [[0, 0], [2, 0], [2, -2], [-2, -2], [-2, 2], [0, 2]]}}
STAR = {"polygon": {"vertices": [[-1.5, -1.5], [0, -0.5], [1.5, -1.5], [0.5, 0], [1.5, 1.5], [0, 0.5], [-1.5, 1.5], [-0.5, 0]]}}


def ball(*center, radius=1.0):
    return {"ball": {"center": list(center), "radius": radius}}


def text(domain, conditions, coordinates=SQUARE, **shapes):
    equation = "u_t = laplacian(u)" if "t" in coordinates else "laplacian(u) = 0"
    return {
        "coordinates": coordinates, "unknowns": ["u"], "equations": {"e": equation}, "shapes": shapes, "domain": domain,
        "conditions": conditions,
    }  # fmt: skip


def walls(value=SMOOTH):
    return {"walls": {"at": "boundary", "u": value}}


START = {"start": {"at": "t = 0", "u": f"{SMOOTH}"}}
MOVING = {"rim": {"at": "boundary", "u": f"{SMOOTH}*exp(-t)"}}
CASES = {
    "disk": text("a", walls(), a=ball(0.2, 0.1)),
    "disk with two values": text("a", {"r": {"at": "a and x > 0", "u": "y"}, "l": {"at": "a and x < 0", "u": "-y"}}, a=ball(0, 0)),
    "hole": text("not a", {"in": {"at": "a", "u": 1}, "out": {"at": "boundary and not a", "u": "x"}}, a=ball(0.3, 0.1)),
    "hole alone": text("not a", {"in": {"at": "a", "u": SMOOTH}, "out": {"at": "boundary and not a", "u_n": 0}}, a=ball(0.3, 0.1)),
    "ring": text("a and not b", {"o": {"at": "a", "u": SMOOTH}, "i": {"at": "b", "u": "x*y"}}, a=ball(0, 0, radius=2), b=ball(0.3, 0)),
    "ellipse": text("a", walls(), a={"ellipsoid": {"center": [0.5, 0], "radii": [1, 0.3]}}),
    "elliptic hole": text("not a", walls(), a={"ellipsoid": {"center": [0.5, 0], "radii": [1, 0.3]}}),
    "ell": text("a", walls(), a=ELL),
    "ell with two values": text("a", {"s": {"at": "boundary and y > -1", "u": "x"}, "r": {"at": "boundary and y < -1", "u": 0}}, a=ELL),
    "star": text("a", walls(), a=STAR),
    "half disk": text("a and h", walls(), a=ball(0, 0), h="y > 0.3"),
    "two disks": text("a or b", walls(), a=ball(-0.6, 0), b=ball(0.6, 0)),
    "lens": text("a and b", {"l": {"at": "a", "u": "x"}, "r": {"at": "b", "u": "-x"}}, a=ball(-0.6, 0), b=ball(0.6, 0)),
    "step": text("not a", {"in": {"at": "x = -2", "u": "y"}, "w": {"at": "boundary and not x = -2", "u": 0}},
                 a={"box": {"x": [0, 2], "y": [0, 2]}}),
    "part of a face": text("not a", {"s": {"at": "x = 2 and y > 0.5", "u": "y"}, "r": {"at": "boundary and not (x = 2 and y > 0.5)",
                           "u_n": 0}}, a=ball(0, 0)),
    "half space": text("x < 0.7", walls()),
    "disk in time": text("a", MOVING | START, {**SQUARE, "t": [0, 1]}, a=ball(0.2, 0.1)),
    "star in time": text("a", MOVING | START, {**SQUARE, "t": [0, 1]}, a=STAR),
    "ball in space": text("not a", walls("x*y*z"), {**SQUARE, "z": [-2, 2]}, a=ball(0.2, 0.1, 0)),
    "cylinder": text("not a", {"c": {"at": "a", "u": "x*z"}, "o": {"at": "boundary and not a", "u_n": 0}}, {**SQUARE, "z": [-2, 2]},
                     a={"ball": {"center": {"x": 0.2, "y": 0.1}, "radius": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_they_hold_for_random_weights(name):
    problem = read_problem(CASES[name])
    field = MLP(width=8, depth=2).field(problem, hard=("all",))
    theta = 3 * field.initial(0)
    wanted = {row.name for row in problem.conditions if not row.text.startswith("u_n")}
    assert set(field.satisfied) == wanted
    worst = {}
    for residual in problem.conditions:
        if residual.name in wanted:
            term = make_term(problem, residual, sample_region(problem, residual.region, "rim", 200))
            columns = [field.at(image.sites, image.request).jets(theta).numpy() for image in term.images]
            worst[residual.name] = np.abs(term.evaluate(columns)).max()
    assert max(worst.values()) < 1e-12, worst


@pytest.mark.parametrize("name", CASES)
def test_all_that_the_equations_need_is_finite_inside_and_on_the_rim(name):
    problem = read_problem(CASES[name])
    field = MLP(width=4, depth=2).field(problem, hard=("all",))
    for residual in problem.residuals:
        sites = sample_region(problem, residual.region, "finite", 200)
        order = (tuple(2 * (axis == 0) for axis in range(problem.dim)), tuple(int(axis < 2) for axis in range(problem.dim)))
        jets = field.at(Sites(sites.points), tuple(("u", (index,)) for index in ((0,) * problem.dim, *order))).jets(
            field.initial(0)
        )
        assert torch.isfinite(jets).all()


@pytest.mark.parametrize(
    "name", ["star", "ell with two values", "ring", "two disks", "part of a face", "star in time", "elliptic hole"]
)
def test_derivatives_agree_with_differences(name):
    problem = read_problem(CASES[name])
    constraint = Constraint(problem, ("all",))
    points = sample(problem, problem.equations[0].region[0], "inside", 300)
    step, zero = 1e-5, (0,) * problem.dim
    for axis in range(problem.dim):
        once = tuple(int(axis == other) for other in range(problem.dim))
        twice = tuple(2 * order for order in once)
        shift = step * np.array(once)
        found = np.array(constraint.evaluate("u", points, (once, twice)))
        ends = [np.array(constraint.evaluate("u", points + sign * shift, (zero, once))) for sign in (-1, 1)]
        slopes = (ends[1] - ends[0]) / (2 * step)
        near = np.abs(found).max(axis=(0, 2)) < 1e3
        assert near.mean() > 0.9
        np.testing.assert_allclose(found[:, near], slopes[:, near], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("cylinder", "hole alone", "part of a face", "ball in space")]
)
def test_the_distance_is_positive_inside_and_has_slope_one_to_first_order(name):
    """Close to the rim the distance is proportional to the way to it, with the same factor everywhere."""
    problem = read_problem(CASES[name])
    constraint = Constraint(problem, ("all",))
    inside = sample(problem, problem.equations[0].region[0], "inside", 2000)
    _, distance = constraint.evaluate("u", inside, ((0,) * problem.dim,))
    assert distance.min() > 0 and 0.2 < distance.max() < 2
    ratios = []
    for residual in problem.conditions:
        if any(piece.is_wall for piece in residual.region):
            sites = sample_region(problem, residual.region, "slope", 100)
            points = sites.points - 1e-7 * sites.normals
            factor = points[:, problem.names.index("t")] if problem.time else 1.0
            ratios.append(constraint.evaluate("u", points, ((0,) * problem.dim,))[1][:, 0] / 1e-7 / factor)
    ratios = np.concatenate(ratios)
    assert np.ptp(np.quantile(ratios, [0.05, 0.95])) < 0.02 * np.median(ratios)


@pytest.mark.parametrize("name", ["ell", "hole", "star in time"])
def test_corners_have_values(name):
    """Figures and tables ask there, where several distances vanish."""
    problem = read_problem(CASES[name])
    corners = {"ell": [[0, 0], [2, 0], [-2, 2]], "hole": [[2, 2], [-2, 2]], "star in time": [[-1.5, -1.5, 0.5], [0.5, 0, 0]]}[name]
    lift, distance = Constraint(problem, ("all",)).evaluate("u", np.array(corners, float), ((0,) * problem.dim,))
    np.testing.assert_allclose(distance, 0, atol=1e-6)
    x, y, t = (*np.array(corners, float).T, 0.0)[:3]
    wanted = x if name == "hole" else np.sin(x) * np.exp(y / 2) * np.exp(-t)
    np.testing.assert_allclose(lift[:, 0], wanted, atol=1e-6)


def test_the_same_formula_everywhere_is_its_own_lift():
    problem = read_problem(CASES["star"])
    points = sample(problem, problem.equations[0].region[0], "inside", 100)
    lift, _ = Constraint(problem, ("walls",)).evaluate("u", points, ((0, 0), (2, 0)))
    np.testing.assert_allclose(lift[:, 0], np.sin(points[:, 0]) * np.exp(points[:, 1] / 2), rtol=1e-13)
    np.testing.assert_allclose(lift[:, 1], -lift[:, 0], rtol=1e-13)


@pytest.mark.parametrize(
    ("conditions", "hard", "message"),
    [
        ({"rim": {"at": "a", "u_n": 0}}, "rim", "'rim' cannot hold by construction: .*leave it to the loss"),
        ({"rim": {"at": "a", "u_n": "5 - u"}}, "rim", "leave it to the loss"),
        ({"rim": {"at": "a", "u": "sqrt(x**2 + y**2 - 0.5)"}}, "rim", "formulas are not smooth inside the domain, at x="),
        ({"l": {"at": "a and x < 0", "u": 0}, "r": {"at": "a and x > 0", "u": 1}, "s": {"at": "t = 0", "u": 0}}, "all",
         "conditions cannot hold at once: '(r|s)' would be off by"),
    ],
)  # fmt: skip
def test_what_cannot_be_hard_is_refused(conditions, hard, message):
    coordinates = {**SQUARE, "t": [0, 1]}
    start = {} if "s" in conditions else START
    problem = read_problem(text("a", conditions | start, coordinates, a=ball(0, 0)))
    with pytest.raises(BadInput, match=message):
        Constraint(problem, (hard,))
