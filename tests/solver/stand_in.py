"""Small problems and rows for the tests of the solver room."""

import io

import torch

from pinn.field.network.mlp import MLP
from pinn.problem.language import read_problem
from pinn.problem.points import Points
from pinn.problem.terms import make_term
from pinn.solver.rows import Rows
from pinn.solver.rules import Until
from pinn.solver.staged import Staged, solve
from pinn.solver.state import State

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = 0.4*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
}
POISSON = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u"],
    "equations": {"poisson": "-laplacian(u) = 2*pi**2*sin(pi*x)*sin(pi*y)"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
}
ODD = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u", "v"],
    "equations": {
        "first": "u_xx + u*v_y = where(u > 0.1, sqrt(abs(u) + 0.1), 0)",
        "second": "v_y + x*u_x = abs(v) - max(u, 0.2)*y",
    },
    "conditions": {
        "wrap": {"periodic": "x"},
        "bottom": {"at": "y = 0", "u": "sin(2*pi*x)", "v": "0"},
        "flux": {"at": "y = 1", "v": "integral(u*v_y, s, 0, x) + v(y=0)"},
    },
}


def make_field(text=HEAT, width=8, depth=2, precision="float64", **options):
    return MLP(width=width, depth=depth, **options).field(read_problem(text), precision=precision)


def make_terms(text=HEAT, interior=40, surface=10, epoch=0, weights=None, rule="uniform"):
    problem = read_problem(text)
    sites = Points(rule=rule, interior=interior, surface=surface).draw(problem, 0, epoch)
    return [make_term(problem, row, sites[row.name], (weights or {}).get(row.name, 1.0)) for row in problem.residuals]


def make_rows(text=HEAT, field=None, interior=40, surface=10, epoch=0, weights=None, **options):
    field = field or make_field(text)
    faces = field.draw_interfaces(Points(surface=surface), 0, epoch) if field.interfaces else {}
    between = [make_term(field.problem, row, faces[row.name]) for row in field.interfaces]
    return Rows(field, [*make_terms(text, interior, surface, epoch, weights), *between], **options)


def saved(state):
    """Return a state that went through a file, as a checkpoint does."""
    file = io.BytesIO()
    torch.save(state.to_dict(), file)
    file.seek(0)
    return State.from_dict(torch.load(file, weights_only=True))


def check_going_on(stage, precision, stop, redraw, field=None):
    """Check that a run of a stage broken off after ``stop`` steps ends as an unbroken one to the last bit; return its last state."""
    field = field or make_field(width=6, depth=2, precision=precision)
    solver = Staged({"only": stage}, Until(plateau=None))

    def draw(epoch):
        return make_rows(HEAT, field, interior=30, surface=8, epoch=epoch)

    def run(state=None, stop=None):
        history = []
        for last in solve(solver, draw, field.initial(0), redraw=redraw, state=state):
            history.append((last.loss, last.theta.clone()))
            if last.total == stop:
                break
        return history, last

    whole, _ = run()
    first, state = run(stop=stop)
    rest, end = run(saved(state))
    assert len(first + rest) == len(whole) == stage.steps
    assert all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in zip(first + rest, whole, strict=True))
    assert end.theta.dtype == getattr(torch, precision)
    return end
