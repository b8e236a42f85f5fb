"""Texts of small problems that tests of the language change."""

HEAT = {
    "coordinates": {"x": [0, "L"], "t": [0, 1]},
    "unknowns": ["u"],
    "constants": {"L": 1, "a": "0.4*L"},
    "equations": {"heat": "u_t = a*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-pi**2*a*t)*sin(pi*x)",
}


def with_changes(**changes):
    return {**HEAT, **changes}


def plane(**changes):
    base = {
        "coordinates": {"x": [0, 1], "y": [0, 2]},
        "unknowns": ["u"],
        "equations": {"poisson": "-laplacian(u) = 1"},
        "conditions": {"walls": {"at": "boundary", "u": 0}},
    }
    return {**base, **changes}
