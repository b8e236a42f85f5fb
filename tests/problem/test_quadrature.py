"""Rules for parts of space: areas, volumes, lengths and moments in closed form, and the divergence theorem."""

import math

import numpy as np
import pytest

from pinn.problem.language import read_problem
from pinn.problem.settings import BadInput

SQUARE = {"x": [-2, 2], "y": [-2, 2]}
CUBE = {**SQUARE, "z": [-2, 2]}
FOUR = {**CUBE, "w": [-2, 2]}


def parts(coordinates, shapes, domain):
    """The rule of the domain, and that of its boundary."""
    found = read_problem({
        "coordinates": coordinates, "unknowns": ["u"], "equations": {"poisson": "-laplacian(u) = 1"}, "shapes": shapes,
        "domain": domain, "conditions": {"walls": {"at": "boundary", "u": 0}},
        "quantities": {"volume": "integral(1)", "rim": "surface_integral(1, boundary)"},
    })  # fmt: skip
    return tuple(found.quantities[name].part.rule(24) for name in ("volume", "rim"))


def ball(*center, radius=1.0):
    return {"ball": {"center": list(center), "radius": radius}}


def ellipse(*radii):
    return {"ellipsoid": {"center": [0.5, 0], "radii": list(radii)}}


def polygon(*vertices):
    return {"polygon": {"vertices": [list(each) for each in vertices]}}


def perimeter(p, q):
    """Of an ellipse: Gauss and Kummer's series in h = ((p − q)/(p + q))²."""
    h, total, term = ((p - q) / (p + q)) ** 2, 0.0, 1.0
    for k in range(400):
        total += term**2
        term *= (0.5 - k) / (k + 1) * math.sqrt(h)
    return math.pi * (p + q) * total


LENS = 2 * math.acos(0.6) - 1.2 * 0.8
CAP = math.pi * 0.4**2 * 2.6 / 3
ARC = math.acos(0.6)
TILT = 0.6 / math.sqrt(3)
CASES = {
    "ball": (SQUARE, {"a": ball(0.3, 0.1)}, "a", math.pi, 2 * math.pi),
    "hole": (SQUARE, {"a": ball(0.3, 0.1)}, "not a", 16 - math.pi, 16 + 2 * math.pi),
    "hole at the wall": (SQUARE, {"a": ball(2, 0)}, "not a", 16 - math.pi / 2, 14 + math.pi),
    "ring": (SQUARE, {"a": ball(0, 0, radius=2), "b": ball(0.1, 0)}, "a and not b", 3 * math.pi, 6 * math.pi),
    "narrow gap": (SQUARE, {"a": ball(0, 0, radius=1.999)}, "not a", 16 - math.pi * 1.999**2, 16 + 2 * math.pi * 1.999),
    "lens": (SQUARE, {"a": ball(-0.6, 0), "b": ball(0.6, 0)}, "a and b", LENS, 4 * ARC),
    "two balls": (SQUARE, {"a": ball(-0.6, 0), "b": ball(0.6, 0)}, "not (a or b)", 16 - 2 * math.pi + LENS, 16 + 4 * (math.pi - ARC)),
    "segment": (SQUARE, {"a": ball(0, 0), "h": "y > 0.6"}, "a and h", LENS / 2, 2 * ARC + 1.6),
    "ellipse": (SQUARE, {"a": ellipse(1, 0.5)}, "a", math.pi / 2, perimeter(1, 0.5)),
    "thin ellipse": (SQUARE, {"a": ellipse(1, 0.1)}, "not a", 16 - math.pi / 10, 16 + perimeter(1, 0.1)),
    "half an ellipse": (SQUARE, {"a": ellipse(1, 0.5), "h": "x > 0.5"}, "a and h", math.pi / 4, perimeter(1, 0.5) / 2 + 1),
    "two ellipses": (SQUARE, {"a": ellipse(1, 0.5), "b": ellipse(0.5, 1)}, "a and b", 2 * math.atan(0.5), None),
    "step": (SQUARE, {"a": {"box": {"x": [0, 2], "y": [0, 1]}}}, "not a", 14, 20),
    "triangle": (SQUARE, {"a": polygon((-1, -1), (1, -1), (1, 0.5))}, "not a", 14.5, 22),
    "triangle and ball": (SQUARE, {"a": polygon((0, 0), (1, 0), (1, 1)), "b": ball(0, 0, radius=0.8)}, "a and b", 0.08 * math.pi, 0.2 * math.pi + 1.6),
    "ell": (SQUARE, {"a": polygon((0, 0), (2, 0), (2, -2), (-2, -2), (-2, 2), (0, 2))}, "a", 12, 16),
    "quartic": (SQUARE, {"a": "x**4 + y**4 < 1"}, "a", 4 * math.gamma(1.25) ** 2 / math.gamma(1.5), None),
    "diamond": (SQUARE, {"a": "abs(x) + abs(y) < 1"}, "not a", 14, 16 + 4 * math.sqrt(2)),
    "circle by its formula": (SQUARE, {"a": "(x - 2)**2 + (y - 0.1)**2 < 1"}, "not a", 16 - math.pi / 2, 14 + math.pi),
    "formula and ball": (SQUARE, {"a": "(x + 0.6)**2 + y**2 < 1", "b": ball(0.6, 0)}, "a and b", LENS, 4 * ARC),
    "formula and line": (SQUARE, {"a": "x**2 + y**2 < 1", "h": "3*x + 4*y > 3"}, "a and h", LENS / 2, 2 * ARC + 1.6),
    "two pieces": (SQUARE, {"a": "(x**2 + y**2)**2 < 2*1.1**2*(x**2 - y**2) + 1 - 1.1**4"}, "a", None, None),
    "formula in space": (CUBE, {"a": "x**2/4 + z**2 < 1"}, "a", 8 * math.pi, 4 * perimeter(2, 1) + 4 * math.pi),
    "ball in space": (CUBE, {"a": ball(0.1, 0, 0.2)}, "a", 4 * math.pi / 3, 4 * math.pi),
    "hole in space": (CUBE, {"a": ball(0.1, 0, 0.2)}, "not a", 64 - 4 * math.pi / 3, 96 + 4 * math.pi),
    "half a hole in space": (CUBE, {"a": ball(2, 0, 0)}, "not a", 64 - 2 * math.pi / 3, 96 + math.pi),
    "cap": (CUBE, {"a": ball(0, 0, 0), "h": "z > 0.6"}, "a and h", CAP, 2 * math.pi * 0.4 + math.pi * 0.64),
    "lens in space": (CUBE, {"a": ball(0, 0, -0.6), "b": ball(0, 0, 0.6)}, "a and b", 2 * CAP, 4 * math.pi * 0.4),
    "tilted lens": (CUBE, {"a": ball(-TILT, -TILT, -TILT), "b": ball(TILT, TILT, TILT)}, "a and b", 2 * CAP, 4 * math.pi * 0.4),
    "cylinder": (CUBE, {"a": {"ball": {"center": {"x": 0, "z": 0.1}, "radius": 1}}}, "not a", 64 - 4 * math.pi, 96 + 6 * math.pi),
    "ball in four coordinates": (FOUR, {"a": ball(0, 0, 0, 0.1)}, "a", math.pi**2 / 2, 2 * math.pi**2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_volumes_and_areas(name):
    coordinates, shapes, domain, volume, area = CASES[name]
    inside, rim = parts(coordinates, shapes, domain)
    if volume is not None:
        assert inside.weights.sum() == pytest.approx(volume, rel=1e-12)
    assert (inside.weights > 0).all() and (rim.weights > 0).all()
    if area is not None:
        assert rim.weights.sum() == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_divergence_theorem(name):
    """∫ div F = ∮ F·n for F = (exp(a·x)) b with random a, b: the two rules have nothing in common."""
    coordinates, shapes, domain, *_ = CASES[name]
    inside, rim = parts(coordinates, shapes, domain)
    random = np.random.default_rng(1)
    a, b = random.uniform(-1, 1, (2, len(coordinates)))
    divergence = inside.weights @ np.exp(inside.points @ a) * (a @ b)
    flux = rim.weights @ (np.exp(rim.points @ a) * (rim.normals @ b))
    size = inside.weights @ np.exp(inside.points @ a)
    assert abs(divergence - flux) < 1e-11 * size, (divergence, flux)
    np.testing.assert_allclose(np.linalg.norm(rim.normals, axis=1), 1, rtol=1e-13)


def test_moments_of_a_ball():
    inside, rim = parts(CUBE, {"a": ball(0, 0, 0)}, "a")
    x, y, z = inside.points.T
    assert inside.weights @ (x**2 * y**4 * z**2) == pytest.approx(4 * math.pi * 3 / (945 * 11), rel=1e-12)
    assert abs(inside.weights @ (x * y**2)) < 1e-15
    x, y, z = rim.points.T
    assert rim.weights @ x**4 == pytest.approx(4 * math.pi / 5, rel=1e-12)


def test_the_error_falls_faster_than_any_power():
    """∫ cos(3x) over a square without a unit disk at (0.3, 0.1), whose share is 2π J₁(3)/3 cos(0.9)."""
    from scipy.special import j1

    found = read_problem({
        "coordinates": SQUARE, "unknowns": ["u"], "equations": {"e": "-laplacian(u) = 1"}, "shapes": {"a": ball(0.3, 0.1)},
        "domain": "not a", "conditions": {"w": {"at": "boundary", "u": 0}}, "quantities": {"q": "integral(1)"},
    })  # fmt: skip
    exact = 8 * math.sin(6) / 3 - 2 * math.pi * j1(3) / 3 * math.cos(0.9)
    rules = [found.quantities["q"].part.rule(quadrature) for quadrature in (4, 8, 12, 16, 24)]
    errors = [abs(rule.weights @ np.cos(3 * rule.points[:, 0]) - exact) for rule in rules]
    assert errors[0] > 1e-5 and errors[1] < errors[0] / 30 and errors[2] < errors[1] / 1000 and errors[4] < 1e-12, errors


@pytest.mark.parametrize(
    ("shapes", "domain", "message"),
    [
        ({"a": ball(0, 0, 0), "b": {"ball": {"center": {"x": 0.5, "y": 0}, "radius": 1}}}, "a and b", "cross is not supported yet"),
        ({"a": "x**2 + y**2 + z**4 < 1"}, "a", "ends along 'x\\*\\*2 .* formulas of two coordinates are"),
    ],
)
def test_what_has_no_closed_form_is_refused(shapes, domain, message):
    with pytest.raises(BadInput, match=message):
        parts(CUBE, shapes, domain)
