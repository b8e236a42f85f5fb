"""Problems for the tests of this room: boxes with and without time, and conditions of every kind that can be hard."""

from pinn.problem.language import read_problem
from pinn.problem.problem import Coordinate, Problem
from pinn.problem.unknowns import Unknown

BOXES = (("x", -1.0, 3.0), ("y", 0.5, 0.75), ("z", 2.0, 5.0), ("t", 0.0, 0.5))


def box(dim=2, unknowns=("u",), periodic=(), scale=None):
    """A problem without equations on a box of 1 to 4 coordinates of different lengths."""
    names = tuple(name for name, _, _ in BOXES[:dim])
    return Problem(
        "box",
        tuple(Coordinate(*row) for row in BOXES[:dim]),
        tuple(Unknown(name, names, scale) for name in unknowns),
        (),
        periodic=periodic,
    )


def inside(problem, rng, num=7):
    low, high = problem.box.T
    return low + (high - low) * rng.uniform(0.05, 0.95, (num, problem.dim))


WAVE = {
    "coordinates": {"x": [0, 2], "t": [0, 3]},
    "unknowns": ["u"],
    "equations": {"wave": "u_tt = u_xx"},
    "conditions": {
        "initial": {"at": "t = 0", "u": "sin(pi*x) + x", "u_t": "x**2*(2-x)"},
        "ends": {"at": "boundary", "u": "x"},
    },
}

PLATE = {
    "coordinates": {"x": [0, 2], "y": [-1, 1], "t": [0, 3]},
    "unknowns": {"u": {"scale": 5}, "v": None},
    "equations": {"heat": "u_t = laplacian(u)", "other": "v_t = laplacian(v)"},
    "conditions": {
        "initial": {"at": "t = 0", "u": "exp(x)*cos(y)", "v": "x*y"},
        "walls": {"at": "boundary", "u": "exp(x)*cos(y)*exp(-t*(x-1)**2)*(1+t*y)"},
        "left": {"at": "x = 0 or y = -1 or y = 1", "v_n": "0"},
        "right": {"at": "x = 2", "v": "2*y"},
    },
}

RING = {
    "coordinates": {"x": [-1, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "cos(pi*x)"}, "ring": {"periodic": "x"}},
}


def read(mapping, **conditions):
    """The problem of a mapping, with some conditions replaced."""
    return read_problem({**mapping, "conditions": {**mapping["conditions"], **conditions}}, "trial")
