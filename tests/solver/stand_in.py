"""A small field and small problems for the tests of the solver room; independent of the field room."""

import itertools

import numpy as np
import torch

from pinn.problem.language import read_problem
from pinn.problem.randomness import generator
from pinn.problem.sites import Sites
from pinn.problem.terms import make_term
from pinn.solver.rows import Rows

HEAT = {
    "coordinates": {"x": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = 0.4*u_xx"},
    "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x)"}, "walls": {"at": "boundary", "u": 0}},
    "exact": "exp(-0.4*pi**2*t)*sin(pi*x)",
}
POISSON = {
    "coordinates": {"x": [0, 1], "y": [0, 1]},
    "unknowns": ["u"],
    "equations": {"poisson": "-laplacian(u) = 2*pi**2*sin(pi*x)*sin(pi*y)"},
    "conditions": {"walls": {"at": "boundary", "u": 0}},
    "exact": "sin(pi*x)*sin(pi*y)",
}


class SmallField:
    """tanh network in two coordinates with Taylor jets: the value, first and pure second derivatives."""

    def __init__(self, width=8, depth=2, dtype=torch.float64):
        self.sizes = [2, *[width] * depth, 1]
        self.shapes = [shape for a, b in itertools.pairwise(self.sizes) for shape in ((a, b), (b,))]
        self.lengths = [int(np.prod(shape)) for shape in self.shapes]
        self.num_params, self.dtype, self.device = sum(self.lengths), dtype, torch.device("cpu")

    def initial(self, seed=0):
        rng = generator(seed, "network")
        parts = [rng.normal(size=s) * np.sqrt(2 / sum(s)) if len(s) == 2 else 0.1 * rng.normal(size=s) for s in self.shapes]
        return torch.as_tensor(np.concatenate([part.ravel() for part in parts])).to(self.dtype)

    def at(self, sites, request):
        return SmallEvaluation(self, torch.as_tensor(sites.points).to(self.dtype), request)


class SmallEvaluation:
    def __init__(self, field, points, request):
        self.field, self.points = field, points
        self.wanted = [[self._channel(index) for index in operator] for _, operator in request]
        axes = {(c - 1) % 2 for w in self.wanted for c in w if c}
        self.axes = sorted(axes)
        self.second = [axis for axis in self.axes if any(3 + axis in w for w in self.wanted)]

    def _channel(self, index):
        return {(0, 0): 0, (1, 0): 1, (0, 1): 2, (2, 0): 3, (0, 2): 4}[index]

    def jets(self, theta):
        parts = [p.view(s) for p, s in zip(theta.split(self.field.lengths), self.field.shapes)]
        value = 2 * self.points - 1
        first = {a: 2 * torch.eye(2, dtype=theta.dtype)[a].expand_as(value) for a in self.axes}
        second = {a: None for a in self.second}
        for k in range(0, len(parts), 2):
            if k:
                tanh = value.tanh()
                slope = 1 - tanh * tanh
                bend = -2 * tanh * slope
                second = {a: bend * first[a] ** 2 if z is None else bend * first[a] ** 2 + slope * z for a, z in second.items()}
                first = {a: slope * z for a, z in first.items()}
                value = tanh
            value = torch.addmm(parts[k + 1], value, parts[k])
            first = {a: z @ parts[k] for a, z in first.items()}
            second = {a: None if z is None else z @ parts[k] for a, z in second.items()}
        channels = {0: value} | {1 + a: z for a, z in first.items()} | {3 + a: z for a, z in second.items()}
        return torch.cat([sum(channels[c] for c in w) for w in self.wanted], 1)


def sites(problem, residual, num, rng):
    """Uniform points on the pieces of a residual's region."""
    points, normals = [], []
    for piece in residual.region:
        some = rng.uniform(*problem.box.T, size=(num, problem.dim))
        normal = np.zeros_like(some)
        for name, value in piece.fixed:
            some[:, problem.names.index(name)] = value
        if piece.outward:
            normal[:, problem.names.index(piece.outward[0])] = piece.outward[1]
        points.append(some)
        normals.append(normal)
    return Sites(np.concatenate(points), np.concatenate(normals))


def make_terms(text=HEAT, interior=40, surface=10, epoch=0, weights=None):
    problem = read_problem(text)
    return [
        make_term(problem, r, sites(problem, r, interior if r.kind == "equation" else surface, generator(0, r.name, epoch)), (weights or {}).get(r.name, 1.0))
        for r in problem.residuals
    ]


def make_rows(text=HEAT, field=None, interior=40, surface=10, epoch=0, weights=None, **options):
    return Rows(field or SmallField(), make_terms(text, interior, surface, epoch, weights), **options)
