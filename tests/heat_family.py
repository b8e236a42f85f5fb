"""A family of heat equations in a rod, and its solution."""

import numpy as np

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 0.5]},
    "parameters": {"a": {"range": [0.1, 1], "scale": "log"}},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = a*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-pi**2*a*t)*sin(pi*x)",
}


def exact(x, t, a):
    return np.exp(-(np.pi**2) * a * t) * np.sin(np.pi * x)
