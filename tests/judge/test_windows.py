from dataclasses import replace

import numpy as np
import pytest
from judged_fields import from_text, heat

from pinn.judge import windows
from pinn.judge.choose import reference
from pinn.judge.error_bar import ErrorBar
from pinn.judge.settings import FiniteDifferenceReference
from pinn.judge.window import Window, agreeing, apart, upheld
from pinn.judge.windows import solve_on

SETTINGS = FiniteDifferenceReference(cache=False)


def on_a_line(equation, **more):
    text = {"coordinates": {"x": [0, 1]}, "unknowns": ["u"], "equations": {"p": equation}, "conditions": WALLS}
    return from_text(**(text | more))


WALLS = {"walls": {"at": "boundary", "u": 0}}


def window_of(problem, cells, order=4, bar=1e-9, state="observed"):
    solutions = tuple(solve_on(problem, cells * 2**level, order, {}) for level in range(3))
    bars = {"u": ErrorBar(state, bar, float(order), (16 * bar, bar))}
    return Window(solutions, cells, order, bars, {"u": 0.0}, {})


def test_a_bar_is_widened_and_never_narrowed():
    window = window_of(heat(), 4)
    wide = window.widened({"u": 1e-3})
    assert wide.relative_error == {"u": 1e-3} and wide.state == "not asymptotic" and wide.merit == pytest.approx(3e-3)
    assert window.widened({"u": 1e-12}) == window


def test_a_later_window_refutes_a_bar_that_is_too_small():
    problem = heat()
    early, late = window_of(problem, 4, order=2), window_of(problem, 8, order=2)
    found = apart(problem, early.finest, late.finest)["u"]
    assert upheld(problem, early, late).relative_error["u"] == 2 * found > 1e-4
    honest = window_of(problem, 4, order=2, bar=1.5 * found)
    assert upheld(problem, honest, late) == honest


def test_an_order_that_finer_grids_do_not_show_was_a_coincidence():
    problem = heat()
    early, late = window_of(problem, 4, bar=1e-2), window_of(problem, 8, state="not asymptotic")
    found = upheld(problem, early, late)
    assert found.state == "not asymptotic" and found.relative_error["u"] == 3e-2


def test_windows_of_two_orders_must_agree():
    problem = heat()
    fourth, second = window_of(problem, 8, state="not asymptotic"), window_of(problem, 4, order=2)
    distance = apart(problem, fourth.finest, second.finest)["u"]
    for window in agreeing(problem, fourth, second):
        assert window.relative_error["u"] == distance > 1e-4
    second = window_of(problem, 4, order=2, bar=1.1 * distance)
    assert agreeing(problem, fourth, second) == (fourth, second)


def test_three_grids_at_rounding_are_not_believed_without_a_fourth(monkeypatch):
    cells = []
    monkeypatch.setattr(windows, "solve_on", lambda problem, n, *rest: cells.append(n) or solve_on(problem, n, *rest))
    found = reference(on_a_line("u_xx = 2"), SETTINGS)
    assert found.state == "roundoff" and found.bar < 1e-9 and 64 in cells


def test_grids_of_other_sizes_are_looked_at(monkeypatch):
    """A look between the nested grids finds what all of them miss: here a solution that is wrong on all by the same factor."""

    def wrong(problem, cells, *rest):
        found = solve_on(problem, cells, *rest)
        return replace(found, values=found.values * (1.0 if cells % 3 == 0 else 1.01))

    monkeypatch.setattr(windows, "solve_on", wrong)
    found = reference(heat(), FiniteDifferenceReference(cache=False, size=0.01))
    assert found.state == "not asymptotic" and found.bar > 9e-3


@pytest.mark.parametrize(
    "problem",
    [
        on_a_line("-0.001*u_xx + u_x = 1", exact="x - (exp((x - 1)/0.001) - exp(-1000))/(1 - exp(-1000))"),
        from_text(
            coordinates={"t": [0, 10]},
            unknowns=["u"],
            equations={"decay": "u_t = -10*u"},
            conditions={"start": {"at": "t = 0", "u": 1}},
            exact="exp(-10*t)",
        ),
        from_text(
            coordinates={"t": [0, 10]},
            unknowns=["u"],
            equations={"follow": "u_t = -50*(u - cos(t))"},
            conditions={"start": {"at": "t = 0", "u": 0}},
            exact="(2500*cos(t) + 50*sin(t) - 2500*exp(-50*t))/2501",
        ),
    ],
    ids=["layer", "decay", "transient"],
)
def test_the_target_is_reached_between_the_nodes_too(problem):
    """The nodes alone are known to the target on far fewer cells than the function between them."""
    found = reference(problem, SETTINGS)
    points = np.linspace(*problem.box[0], 20_001)[:, None]
    truth = problem.exact_values(problem.values, points)
    assert np.linalg.norm(found(points) - truth) <= found.bar * np.linalg.norm(truth)
    assert found.bar <= SETTINGS.target


def test_singular_corners_are_in_the_error_bar():
    """Where a wall at rest meets an insulated one the solution is like the root of the distance: the order is one."""
    problem = from_text(
        coordinates={"x": [0, 1], "y": [0, 1]},
        unknowns=["u"],
        equations={"p": "laplacian(u) = -1"},
        conditions={
            "cold": {"at": "y = 0 and x > 0.5", "u": 0},
            "bare": {"at": "y = 0 and x <= 0.5", "u_n": 0},
            "rest": {"at": "not y = 0", "u_n": 0},
        },
    )
    found = reference(problem, FiniteDifferenceReference(cache=False, size=0.1))
    grids = (solve_on(problem, 128, 2, {}), solve_on(problem, 256, 2, {}))
    axes = (np.linspace(0, 1, 65), np.linspace(0, 1, 65))
    half, whole = (grid.on_grid("u", (np.zeros(1), *axes), 8)[0] for grid in grids)
    truth = 2 * whole - half  # the error falls with the cell size
    distance = np.linalg.norm(found.on_grid(axes)["u"] - truth) / np.linalg.norm(truth)
    assert found.state == "not asymptotic" and 2 * distance < found.bar < 0.05
