import numpy as np
import pytest
from judged_fields import exact, heat, perturbed, shipped, with_bump

from pinn.judge.grid import make_grid
from pinn.judge.resolution import jet_sizes, look, off_nodes, probes
from pinn.judge.solve import march, step_times
from pinn.judge.system import System
from pinn.problem.formulas.parser import parse


def seen_by(problem, cells, solution):
    system = System(problem, make_grid(problem, cells, wrap=False), 2)
    times = step_times(system, cells)
    made = probes(system, times)
    error = march(system, times, perturbed(problem, 1e-3))
    sizes = jet_sizes(error, {jet for probe in made for jet in probe.jets})
    return {(probe.name, number): look(probe, system, solution, sizes) for number, probe in enumerate(made)}


def test_every_equation_wall_and_start_is_probed():
    names = [name for name, _ in seen_by(heat(), 10, exact(heat()))]
    assert names == ["heat", "initial", "walls", "walls"]
    names = [name for name, _ in seen_by(shipped("heat_periodic"), 10, exact(shipped("heat_periodic")))]
    assert names.count("heat") == 1 and len(names) == 4


def test_smooth_residuals_are_resolved_and_have_their_mass():
    for seen in seen_by(heat(), 24, perturbed(heat(), 1e-3)).values():
        assert seen.unresolved < 0.1 and 0.8 < seen.mass < 1.2 and seen.weight > 0.01


def test_a_spike_between_the_nodes_is_not_seen_as_mass():
    found = seen_by(heat(), 12, with_bump(heat(), parse("1e-2*exp(-((x - 0.458)/0.01)**2)")))
    assert found["heat", 0].mass < 0.5 and found["heat", 0].unresolved > 0.7


def test_a_spike_on_one_node_is_seen_as_too_much():
    found = seen_by(heat(), 12, with_bump(heat(), parse("1e-2*exp(-((x - 0.5)/0.01)**2)")))
    assert found["heat", 0].mass > 2


def test_sizes_of_jets_of_the_error():
    problem = heat()
    system = System(problem, make_grid(problem, 40), 4)
    times = step_times(system, 40)
    error = march(system, times, lambda points, request: 1.5 * exact(problem)(points, request))
    made = probes(system, times)
    sizes = jet_sizes(error, set(made[0].jets))
    x, t = np.meshgrid(np.linspace(0, 1, 41), times)
    truth = 0.5 * np.exp(-0.4 * np.pi**2 * t) * np.sin(np.pi * x)
    for jet, size in sizes.items():
        factor = {((0, 1),): 0.4 * np.pi**2, ((2, 0),): np.pi**2}[jet.operator]
        assert size == pytest.approx(factor * np.sqrt(np.mean(truth**2)), rel=0.02)


def test_points_between_nodes_lie_inside_every_cell():
    nodes = np.sort(np.random.default_rng(0).random(20))
    found = off_nodes(nodes)
    assert np.all((found > nodes[:-1]) & (found < nodes[1:])) and len(off_nodes(nodes[:1])) == 1
