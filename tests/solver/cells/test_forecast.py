"""Where slabs begin, against polynomials in time, which a Taylor polynomial continues exactly."""

import numpy as np
import pytest
from cell_problems import make_march, read

from pinn.field.cells.cell_field import CellField
from pinn.field.cells.slabs import Slab
from pinn.solver.cells.forecast import ORDERS, forecasts

PROBLEM = read(
    {"x": [0, 1], "t": [0, 2]},
    {"law": "u_t = u_xx - u**3"},
    {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
)


def fields(first, later):
    """Fields on two slabs with different cells."""
    basis = make_march(PROBLEM, degree=8).basis
    return [
        CellField(make_march(PROBLEM, cells={"x": count}, degree=8).begin().cover.with_range(1, *ends), basis, ("u",))
        for count, ends in ((3, first), (2, later))
    ]


@pytest.mark.parametrize("power", range(1, ORDERS + 1))
def test_polynomials_of_a_degree_are_continued_exactly_from_their_order_on(power):
    before, after = fields((0.0, 0.8), (0.8, 1.4))

    def truth(points):
        return (1 + points[..., 0]) * points[..., 1] ** power

    slab = Slab(before, before.project(truth(before.grid_points())[:, None]))
    expected = after.project(truth(after.grid_points())[:, None])
    errors = [float(np.abs(found - expected).max()) for found in forecasts(PROBLEM, slab, after, 1)]
    assert len(errors) == ORDERS
    assert max(errors[power - 1 :]) < 1e-6 and all(error > 1e-3 for error in errors[: power - 1]), errors
