"""Integrals over faces in the finite-difference reference, against closed forms."""

import numpy as np
import pytest
from judged_fields import from_text

from pinn.judge.grid import make_grid
from pinn.judge.refusal import NoReference
from pinn.judge.solve import solve_steady
from pinn.judge.system import System

FACES = {"left": "x = 0", "ends": "x = 0 or x = 1", "lower": "x = 0 and y < 0.5", "corner": "x < 0.5"}


def plate(**more):
    return from_text(
        coordinates={"x": [0, 1], "y": [0, 2]}, unknowns=["u"], equations={"e": "laplacian(u) = 0"}, shapes=FACES,
        conditions={"left": {"at": "x = 0", "u_n": 1}, "right": {"at": "x = 1", "u_n": -1}, "rest": {"at": "y = 0 or y = 2", "u_n": 0},
                    **more},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gauge", "level"),
    [
        ("surface_integral(u, left) = 6", 3.0),
        ("surface_integral(u, ends) = 0", 0.5),
        ("surface_integral(u*n_x, ends) + surface_integral(y*u, left) = 2", 2.0),
        ("mean(u) = 0.5", 1.0),
    ],
)
def test_a_level_fixed_by_an_integral(gauge, level):
    """The solution is level − x; the balance of heat leaves the level to the integral."""
    problem = plate(gauge=gauge)
    system = System(problem, make_grid(problem, 8), 4)
    values = solve_steady(system).field("u")
    x = np.repeat(system.layout.nodes["u"][0], len(system.layout.nodes["u"][1]))
    np.testing.assert_allclose(np.ravel(values), level - x, atol=1e-11)


@pytest.mark.parametrize("gauge", ["surface_integral(u, lower) = 0", "integral(u, corner) = 0"])
def test_parts_of_faces_and_of_the_box_are_not_covered(gauge):
    problem = plate(gauge=gauge)
    with pytest.raises(NoReference, match="neither the whole domain nor whole faces"):
        System(problem, make_grid(problem, 8), 4)
