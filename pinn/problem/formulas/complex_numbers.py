"""Complex formulas as pairs of real trees, so that everything after the reader is real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pinn.problem.formulas.calculus import ONE, TWO, ZERO, add, build, call, divide, multiply, negative, power, subtract
from pinn.problem.formulas.parser import FormulaError
from pinn.problem.formulas.tree import Node, Number


@dataclass(frozen=True)
class Complex:
    """The value ``real + 1j*imag`` of two expanded trees."""

    real: Node
    imag: Node

    def map(self, function: Callable[[Node], Node]) -> Complex:
        """Apply a real linear map (a derivative, a substitution, an integral) to both parts."""
        return Complex(function(self.real), function(self.imag))


Scalar = Node | Complex
"""A real scalar as a tree, or a complex one as a pair of trees."""


def pair(value: Scalar) -> Complex:
    """Return any scalar as a pair."""
    return value if isinstance(value, Complex) else Complex(value, ZERO)


def build_scalar(function: str, *arguments: Scalar) -> Scalar:
    """Return a call of a function of the language on real or complex scalars.

    Raises
    ------
    FormulaError : the function is not defined for complex values (``min``, ``sign``, ``erf``, ...).
    """
    real = [argument for argument in arguments if isinstance(argument, Node)]
    if len(real) == len(arguments):
        return build(function, *real)
    if function not in _RULES:
        raise FormulaError(f"'{function}' is not defined for complex values; take real(...), imag(...) or abs(...)")
    result = _RULES[function](*map(pair, arguments))
    return result.real if isinstance(result, Complex) and result.imag == ZERO else result


def _multiply(a: Complex, b: Complex) -> Complex:
    return Complex(
        subtract(multiply(a.real, b.real), multiply(a.imag, b.imag)), add(multiply(a.real, b.imag), multiply(a.imag, b.real))
    )


def _square(a: Complex) -> Node:
    return add(power(a.real, TWO), power(a.imag, TWO))


def by_component(function: Callable[[Node], Node], value: Any) -> Any:
    """Apply a real linear map to a scalar, to both parts of a complex one, to every component of a vector."""
    if isinstance(value, tuple):
        return tuple(by_component(function, item) for item in value)
    return value.map(function) if isinstance(value, Complex) else function(value)


def _divide(a: Complex, b: Complex) -> Complex:
    if b.imag == ZERO:
        return Complex(divide(a.real, b.real), divide(a.imag, b.real))
    return _multiply(a, Complex(b.real, negative(b.imag))).map(lambda part: divide(part, _square(b)))


def _power(a: Complex, exponent: Complex) -> Complex:
    n = exponent.real
    if exponent.imag == ZERO and isinstance(n, Number) and n.value == int(n.value):
        result = Complex(ONE, ZERO)
        for _ in range(abs(int(n.value))):
            result = _multiply(result, a)
        return result if n.value >= 0 else _divide(Complex(ONE, ZERO), result)
    return _exp(_multiply(exponent, _log(a)))


def _exp(a: Complex) -> Complex:
    size = call("exp", a.real)
    return Complex(multiply(size, call("cos", a.imag)), multiply(size, call("sin", a.imag)))


def _log(a: Complex) -> Complex:
    return Complex(multiply(Number(0.5), call("log", _square(a))), call("atan2", a.imag, a.real))


def _sin(a: Complex) -> Complex:
    return Complex(multiply(call("sin", a.real), call("cosh", a.imag)), multiply(call("cos", a.real), call("sinh", a.imag)))


def _cos(a: Complex) -> Complex:
    return Complex(
        multiply(call("cos", a.real), call("cosh", a.imag)), negative(multiply(call("sin", a.real), call("sinh", a.imag)))
    )


def _turned(a: Complex) -> Complex:
    """Return 1j*a."""
    return Complex(negative(a.imag), a.real)


def _sinh(a: Complex) -> Complex:
    turned = _sin(_turned(a))
    return Complex(turned.imag, negative(turned.real))


def _cosh(a: Complex) -> Complex:
    return _cos(_turned(a))


_RULES: dict[str, Callable] = {
    "+": lambda a, b: Complex(add(a.real, b.real), add(a.imag, b.imag)),
    "-": lambda a, b: Complex(subtract(a.real, b.real), subtract(a.imag, b.imag)),
    "neg": lambda a: a.map(negative),
    "*": _multiply,
    "/": _divide,
    "**": _power,
    "exp": _exp,
    "log": _log,
    "sqrt": lambda a: _power(a, Complex(Number(0.5), ZERO)),
    "sin": _sin,
    "cos": _cos,
    "tan": lambda a: _divide(_sin(a), _cos(a)),
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": lambda a: _divide(_sinh(a), _cosh(a)),
    "abs": lambda a: call("sqrt", _square(a)),
    "real": lambda a: a.real,
    "imag": lambda a: a.imag,
    "conj": lambda a: Complex(a.real, negative(a.imag)),
}
