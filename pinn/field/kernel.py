"""Faà di Bruno's formula and its reverse as compiled loops, one pass over memory each, where a C compiler is at hand.

Products and sums are cheap and memory is slow: eager tensor operations read and write every channel many times. The code is made
from the same `Plan` and the same derivatives of the activation as the eager way, compiled once and kept in the user's cache
folder. Transcendental functions stay with torch.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pinn.field.activation import ACTIVATIONS, Scaled
from pinn.field.jet import Plan
from pinn.field.step import EagerStep

FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
TYPES = {torch.float64: "double", torch.float32: "float"}
LOG = logging.getLogger(__name__)
FAILURES = (OSError, RuntimeError, subprocess.SubprocessError)


class Symbol:
    """A number in generated code, with the methods of tensors that derivatives of activations use."""

    def __init__(self, name: str, code: list[str]):
        self.name, self.code = name, code

    def _new(self, expression: str) -> Symbol:
        name = f"s{len(self.code)}"
        self.code.append(f"const T {name} = {expression};")
        return Symbol(name, self.code)

    def __mul__(self, other: Symbol | float) -> Symbol:
        return self._new(f"{self.name} * {_text(other)}")

    def addcmul(self, a: Symbol, b: Symbol, value: float) -> Symbol:
        """Return self + value · a · b."""
        return self._new(f"{self.name} + {_text(value)} * {a.name} * {b.name}")

    def add_(self, other: float) -> Symbol:
        """Return self + other."""
        return self._new(f"{self.name} + {_text(other)}")

    def neg_(self) -> Symbol:
        """Return −self."""
        return self._new(f"-{self.name}")

    mul_ = __mul__


def _text(value: Symbol | float) -> str:
    return value.name if isinstance(value, Symbol) else f"(T){value!r}"


def _slopes(activation: str, num_bases: int, order: int, code: list[str]) -> list[str]:
    """Append the derivatives of the activation to ``code`` and return their names."""
    bases = tuple(Symbol(f"b{k}", code) for k in range(num_bases))
    slopes: Scaled = ACTIVATIONS[activation].derivatives(bases, order)
    return [tensor.name if factor == 1 else (tensor * factor).name for factor, tensor in slopes]


def _nodes(plan: Plan) -> list[str]:
    return [f"const T n{plan.num_inputs + k} = n{a} * n{b};" for k, (a, b) in enumerate(plan.products)]


def _combination(row: tuple[tuple[int, float], ...]) -> str:
    return " + ".join(f"n{n}" if weight == 1 else f"(T){weight!r} * n{n}" for n, weight in row)


def _forward(plan: Plan, activation: str, num_bases: int) -> list[str]:
    code: list[str] = []
    slopes = _slopes(activation, num_bases, plan.order, code)
    code += _nodes(plan)
    sums: list[list[str]] = [[] for _ in range(plan.num_outputs)]
    for n, number in enumerate(plan.present):
        sums[number].append(f"{slopes[1]} * n{n}")
    for number, p, row in plan.terms:
        sums[number].append(f"{slopes[p]} * ({_combination(row)})")
    code += [f"o{number}[j] = {' + '.join(terms) or '0'};" for number, terms in enumerate(sums)]
    return [*code, f"v[j] = {slopes[0]};"]


def _backward(plan: Plan, activation: str, num_bases: int, assign: str) -> list[str]:
    code: list[str] = []
    slopes = _slopes(activation, num_bases, plan.order + 1, code)
    code += _nodes(plan)
    pulls: list[list[str]] = [[] for _ in range(plan.num_inputs + len(plan.products))]
    sums: dict[int, list[str]] = {}
    for n, number in enumerate(plan.present):
        pulls[n].append(f"{slopes[1]} * g{number}")
        sums.setdefault(1, []).append(f"g{number} * n{n}")
    for number, p, row in plan.terms:
        sums.setdefault(p, []).append(f"g{number} * ({_combination(row)})")
        for n, weight in row:
            pulls[n].append(f"(T){weight!r} * {slopes[p]} * g{number}")
    for k in reversed(range(plan.num_inputs, len(pulls))):
        a, b = plan.products[k - plan.num_inputs]
        code.append(f"const T d{k} = {' + '.join(pulls[k])};")
        pulls[a].append(f"d{k} * n{b}")
        pulls[b].append(f"d{k} * n{a}")
    code += [f"r{n}[j] {assign} {' + '.join(pulls[n])};" for n in range(plan.num_inputs)]
    total = [f"{slopes[1]} * gv", *(f"{slopes[p + 1]} * ({' + '.join(terms)})" for p, terms in sums.items())]
    return [*code, f"q[j] = {' + '.join(total)};"]


def _loop(name: str, plan: Plan, num_bases: int, outputs: dict[str, str], inputs: dict[str, str], body: list[str]) -> str:
    """Return a C function over points p and neurons j; outputs and inputs are pointers by name."""
    head = [f"const T *restrict bases{k} = b[{k}] + p * w;" for k in range(num_bases)]
    head += [f"const T *restrict z{k} = z + {k} * zc + p * zs;" for k in range(plan.num_inputs)]
    head += [f"T *restrict {key} = {value};" for key, value in outputs.items()]
    head += [f"const T *restrict p{key} = {value};" for key, value in inputs.items()]
    load = [f"const T b{k} = bases{k}[j];" for k in range(num_bases)]
    load += [f"const T n{k} = z{k}[j];" for k in range(plan.num_inputs)]
    load += [f"const T {key} = p{key}[j];" for key in inputs]
    lines = "\n".join([*head, "#pragma GCC ivdep", "for (long j = 0; j < w; j++) {", *load, *body, "}"])
    arguments = "long n, long w, const T **b, const T *z, long zc, long zs, const T *x, const T *y, T *value, T *rest"
    return f"void {name}({arguments}) {{\nfor (long p = 0; p < n; p++) {{\n{lines}\n}}\n}}\n"


def source(plan: Plan, activation: str, num_bases: tuple[int, int], number: str) -> str:
    """Return the C code of ``forward``, ``backward``, and ``backward_rows`` which sums over points into one row.

    Parameters
    ----------
    num_bases : number of bases of the activation for the derivatives that the forward, and the reverse, need.
    number : ``double`` or ``float``.
    """

    def channels(names: str, count: int, array: str) -> dict[str, str]:
        return {f"{names}{k}": f"{array} + ({k} * n + p) * w" for k in range(count)}

    cotangents = channels("g", plan.num_outputs, "y") | {"gv": "x + p * w"}
    forward = channels("o", plan.num_outputs, "rest") | {"v": "value + p * w"}
    backward = channels("r", plan.num_inputs, "rest") | {"q": "value + p * w"}
    rows = {f"r{k}": f"rest + {k} * w" for k in range(plan.num_inputs)} | {"q": "value + p * w"}
    loops = [
        _loop("forward", plan, num_bases[0], forward, {}, _forward(plan, activation, num_bases[0])),
        _loop("backward", plan, num_bases[1], backward, cotangents, _backward(plan, activation, num_bases[1], "=")),
        _loop("backward_rows", plan, num_bases[1], rows, cotangents, _backward(plan, activation, num_bases[1], "+=")),
    ]
    return f"typedef {number} T;\n" + "".join(loops)


@lru_cache(maxsize=1)
def compiler() -> str | None:
    """Return the C compiler of this machine, or None."""
    return shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Whether compiled code can be made and loaded here; tried once, with the smallest piece of code."""
    if compiler() is None:
        return False
    try:
        compile_library("int one(void) { return 1; }")
    except FAILURES:
        return False
    return True


def cache_folder() -> Path:
    """Return the folder of compiled code, which only its owner can enter.

    Raises
    ------
    OSError, RuntimeError : it cannot be made; there is no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "pinn" / "kernels"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def compile_library(code: str) -> ctypes.CDLL:
    """Return the loaded library of C code, compiled unless it was before by the same compiler for the same machine.

    Where the user's cache folder cannot be written it is compiled for this process only. A kept library that does not load (it
    was damaged) is made again.

    Raises
    ------
    OSError, RuntimeError, subprocess.SubprocessError : there is no place to compile, or the compiler fails.
    """
    words = [code, compiler(), *FLAGS, platform.machine(), _processor()]
    name = f"{hashlib.sha256(' '.join(map(str, words)).encode()).hexdigest()[:32]}.so"
    try:
        folder = cache_folder()
        if not (folder / name).exists():
            _compile(code, folder / name)
        return ctypes.CDLL(str(folder / name))
    except FAILURES:
        with tempfile.TemporaryDirectory() as place:
            _compile(code, Path(place) / name)
            library = ctypes.CDLL(str(Path(place) / name))
            _keep(Path(place) / name)
            return library


def _compile(code: str, path: Path) -> None:
    """Compile beside ``path`` and move there what is complete and on the disk."""
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        text, made = Path(place) / "kernel.c", Path(place) / "kernel.so"
        text.write_text(code)
        subprocess.run([str(compiler()), *FLAGS, str(text), "-o", str(made)], check=True, capture_output=True, timeout=300)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)


def _keep(made: Path) -> None:
    """Put a library in place of a damaged one, if the cache folder can be written at all."""
    with suppress(OSError, RuntimeError), tempfile.TemporaryDirectory(dir=cache_folder()) as place:
        shutil.copyfile(made, Path(place) / made.name).replace(cache_folder() / made.name)


@lru_cache(maxsize=1)
def _processor() -> str:
    """Return the processor's name and abilities, for which -march=native compiles."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


@lru_cache(maxsize=256)
def compiled_step(plan: Plan, activation: str, dtype: torch.dtype) -> CompiledStep | EagerStep:
    """Return the compiled step, made at the first call; where that fails (a full disk), the eager one, with a warning."""
    try:
        return CompiledStep(plan, activation, dtype)
    except FAILURES as error:
        LOG.warning("derivatives go on without compiled loops, more slowly: %s", error)
        return EagerStep(plan, activation)


class CompiledStep:
    """σ on a jet; the same as `pinn.field.step.EagerStep` up to rounding, on a processor only."""

    def __init__(self, plan: Plan, activation: str, dtype: torch.dtype):
        self.plan, self.bases = plan, ACTIVATIONS[activation].bases
        probe = torch.zeros(1, dtype=dtype)
        num_bases = (len(self.bases(probe, plan.order)), len(self.bases(probe, plan.order + 1)))
        library = compile_library(source(plan, activation, num_bases, TYPES[dtype]))
        self._calls = {name: _prototype(library[name]) for name in ("forward", "backward", "backward_rows")}

    def forward(self, z: Tensor, rest: Tensor, tape: bool) -> tuple[Tensor, Tensor, tuple]:
        """Return the value, the other channels, and what `backward` needs; shapes as in `EagerStep.forward`."""
        bases = self.bases(z, self.plan.order + tape)
        value, out = torch.empty_like(z), z.new_empty(self.plan.num_outputs, *z.shape)
        self._call("forward", z.shape, bases, rest, None, None, value, out)
        return value, out, (bases, rest)

    def backward(self, saved: tuple, g_value: Tensor, g_out: Tensor, per_point: bool) -> tuple[Tensor, Tensor]:
        """Return the cotangents of z's value and of its present channels; see `EagerStep.backward`."""
        bases, rest = saved
        shape, g_value, g_out = g_value.shape, g_value.contiguous(), g_out.contiguous()
        g_z = torch.empty_like(g_value)
        if rest.shape[1] == shape[0] or per_point:
            g_rest = g_value.new_empty(len(rest), *shape)
            self._call("backward", shape, bases, rest, g_value, g_out, g_z, g_rest)
        else:
            g_rest = torch.zeros_like(rest)
            self._call("backward_rows", shape, bases, rest, g_value, g_out, g_z, g_rest)
        return g_z, g_rest

    def _call(
        self, name: str, shape: torch.Size, bases: tuple, rest: Tensor, x: Tensor | None, y: Tensor | None, *out: Tensor
    ) -> None:
        points, width = shape
        varies = rest.shape[1] == points
        num, length = (1, points * width) if varies and name != "backward_rows" else (points, width)
        pointers = (ctypes.c_void_p * len(bases))(*(base.data_ptr() for base in bases))
        strides = rest.shape[1] * width, width if varies else 0
        inputs = (tensor.data_ptr() if tensor is not None else None for tensor in (x, y))
        self._calls[name](num, length, pointers, rest.data_ptr(), *strides, *inputs, *(tensor.data_ptr() for tensor in out))


def _prototype(function: Any) -> Any:
    function.restype = None
    function.argtypes = [ctypes.c_long] * 2 + [ctypes.c_void_p] * 2 + [ctypes.c_long] * 2 + [ctypes.c_void_p] * 4
    return function
