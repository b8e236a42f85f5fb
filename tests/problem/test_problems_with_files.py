"""Problems that people publish together with files read as they are written: fields and references of every kind."""

import numpy as np
import pytest

from pinn.problem.formulas.calculus import jets
from pinn.problem.formulas.program import Program, site_values
from pinn.problem.language import load_problem
from pinn.problem.shapes.regions import sample_region

ALLEN_CAHN = """coordinates: {x: [-1, 1], t: [0, 1]}
unknowns: [u]
equations: {allen_cahn: u_t = 0.0001*u_xx + 5*(u - u**3)}
conditions:
  initial: {at: t = 0, u: x**2*cos(pi*x)}
  wrap: {periodic: x}
reference: {file: allen_cahn.mat, columns: {usol: u}}
"""
SCHROEDINGER = """coordinates: {x: [-5, 5], t: [0, pi/2]}
unknowns: {h: {complex: true}}
equations: {schroedinger: 1j*h_t + h_xx/2 + abs(h)**2*h = 0}
conditions:
  initial: {at: t = 0, h: 2/cosh(x)}
  wrap: {periodic: x}
reference: {file: NLS.mat, columns: {uu: h}}
"""
SCATTERER = """coordinates: {x: [-pi, pi], y: [-pi, pi]}
unknowns: {u: {complex: true}}
constants: {k: 2}
shapes: {obstacle: {ball: {center: [0, 0], radius: pi/4}}}
domain: not obstacle
define: {incident: exp(1j*k*x)}
equations: {helmholtz: laplacian(u) + k**2*u = 0}
conditions:
  sound_hard: {at: obstacle, u_n: -incident_n}
  absorbing: {at: boundary and not obstacle, u_n: 1j*k*u}
reference: {file: scattered.csv, columns: {re: real(u), im: imag(u)}}
"""
HOLES = """coordinates: {x: [-0.5, 0.5], y: [-0.5, 0.5]}
unknowns: [u]
shapes: {holes: {ball: {center: [[0.3, 0.3], [-0.3, 0.3], [0.3, -0.3], [-0.3, -0.3]], radius: 0.1}}}
domain: not holes
equations: {laplace: laplacian(u) = 0}
conditions:
  frame: {at: boundary and not holes, u: 1}
  rims: {at: holes, u: 0}
reference: {file: holes.dat, columns: [x, y, u]}
"""
BLOCKS = """coordinates: {x: [-10, 10], y: [-10, 10]}
unknowns: [u]
fields:
  a: {file: blocks.csv, columns: [x, y, a], interpolate: nearest}
  f: {file: source.npz, interpolate: linear, axes: [x, y]}
shapes: {v1: x < -6, v2: x < -2, v3: x < 2, v4: x < 6, h1: y < -6, h2: y < -2, h3: y < 2, h4: y < 6}
interfaces: [v1, v2, v3, v4, h1, h2, h3, h4]
equations: {poisson: a*laplacian(u) = -f}
conditions:
  robin: {at: boundary, u_n: -u}
  blocks: {at: interfaces, jump(u): 0, jump(a*u_n): 0}
"""
CONDUCTIVITY = """coordinates: {x: [0, 1], y: [0, 1], t: [0, 5]}
unknowns: [u]
fields:
  a: {file: square.dat, columns: [x, y, a], interpolate: nearest}
equations: {heat: u_t = a*laplacian(u) + 200*sin(pi*x)*sin(5*pi*y)*sin(pi*t)}
conditions:
  initial: {at: t = 0, u: 0}
  walls: {at: boundary, u: 0}
"""
LAYERS = """coordinates: {x: [0, 1], y: [0, 1], t: [0, 5]}
unknowns: [u]
fields: {c2: {file: square.dat, columns: [x, y, c2], interpolate: linear}}
equations: {wave: u_tt = c2*laplacian(u)}
conditions:
  initial: {at: t = 0, u: exp(-((x - 0.5)**2 + y**2)/0.18), u_t: 0}
  walls: {at: boundary, u_n: 0}
"""
CAVITY = """coordinates: {x: [0, 1], y: [0, 1]}
unknowns: [u, v, p]
constants: {Re: 100}
equations:
  momentum_x: u*u_x + v*u_y + p_x = laplacian(u)/Re
  momentum_y: u*v_x + v*v_y + p_y = laplacian(v)/Re
  continuity: u_x + v_y = 0
conditions:
  lid: {at: y = 1, u: 4*x*(1 - x), v: 0}
  walls: {at: boundary and not y = 1, u: 0, v: 0}
  gauge: p(x=0, y=0) = 0
reference: {file: cavity.dat, columns: [x, y, u, v, p]}
"""
VORTICITY = """coordinates: {x: [0, 2*pi], y: [0, 2*pi], t: [0, 10]}
unknowns: [u, v]
constants: {Re: 100}
fields: {w0: {file: torus.npz, columns: {w0: w0}, axes: [x, y]}}
define: {w: v_x - u_y}
equations:
  vorticity: w_t + u*w_x + v*w_y = laplacian(w)/Re
  continuity: u_x + v_y = 0
conditions:
  initial: {at: t = 0, w: w0}
  torus: {periodic: [x, y]}
  drift_x: mean(u) = 0
  drift_y: mean(v) = 0
"""
EULER = """coordinates: {x: [0, 2*pi], y: [0, 2*pi], t: [0, 1]}
unknowns: [u, v, p, rho]
fields:
  start: {file: torus.npz, columns: {u0: u0}, axes: [x, y]}
  v0: {file: torus.npz, columns: {v0: v0}, axes: [x, y]}
  r0: {file: torus.npz, columns: {rho0: r0}, axes: [x, y]}
equations:
  momentum_x: rho*(u_t + u*u_x + v*u_y + p_x) = 0
  momentum_y: rho*(v_t + u*v_x + v*v_y + p_y) = 0
  density: rho_t + u*rho_x + v*rho_y = 0
  continuity: u_x + v_y = 0
conditions:
  initial: {at: t = 0, u: start, v: v0, rho: r0}
  torus: {periodic: [x, y]}
  gauge: mean(p) = 0
"""
BURGERS = """coordinates: {x: [0, 4], y: [0, 4], t: [0, 1]}
unknowns: [u, v]
constants: {nu: 0.001}
fields:
  u0: {file: u.dat, columns: [x, y, u0]}
  v0: {file: v.dat, columns: [x, y, v0]}
equations:
  first: u_t + u*u_x + v*u_y = nu*laplacian(u)
  second: v_t + u*v_x + v*v_y = nu*laplacian(v)
conditions:
  initial: {at: t = 0, u: u0, v: v0}
  wrap: {periodic: [x, y]}
"""
LORENZ = """coordinates: {t: [0, 3]}
unknowns: [x, y, z]
fields:
  forcing: {file: forcing.csv, columns: [t, forcing], interpolate: cubic}
equations:
  first: x_t = 10*(y - x)
  second: y_t = x*(15 - z) - y
  third: z_t = x*y - 8/3*z + forcing
conditions:
  start: {at: t = 0, x: -8, y: 7, z: 27}
"""
SEMICONDUCTOR = """coordinates: {x: [0, 1]}
unknowns: [ne, np, V]
constants: {eps: 0.01}
fields: {doping: {file: doping.csv, columns: [x, doping]}}
equations:
  poisson: -eps*V_xx = np - ne + doping
  electrons: diff(ne_x - ne*V_x, x) = 0
  holes: diff(np_x + np*V_x, x) = 0
conditions:
  contacts: {at: boundary, ne: exp(V), np: exp(-V), V: x}
"""
WITH_FIELDS = dict(
    blocks=BLOCKS, conductivity=CONDUCTIVITY, layers=LAYERS, vorticity=VORTICITY, euler=EULER, burgers=BURGERS, lorenz=LORENZ,
    semiconductor=SEMICONDUCTOR,
)  # fmt: skip
WITH_REFERENCES = {
    "allen_cahn": (ALLEN_CAHN, ["u"], 96),
    "schroedinger": (SCHROEDINGER, ["h_real", "h_imag"], 96),
    "scatterer": (SCATTERER, ["u_real", "u_imag"], 64),
    "holes": (HOLES, ["u"], 30),
    "cavity": (CAVITY, ["u", "v", "p"], 64),
}


def columns(path, *axes, head="", comma=False):
    """Write points of a grid and some values at them."""
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    *places, values = points, [np.prod(np.cos(points), axis=1) * (2 + k) for k in range(max(1, head.count("v")))]
    np.savetxt(
        path, np.column_stack([*places, *values]), delimiter="," if comma else " ", header=head, comments="% " if head else ""
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from scipy.io import savemat

    path = tmp_path_factory.mktemp("problems")
    unit, torus, side = np.linspace(0, 1, 8), np.linspace(0, 2 * np.pi, 16, endpoint=False), np.linspace(0, 4, 9)
    x, t = np.linspace(-1, 1, 16), np.linspace(0, 1, 6)
    savemat(path / "allen_cahn.mat", {"x": x, "t": t, "usol": np.outer(x, t)})
    savemat(path / "NLS.mat", {"x": 5 * x, "t": t * np.pi / 2, "tt": t, "uu": np.outer(x, np.exp(1j * t))})
    grid = np.stack(np.meshgrid(3 * unit, 3 * unit), -1).reshape(-1, 2)
    np.savetxt(path / "scattered.csv", np.column_stack([grid, grid]), delimiter=",", header="x,y,re,im", comments="")
    places = np.random.default_rng(0).uniform(-0.5, 0.5, (30, 2))
    np.savetxt(path / "holes.dat", np.column_stack([places, places[:, 0]]))
    columns(path / "blocks.csv", np.arange(-8, 9, 4), np.arange(-8, 9, 4), comma=True)
    np.savez(path / "source.npz", x=20 * unit - 10, y=20 * unit - 10, f=np.outer(unit, unit))
    columns(path / "square.dat", unit, unit)
    columns(path / "cavity.dat", unit, unit, head="v v v")
    wave = np.outer(np.sin(torus), np.cos(torus))
    np.savez(path / "torus.npz", x=torus, y=torus, w0=wave, u0=wave, v0=-wave.T, rho0=1 + wave / 5)
    for name in ("u.dat", "v.dat"):
        columns(path / name, side, side)
    columns(path / "forcing.csv", 3 * unit, comma=True)
    columns(path / "doping.csv", unit, head="x doping", comma=True)
    return path


def read(folder, name, text):
    (folder / f"{name}.yaml").write_text(text)
    return load_problem(folder / f"{name}.yaml")


@pytest.mark.parametrize("name", WITH_FIELDS)
def test_problems_with_fields(folder, name):
    problem = read(folder, name, WITH_FIELDS[name])
    assert len(problem.files) >= 1
    for residual in (*problem.equations, *(row for row in problem.conditions if row.kind == "condition")):
        sites = sample_region(problem, residual.region, "trial", 16)
        known = {jet: np.ones(len(sites.points)) for jet in jets(residual.tree) if not jet.image}
        if len(known) == len(jets(residual.tree)) and not residual.region[0].is_inner and "mean" not in residual.text:
            (value,) = Program([residual.tree])({**site_values(sites, problem.names), **known})
            assert np.isfinite(value).all()


@pytest.mark.parametrize("name", WITH_REFERENCES)
def test_problems_with_references(folder, name):
    text, unknowns, places = WITH_REFERENCES[name]
    given = read(folder, name, text).given
    assert list(given.values) == unknowns and given.points.shape == (places, 2) and given.left_out == ()
