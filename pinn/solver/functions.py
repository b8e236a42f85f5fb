"""What the functions of the language do to tensors: the twin of `pinn.problem.formulas.program.NUMPY`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pinn.problem.formulas.program import NUMPY, Functions


def _unary(name: str, function: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    numpy = NUMPY[name]
    return lambda a: function(a) if isinstance(a, Tensor) else numpy(a)


def _binary(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Any]:
    numpy = NUMPY[name]
    return lambda a, b: function(*_tensors(a, b)) if isinstance(a, Tensor) or isinstance(b, Tensor) else numpy(a, b)


def _tensors(*values: Any) -> list[Tensor]:
    """Make tensors of plain numbers, in the precision and on the device of the tensor among ``values``."""
    like = next(value for value in values if isinstance(value, Tensor))
    return [value if isinstance(value, Tensor) else torch.full_like(like, value) for value in values]


def _power(a: Any, b: Any) -> Any:
    if not isinstance(b, Tensor):
        if b == 2 and isinstance(a, Tensor):
            return a * a
        return a**b
    return torch.pow(a, b)


def _where(condition: Any, a: Any, b: Any) -> Any:
    if not isinstance(condition, Tensor):
        return a if condition else b  # a scalar: array conditions are tensors here
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = (torch.tensor(value, dtype=torch.float64, device=condition.device) for value in (a, b))
    return torch.where(condition, a, b)


def _imag(a: Tensor) -> Tensor:
    return torch.imag(a) if a.is_complex() else torch.zeros_like(a)


TORCH: Functions = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "**": _power,
    "sqrt": _unary("sqrt", torch.sqrt),
    "exp": _unary("exp", torch.exp),
    "log": _unary("log", torch.log),
    "sin": _unary("sin", torch.sin),
    "cos": _unary("cos", torch.cos),
    "tan": _unary("tan", torch.tan),
    "asin": _unary("asin", torch.asin),
    "acos": _unary("acos", torch.acos),
    "atan": _unary("atan", torch.atan),
    "atan2": _binary("atan2", torch.atan2),
    "sinh": _unary("sinh", torch.sinh),
    "cosh": _unary("cosh", torch.cosh),
    "tanh": _unary("tanh", torch.tanh),
    "erf": _unary("erf", torch.erf),
    "abs": _unary("abs", torch.abs),
    "sign": _unary("sign", torch.sign),
    "real": _unary("real", torch.real),
    "imag": _unary("imag", _imag),
    "conj": _unary("conj", lambda a: torch.conj(a).resolve_conj()),
    "min": _binary("min", torch.minimum),
    "max": _binary("max", torch.maximum),
    "where": _where,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "and": _binary("and", torch.logical_and),
    "or": _binary("or", torch.logical_or),
    "not": _unary("not", torch.logical_not),
    "integrate": lambda a, w: (a * w).sum(-1),
}
"""The same keys as `NUMPY`. Numbers among the arguments stay numbers where they can."""
