"""C code of residuals with their derivatives, made from their programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.formulas.program import Instruction, Listing

EXPRESSIONS: Mapping[str, str] = {
    "+": "{0} + {1}",
    "-": "{0} - {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "neg": "-{0}",
    "sign": "{0} != {0} ? {0} : ({0} > 0) - ({0} < 0)",
    "abs": "fabs({0})",
    "real": "{0}",
    "imag": "0",
    "conj": "{0}",
    "min": "{0} < {1} || {0} != {0} ? {0} : {1}",
    "max": "{0} > {1} || {0} != {0} ? {0} : {1}",
    "where": "{0} != 0 ? {1} : {2}",
    "<": "{0} < {1}",
    "<=": "{0} <= {1}",
    ">": "{0} > {1}",
    ">=": "{0} >= {1}",
    "and": "{0} != 0 && {1} != 0",
    "or": "{0} != 0 || {1} != 0",
    "not": "{0} == 0",
    "atan2": "atan2({0}, {1})",
    **{
        name: name + "({0})"
        for name in ("sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "erf")
    },
}
"""What the functions of the language are in C; NaN comes out wherever NumPy gives it. Truth values are 0 and 1."""


class FormulaCode(NamedTuple):
    """Lines that compute a residual and its slopes at one point.

    Attributes
    ----------
    lines : of C, over the columns ``j0 j1 …`` and the known values ``data[k][i]``.
    residual, slopes : names or numbers of what they have computed; a slope that is "0" is nothing.
    """

    lines: list[str]
    residual: str
    slopes: list[str]


def formula_code(listing: Listing, columns: Sequence[int], data: list[np.ndarray], prefix: str) -> FormulaCode:
    """Return the code of a program that yields a residual and its slopes.

    Parameters
    ----------
    columns : for each input of the program, in their order, the column of the jets.
    data : known values by point, (points,) each; those of this formula are appended.
    prefix : of all names.

    Raises
    ------
    NotImplementedError : the formula cannot be written point by point.
    """
    names = {slot: f"j{column}" for slot, column in zip(listing.inputs.values(), columns, strict=True)}
    for slot, value in listing.constants.items():
        names[slot] = _known(value, data)
    lines = []
    for instruction in listing.code:
        names[instruction.slot] = name = f"{prefix}{instruction.slot}"
        lines.append(f"const T {name} = {_expression(instruction, names, listing.constants)};")
    residual, *slopes = (names[slot] for slot in listing.outputs)
    return FormulaCode(lines, residual, slopes)


def _known(value: Any, data: list[np.ndarray]) -> str:
    if np.ndim(value) == 0:
        if isinstance(value, complex) or not math.isfinite(value):
            raise NotImplementedError(f"the constant {value}")
        return "0" if value == 0 else f"(T){float(value)!r}"
    if np.ndim(value) != 1 or np.iscomplexobj(value):
        raise NotImplementedError("values that are not one real number for each point")
    data.append(np.asarray(value, dtype=float))
    return f"data[{len(data) - 1}][i]"


def _expression(instruction: Instruction, names: Mapping[int, str], constants: Mapping[int, Any]) -> str:
    arguments = [names[argument] for argument in instruction.arguments]
    if instruction.function == "**":
        base, exponent = arguments
        power = constants.get(instruction.arguments[1])
        if power in (2.0, 3.0, 4.0):
            return " * ".join([base] * int(power))
        return f"pow({base}, {exponent})"
    if instruction.function not in EXPRESSIONS:
        raise NotImplementedError(f"the function {instruction.function}")
    return EXPRESSIONS[instruction.function].format(*arguments)
