"""Run folders as a run leaves them, made from formulas: a known solution plus an error of the kind networks make."""

import csv
import json

import numpy as np
from numpy import cos, exp, pi, sin

from pinn.report.export import write_nc, write_npz


def _axes(**ranges):
    return {name: np.linspace(low, high, num) for name, (low, high, num) in ranges.items()}


def _heat(size):
    axes = _axes(x=(0, 1, size), t=(0, 1, size))
    text = {
        "title": "Heat conduction in a rod",
        "citation": "Fourier (1822), Théorie analytique de la chaleur",
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "unknowns": ["u"],
        "constants": {"alpha": "1/pi**2", "k": 2},
        "equations": {"heat": "u_t = alpha*u_xx"},
        "conditions": {"initial": {"at": "t = 0", "u": "sin(pi*x) + sin(k*pi*x)/k"}, "walls": {"at": "boundary", "u": 0}},
        "exact": "exp(-t)*sin(pi*x) + exp(-k**2*t)*sin(k*pi*x)/k",
        "units": {"x": "m", "t": "s", "u": "K"},
    }
    return text, axes, {"u": lambda x, t: exp(-t) * sin(pi * x) + exp(-4 * t) * sin(2 * pi * x) / 2}


def _poisson(size):
    text = {
        "title": "Poisson's equation on a rectangle",
        "coordinates": {"x": [0, 2], "y": [0, 1]},
        "unknowns": ["u"],
        "equations": {"poisson": "-laplacian(u) = 5*pi**2/4*sin(pi*x/2)*sin(pi*y)"},
        "conditions": {"walls": {"at": "boundary", "u": 0}},
        "exact": "sin(pi*x/2)*sin(pi*y)",
    }
    return text, _axes(x=(0, 2, 2 * size), y=(0, 1, size)), {"u": lambda x, y: sin(pi * x / 2) * sin(pi * y)}


def _ode(size):
    text = {
        "title": "Damped oscillator",
        "coordinates": {"t": [0, 1]},
        "unknowns": ["u"],
        "constants": {"delta": 2, "omega_0": 20},
        "equations": {"oscillator": "u_tt + 2*delta*u_t + omega_0**2*u = 0"},
        "conditions": {"start": {"at": "t = 0", "u": 1, "u_t": 0}},
    }
    return text, _axes(t=(0, 1, 4 * size)), {"u": lambda t: exp(-2 * t) * cos(19.9 * t)}


def _system(size):
    text = {
        "title": "Wave as a first-order system",
        "coordinates": {"x": [0, 1], "t": [0, 2]},
        "unknowns": {"p": None, "v": None},
        "equations": {"continuity": "p_t + v_x = 0", "momentum": "v_t + p_x = 0"},
        "conditions": {"initial": {"at": "t = 0", "p": "sin(pi*x)", "v": 0}, "walls": {"at": "boundary", "p": 0}},
    }
    fields = {"p": lambda x, t: sin(pi * x) * cos(pi * t), "v": lambda x, t: -cos(pi * x) * sin(pi * t)}
    return text, _axes(x=(0, 1, size), t=(0, 2, 2 * size)), fields


def _heat_2d(size):
    text = {
        "title": "Cooling of a plate",
        "coordinates": {"x": [-1, 1], "y": [-1, 1], "t": [0, 0.5]},
        "unknowns": ["T"],
        "equations": {"heat": "T_t = 0.1*(T_xx + T_yy)"},
        "conditions": {"initial": {"at": "t = 0", "T": "exact"}, "walls": {"at": "boundary", "T": "exact"}},
        "exact": "exp(-4*((x - t)**2 + y**2))",
    }
    axes = _axes(x=(-1, 1, size), y=(-1, 1, size), t=(0, 0.5, size // 2))
    return text, axes, {"T": lambda x, y, t: exp(-8 * ((x - t) ** 2 + y**2) / (1 + t)) / (1 + t)}


def _poisson_3d(size):
    text = {
        "title": "Poisson's equation in a box",
        "coordinates": {"x": [0, 1], "y": [0, 1], "z": [0, 0.5]},
        "unknowns": ["u"],
        "equations": {"poisson": "-laplacian(u) = f"},
        "conditions": {"walls": {"at": "boundary", "u": 0}},
    }
    axes = _axes(x=(0, 1, size), y=(0, 1, size), z=(0, 0.5, size))
    return text, axes, {"u": lambda x, y, z: sin(2 * pi * x) * sin(pi * y) * sin(2 * pi * z)}


def _heat_3d(size):
    text = {
        "title": "Heat in a cube",
        "coordinates": dict.fromkeys("xyz", [0, 1]) | {"t": [0, 1]},
        "unknowns": ["u"],
        "equations": {"heat": "u_t = 0.1*laplacian(u)"},
        "conditions": {"initial": {"at": "t = 0", "u": "exact"}, "walls": {"at": "boundary", "u": 0}},
    }
    num = max(size // 2, 8)
    axes = _axes(x=(0, 1, num), y=(0, 1, num), z=(0, 1, num), t=(0, 1, num))
    return text, axes, {"u": lambda x, y, z, t: exp(-0.3 * pi**2 * t) * sin(pi * x) * sin(pi * y) * sin(pi * z)}


def _taylor_green(size):
    axes = _axes(x=(0, 2 * pi, size), y=(0, 2 * pi, size), t=(0, 1, size // 2))
    text = {
        "title": "Taylor–Green vortex",
        "coordinates": {"x": [0, "2*pi"], "y": [0, "2*pi"], "t": [0, 1]},
        "unknowns": ["u", "v", "p"],
        "constants": {"nu": 0.1},
        "equations": {
            "momentum_x": "u_t + u*u_x + v*u_y = -p_x + nu*laplacian(u)",
            "momentum_y": "v_t + u*v_x + v*v_y = -p_y + nu*laplacian(v)",
            "continuity": "u_x + v_y = 0",
        },
        "conditions": {
            "initial": {"at": "t = 0", "u": "exact", "v": "exact"},
            "wrap": {"periodic": ["x", "y"]},
            "gauge": "mean(p) = 0",
        },
    }
    fields = {
        "u": lambda x, y, t: cos(x) * sin(y) * exp(-0.2 * t),
        "v": lambda x, y, t: -sin(x) * cos(y) * exp(-0.2 * t),
        "p": lambda x, y, t: -(cos(2 * x) + cos(2 * y)) / 4 * exp(-0.4 * t),
    }
    return text, axes, fields


CASES = {
    "heat": _heat,
    "poisson": _poisson,
    "ode": _ode,
    "system": _system,
    "heat_2d": _heat_2d,
    "poisson_3d": _poisson_3d,
    "heat_3d": _heat_3d,
    "taylor_green": _taylor_green,
}
"""Functions of a size that return problem text, axes and exact fields."""


def _terms(text):
    names = list(text["equations"])
    for name, condition in text["conditions"].items():
        left = [key for key in condition if key not in ("at", "periodic")] if isinstance(condition, dict) else []
        names += [f"{name}.{key}" for key in left] if len(left) > 1 else [name]
    return names


def _points(text, axes, rng):
    box = np.array([[axis[0], axis[-1]] for axis in axes.values()])
    found = {}
    for name in _terms(text):
        num = 1500 if name in text["equations"] else 200
        points = box[:, 0] + np.ptp(box, axis=1) * rng.random((num, len(box)))
        if name.partition(".")[0] in ("initial", "start") and "t" in axes:
            points[:, list(axes).index("t")] = box[list(axes).index("t"), 0]
        elif name in ("walls", "wrap"):
            which = rng.integers(0, len([key for key in axes if key != "t"]), num)
            points[np.arange(num), which] = box[which, rng.integers(0, 2, num)]
        found[name] = points[: 1 if name == "gauge" else num]
    return found


def build_run(folder, kind="heat", size=33, error=1e-4, reference="exact", estimate=True, seed=0, **changes):
    """Write a finished run into ``folder`` and return it; ``changes`` replace entries of the metrics."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    text, axes, exact = CASES[kind](size)
    grid = np.meshgrid(*axes.values(), indexing="ij")
    scaled = [(g - g.min()) / max(np.ptp(g), 1e-300) for g in grid]
    fields, errors = {}, {}
    for name, formula in exact.items():
        true = formula(*grid)
        waves = sum(
            rng.normal() / k**1.5 * np.prod([np.cos(k * np.pi * s + rng.uniform(0, 6)) for s in scaled], axis=0)
            for k in range(1, 7)
        )
        waves *= error * np.linalg.norm(true) / np.linalg.norm(waves)
        fields[name] = true + waves
        if reference != "none":
            fields[f"{name}.reference"], fields[f"{name}.error"] = true, fields[name] - true
            errors[name] = {
                "relative_l2": float(np.linalg.norm(waves) / np.linalg.norm(true)),
                "max_error": float(np.abs(waves).max()),
            }
        if estimate:
            fields[f"{name}.estimate"] = -waves * (1 + 0.1 * np.sin(3 * sum(scaled)))
    meta = {"coordinates": list(axes), "unknowns": list(exact), "time": "t" if "t" in axes else None, "title": text["title"]}
    write_npz(folder / "solution.npz", axes, fields, meta)
    write_nc(folder / "solution.nc", axes, fields, meta)
    points = _points(text, axes, rng)
    residuals = {
        name: 30 * error * np.prod([np.cos(9 * s + k) for s in scaled], axis=0) for k, name in enumerate(text["equations"])
    }
    np.savez(
        folder / "diagnostics.npz",
        **{f"points.{name}": value for name, value in points.items()},
        **{f"residual.{name}": error * rng.normal(size=len(value)) for name, value in points.items()},
        **{f"residual.grid.{name}": value for name, value in residuals.items()},
    )
    _history(folder, list(points), error, rng)
    _metrics(folder, kind, text, list(points), errors, exact, error, reference, estimate, changes)
    (folder / "config.yaml").write_text(json.dumps(_config(text), ensure_ascii=False), encoding="utf-8")
    (folder / "status.json").write_text(json.dumps({"state": "finished", "stage": "lbfgs", "step": 3000, "pid": 1, "message": ""}))
    (folder / "environment.json").write_text(
        json.dumps(
            {
                "pinn": "0.1.0",
                "python": "3.12.3",
                "torch": "2.10.0",
                "numpy": "2.4.1",
                "machine": "x86_64, 8 cores",
                "command": f"pinn run {kind} seed={seed}",
                "seed": seed,
                "revision": "abc1234",
            }
        )
    )
    return folder


def _history(folder, terms, error, rng):
    steps = np.arange(0, 3001, 10)
    decay = np.where(steps < 2000, np.exp(-steps / 400), np.exp(-5 - (steps - 2000) / 120))
    floor = error**2
    with (folder / "history.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["step", "stage", "loss", *terms, "error"])
        for k, step in enumerate(steps):
            noise = np.exp((0.3 if step < 2000 else 0.02) * rng.normal(size=len(terms)))
            values = noise * (decay[k] + floor) * 2.0 ** -np.arange(len(terms))
            checked = f"{error + np.sqrt(decay[k]) / 3:.6g}" if step % 500 == 0 else ""
            rows.writerow([step, "adam" if step < 2000 else "lbfgs", f"{values.sum():.8g}", *(f"{v:.8g}" for v in values), checked])
    with (folder / "timing.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["step", "seconds"])
        rows.writerows([int(step), f"{step * (0.004 if step < 2000 else 0.009):.4f}"] for step in steps)


def _metrics(folder, kind, text, terms, errors, exact, error, reference, estimate, changes):
    lines = []
    for order, rate, start in ((2, 2.0, 3e-4), (4, 4.0, 7e-6), (8, 8.0, 2e-6), ("chebyshev", 14.0, 3e-7)):
        for k in range(4):
            lines.append(
                {"order": order, "grid": 16 * 2**k, "seconds": 0.01 * (1 + k) ** 1.7, "error": max(start * 2 ** (-rate * k), 3e-14)}
            )
    bars = {"exact": dict.fromkeys(exact, 0.0), "finite_difference": dict.fromkeys(exact, 3e-9), "none": None}[reference]
    metrics = {
        "problem": kind,
        "name": kind,
        "solver": "adam_lbfgs",
        "num_parameters": 8513,
        "num_rows": 2100,
        "seconds": {"setup": 0.8, "solve": 25.3, "judge": 1.7},
        "peak_memory_mb": 412.0,
        "unknowns": errors,
        "reference": {
            "kind": reference,
            "relative_error": bars,
            "observed_order": 3.96 if reference == "finite_difference" else None,
            "grids": [33, 65, 129],
            "seconds": 0.4,
            "why": "" if reference != "none" else "the domain is not a box",
        },
        "estimate": {
            "relative_l2": dict.fromkeys(exact, 1.02 * error) if estimate else None,
            "accepted": estimate,
            "why": "" if estimate else "not resolved on the largest grid",
            "seconds": 0.2,
        },
        "classical": {"order": 4, "seconds_at_equal_error": 0.014, "error_at_equal_time": 2e-13, "lines": lines},
        "terms": {name: error**2 / (k + 1) for k, name in enumerate(terms)},
        "verdict": "verified" if reference != "none" else "not verified",
        "verdict_reasons": ["error known from the exact solution", "estimate agrees within 2 %"]
        if reference != "none"
        else ["no reference: the domain is not a box"],
        "equations": dict(text["equations"]),
        "conditions": _condition_texts(text),
        "warnings": [],
    }
    (folder / "metrics.json").write_text(json.dumps({**metrics, **changes}))


def _condition_texts(text):
    texts = {}
    for name, condition in text["conditions"].items():
        left = (
            {key: value for key, value in condition.items() if key not in ("at", "periodic")} if isinstance(condition, dict) else {}
        )
        for key, value in left.items():
            texts[f"{name}.{key}" if len(left) > 1 else name] = f"{key} = {value}"
        if not left:
            texts[name] = condition if isinstance(condition, str) else f"periodic in {condition['periodic']}"
    return texts


def _config(text):
    return {
        "problem": text,
        "network": {"_target_": "pinn.MLP", "width": 64, "depth": 3, "activation": "tanh"},
        "solver": {
            "_target_": "pinn.Staged",
            "stages": {
                "adam": {"_target_": "pinn.Adam", "steps": 2000, "rate": 2e-3},
                "lbfgs": {"_target_": "pinn.LBFGS", "steps": 1000},
            },
        },
        "points": {"_target_": "pinn.Points", "interior": 1500, "surface": 200},
        "seed": 0,
        "precision": "float64",
        "accuracy": 1e-3,
        "weights": {},
    }
