"""C code of an activation on jets: Faà di Bruno's formula and its reverse, one pass over memory each.

Products and sums are cheap and memory is slow: eager tensor operations read and write every channel many times. The code is made
from the same `Plan` and the same derivatives of the activation as the eager way. Transcendental functions stay with torch.
"""

from __future__ import annotations

from pinn.field.activation import ACTIVATIONS, Scaled
from pinn.field.jet import Plan


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
    for n, number in enumerate(plan.places):
        sums[number].append(f"{slopes[1]} * n{n}")
    for number, p, row in plan.terms:
        sums[number].append(f"{slopes[p]} * ({_combination(row)})")
    code += [f"o{number}[j] = {' + '.join(terms)};" for number, terms in enumerate(sums)]
    return [*code, f"v[j] = {slopes[0]};"]


def _backward(plan: Plan, activation: str, num_bases: int, assign: str) -> list[str]:
    code: list[str] = []
    slopes = _slopes(activation, num_bases, plan.order + 1, code)
    code += _nodes(plan)
    pulls: list[list[str]] = [[] for _ in range(plan.num_inputs + len(plan.products))]
    sums: dict[int, list[str]] = {}
    for n, number in enumerate(plan.places):
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
    return f"static void {name}({arguments}) {{\nfor (long p = 0; p < n; p++) {{\n{lines}\n}}\n}}\n"


def activation_loops(name: str, plan: Plan, activation: str, num_bases: tuple[int, int]) -> str:
    """Return the C functions ``NAME_forward``, ``NAME_backward``, and ``NAME_backward_rows`` which sums over points into one row.

    All take ``(n, w, b, z, zc, zs, x, y, value, rest)`` for n points and w neurons: pointers ``b`` to the bases of σ, the channels
    of the argument at ``z`` with ``zc`` numbers from one to the next and ``zs`` from a point to the next; in the reverse
    the cotangents of value and channels of σ(z) at ``x`` and ``y``. They write value and other channels at ``value`` and ``rest``.

    Parameters
    ----------
    num_bases : number of bases of the activation for the derivatives that the forward, and the reverse, need.
    """

    def channels(names: str, count: int, array: str) -> dict[str, str]:
        return {f"{names}{k}": f"{array} + ({k} * n + p) * w" for k in range(count)}

    cotangents = channels("g", plan.num_outputs, "y") | {"gv": "x + p * w"}
    forward = channels("o", plan.num_outputs, "rest") | {"v": "value + p * w"}
    backward = channels("r", plan.num_inputs, "rest") | {"q": "value + p * w"}
    rows = {f"r{k}": f"rest + {k} * w" for k in range(plan.num_inputs)} | {"q": "value + p * w"}
    ahead, back = num_bases
    return (
        _loop(f"{name}_forward", plan, ahead, forward, {}, _forward(plan, activation, ahead))
        + _loop(f"{name}_backward", plan, back, backward, cotangents, _backward(plan, activation, back, "="))
        + _loop(f"{name}_backward_rows", plan, back, rows, cotangents, _backward(plan, activation, back, "+="))
    )
