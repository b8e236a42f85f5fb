"""Formulas from text: a whitelist over Python's syntax tree gives a checked tree (`pinn.problem.formulas.printing` prints it back).

Nothing is ever evaluated as code. ``parse(str(tree)) == tree`` holds for every tree that `parse` returns.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Callable
from typing import Any

from pinn.problem.formulas.tree import At, Call, Imaginary, Name, Node, Number, Vector
from pinn.problem.settings import BadInput, nearest

MAX_LENGTH = 2000
MAX_DEPTH = 200
MAX_BRACKETS = 60
MAX_EXPONENT = 64

_OF_ONE = "sqrt exp log sin cos tan asin acos atan sinh cosh tanh erf abs sign real imag conj"
ELEMENTARY = {name: 1 for name in _OF_ONE.split()} | {"atan2": 2, "min": 2, "max": 2, "where": 3}
"""Functions that act by component, with their number of arguments."""

OPERATORS = {
    "diff": (2, 6),
    "grad": (1, 1),
    "div": (1, 1),
    "laplacian": (1, 1),
    "sum": (1, 1),
    "prod": (1, 1),
    "dot": (2, 2),
    "integral": (1, 4),
    "mean": (1, 2),
    "surface_integral": (2, 2),
    "jump": (1, 1),
}
"""Operators of the language, with the least and largest number of arguments."""

RESERVED = {*ELEMENTARY, *OPERATORS, "pi", "n", "exact", "boundary", "interfaces"}
"""Names that cannot be declared."""

COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "="}
ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}

_REFUSED = [  # (pattern, what to write instead)
    (r"\^", "write ** for a power"),
    (r"//", "write / for a quotient"),
    (r"==", "write = for an equation"),
    (r"!=", "'!=' is not part of the language"),
    (r":=", "':=' is not part of the language"),
    (r"&", "write 'and'"),
    (r"\|", "write 'or', or abs(...) for a modulus"),
    (r"<<|>>|%|@|~|;|:|\$|\\|`|\?|!|#", "this sign is not part of the language"),
    (r"[\[\]{}]", "only round brackets; lists belong to constants"),
    (r"['\"]", "quotation marks are not part of a formula"),
    (r"(?<![\w.])(?<![eE][+-])(?:0[xXbBoO]\w+|0\d+(?![\d.eE]))", "write a plain decimal number"),
    (r"(?<![\w.])\d+_[\d_]+", "write a plain decimal number"),
    (r"(?<![\w.])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!j\b)[A-Za-df-zA-DF-Z_]\w*", "write * between a number and a name"),
    (r"(?<![\w.])\d+\.?\d*[eE](?![+-]?\d)\w*", "write * between a number and a name"),
    (r"\b(?:np|numpy|math|torch|jnp|sp|sympy)\s*\.", "write the function alone, as in sin(x)"),
    (r"[A-Za-z_)]\s*\.\s*[A-Za-z_]", "dotted names are not allowed"),
    (r"__", "names have single underscores"),
    (r"\b_|_\b", "a name starts with a letter and does not end in an underscore"),
]
_ELSEWHERE = {
    "ln": "log(...)",
    "arctan": "atan(...)",
    "arcsin": "asin(...)",
    "arccos": "acos(...)",
    "arctan2": "atan2(y, x)",
    "Derivative": "diff(u, x)",
    "gradient": "grad(...)",
    "divergence": "div(...)",
    "lap": "laplacian(...)",
    "Abs": "abs(...)",
    "heaviside": "where(x > 0, 1, 0)",
}
"""Functions by the names that other languages give them."""

_LOOKALIKES = {
    "\u2212": "-",
    "\u00b7": "*",
    "\u00d7": "*",
    "\u00b2": "**2",
    "\u00b3": "**3",
    "\u2202": "diff(...)",
    "\u2207": "grad(...)",
    "\u0394": "laplacian(...)",
    "\u03c0": "pi",
    "\u2013": "-",
    "\u2019": "no mark",
    "\u2264": "<=",
    "\u2265": ">=",
}


class FormulaError(BadInput):
    """A formula that cannot be read; ``text`` and ``column`` (from 0) say where, ``detail`` shows it with a caret."""

    def __init__(self, message: str, setting: str = "", detail: str = "", text: str = "", column: int = 0):
        if text and not detail:
            shown, at = _window(text, column)
            detail = f"  {shown}\n  {' ' * at}^"
        super().__init__(message, setting, detail)
        self.text, self.column = text, column


def _window(text: str, column: int, width: int = 100) -> tuple[str, int]:
    start = max(0, min(column - width // 2, len(text) - width))
    return text[start : start + width], column - start


def parse(value: Any) -> Node:
    """Return the tree of a formula given as text or as a number.

    Raises
    ------
    FormulaError : the text is not a formula; the message says what to write instead.
    """
    return _read(value, boolean=False, selector=False)


def parse_selector(value: Any) -> Node:
    """Return the tree of a selector: comparisons, ``=``, names of surfaces, ``and or not``."""
    return _read(value, boolean=True, selector=True)


def parse_equation(value: Any) -> tuple[Node, Node]:
    """Return both sides of ``left = right``; without ``=`` the right side is 0."""
    text = _checked_text(value)
    if text is None:
        return parse(value), Number(0.0)
    if unequal := re.search(r"<=?|>=?", _without_brackets(text)):
        advice = "an inequality a >= b is written min(a - b, 0) = 0"
        raise FormulaError(f"'{unequal.group()}' is not an equation; {advice}", text=text, column=unequal.start())
    cuts = _top_level_equals(text)
    if len(cuts) > 1:
        raise FormulaError("an equation has one '='", text=text, column=cuts[1])
    if not cuts:
        return parse(text), Number(0.0)
    left, right = text[: cuts[0]], text[cuts[0] + 1 :]
    for side, name in ((left, "left"), (right, "right")):
        if not side.strip():
            raise FormulaError(f"nothing stands on the {name} of '='", text=text, column=cuts[0])
    return _parse_text(left, text, 0, False, False), _parse_text(right, text, cuts[0] + 1, False, False)


def _read(value: Any, boolean: bool, selector: bool) -> Node:
    text = _checked_text(value)
    if text is None and selector:
        raise FormulaError(f"a selector is text such as boundary or x = 0, got {_shown(value)}")
    return _literal(value) if text is None else _parse_text(text, text, 0, boolean, selector)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def _literal(value: Any) -> Node:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FormulaError(f"a formula is text or a number, got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FormulaError(f"a number must be finite, got {value}")
    return Number(number) if number >= 0 else Call("neg", (Number(-number),))


def _checked_text(value: Any) -> str | None:
    """Return the text without line breaks after the checks that need no grammar, or None for a value that is not text."""
    if not isinstance(value, str):
        return None
    text = " ".join(value.splitlines()) if "\n" in value or "\r" in value else value
    text = text.replace("\t", " ")
    if not text.strip():
        raise FormulaError("the formula is empty")
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    for column, sign in enumerate(text):
        if not (sign.isascii() and sign.isprintable()):
            hint = f"; write {_LOOKALIKES[sign]}" if sign in _LOOKALIKES else ""
            raise FormulaError(f"only ASCII signs are allowed, got {sign!r}{hint}", text=text, column=column)
    _check_brackets(text)
    return text


def _check_brackets(text: str) -> None:
    opened: list[int] = []
    for column, sign in enumerate(text):
        if sign == "(":
            opened.append(column)
            if len(opened) > MAX_BRACKETS:
                raise FormulaError(f"brackets are nested deeper than {MAX_BRACKETS}", text=text, column=column)
        elif sign == ")":
            if not opened:
                raise FormulaError("')' was never opened", text=text, column=column)
            opened.pop()
    if opened:
        raise FormulaError("'(' was never closed", text=text, column=opened[-1])


def _check_signs(text: str, whole: str, offset: int) -> None:
    found = [(match.start(), advice, match.group()) for pattern, advice in _REFUSED if (match := re.search(pattern, text))]
    if found:
        column, advice, sign = min(found, key=lambda item: item[0])
        raise FormulaError(f"{sign.strip()!r} is not allowed: {advice}", text=whole, column=offset + column)
    for match in re.finditer(r"[A-Za-z]\w*", text):
        word = match.group()
        if (keyword.iskeyword(word) and word not in ("and", "or", "not")) or word == "__debug__":
            advice = "write 'lam'" if word == "lambda" else "choose another name"
            raise FormulaError(
                f"'{word}' is a word of Python's and cannot stand in a formula; {advice}", text=whole, column=offset + match.start()
            )


def _top_level_equals(text: str) -> list[int]:
    depth, cuts = 0, []
    for column, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if (
            sign == "="
            and depth == 0
            and text[column - 1 : column] not in ("<", ">", "=", "!", ":")
            and text[column + 1 : column + 2] != "="
        ):
            cuts.append(column)
    return cuts


def _without_brackets(text: str) -> str:
    """Return the text with everything inside brackets blanked."""
    depth, out = 0, []
    for sign in text:
        depth += sign == "("
        out.append(" " if depth else sign)
        depth -= sign == ")"
    return "".join(out)


def _double_equals(text: str) -> tuple[str, list[int]]:
    """Write ``=`` outside argument lists as ``==`` so that Python reads a selector; return the columns of the inserted signs."""
    calls: list[bool] = []
    out: list[str] = []
    inserted: list[int] = []
    for column, sign in enumerate(text):
        if sign == "(":
            calls.append(bool(re.search(r"\w\s*$", text[:column])) and not re.search(r"\b(and|or|not)\s*$", text[:column]))
        elif sign == ")":
            calls.pop()
        if sign == "=" and not any(calls[-1:]) and text[column - 1 : column] not in ("<", ">"):
            inserted.append(column + len(inserted))
            out.append("=")
        out.append(sign)
    return "".join(out), inserted


def _parse_text(text: str, whole: str, offset: int, boolean: bool, selector: bool) -> Node:
    """Parse ``text``, which stands at ``offset`` of ``whole`` (for messages)."""
    _check_signs(text, whole, offset)
    start = len(text) - len(text.lstrip())
    body, inserted = _double_equals(text.strip()) if selector else (text.strip(), [])
    top = [] if selector else _top_level_equals(body)
    if top:
        raise FormulaError("'=' is not allowed here", text=whole, column=offset + start + top[0])

    def fail(message: str, column: int) -> FormulaError:
        return FormulaError(message, text=whole, column=offset + start + column - sum(i < column for i in inserted))

    try:
        return _Walker(fail, selector).walk(ast.parse(body, mode="eval").body, boolean, 0)
    except SyntaxError as error:
        column = min(max((error.offset or 1) - 1, 0), max(len(body) - 1, 0))
        condition = re.search(r"\bwhere\s*\([^(),<>]*=", body)
        if condition:
            raise fail("compare with < <= > >= in where(...); '=' holds on a set of measure zero", condition.end() - 1) from None
        raise fail("this is not a formula" if body else "the formula is empty", column) from None
    except (RecursionError, MemoryError):
        raise fail("the formula is nested too deep", 0) from None


class _Walker:
    """Turns Python's syntax tree into ours and refuses everything that is not on the list."""

    def __init__(self, fail: Callable[[str, int], FormulaError], selector: bool):
        self.fail, self.selector = fail, selector

    def walk(self, node: ast.AST, boolean: bool, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fail("the formula is nested too deep", getattr(node, "col_offset", 0))
        if isinstance(node, (ast.Compare, ast.BoolOp)) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
            return self._boolean(node, boolean, depth + 1)
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self._arithmetic(node, depth + 1)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            operand = self.walk(node.operand, False, depth + 1)
            return Call("neg", (operand,)) if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            if node.id in ELEMENTARY or node.id in OPERATORS:
                raise self.fail(f"'{node.id}' needs its arguments in brackets", node.col_offset)
            return Name(node.id)
        if isinstance(node, ast.Tuple) and node.elts:
            return Vector(tuple(self.walk(item, False, depth + 1) for item in node.elts))
        if isinstance(node, ast.Call):
            return self._call(node, depth + 1)
        raise self.fail("this is not part of the language", getattr(node, "col_offset", 0))

    def _constant(self, node: ast.Constant) -> Node:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float, complex)):
            raise self.fail("this is not part of the language", node.col_offset)
        try:
            size = value.imag if isinstance(value, complex) else float(value)
        except OverflowError:
            size = math.inf
        if not math.isfinite(size):
            raise self.fail("the number is too large for floating point", node.col_offset)
        return Imaginary(size) if isinstance(value, complex) else Number(size)

    def _arithmetic(self, node: ast.BinOp, depth: int) -> Node:
        left, right = self.walk(node.left, False, depth), self.walk(node.right, False, depth)
        if isinstance(node.op, ast.Pow) and isinstance(right, (Number, Imaginary)) and abs(right.value) > MAX_EXPONENT:
            raise self.fail(f"the exponent is larger than {MAX_EXPONENT}", node.right.col_offset)
        return Call(ARITHMETIC[type(node.op)], (left, right))

    def _boolean(self, node: ast.Compare | ast.BoolOp | ast.UnaryOp, allowed: bool, depth: int) -> Node:
        if not allowed:
            raise self.fail("a comparison stands only inside where(...) and in at:", node.col_offset)
        if isinstance(node, ast.UnaryOp):
            return Call("not", (self.walk(node.operand, True, depth),))
        if isinstance(node, ast.BoolOp):
            word = "and" if isinstance(node.op, ast.And) else "or"
            return _chain(word, [self.walk(value, True, depth) for value in node.values])
        sides = [self.walk(side, False, depth) for side in (node.left, *node.comparators)]
        signs = [COMPARISONS.get(type(op), "") for op in node.ops]
        if "" in signs or ("=" in signs and not self.selector):
            raise self.fail("compare with < <= > >= here", node.col_offset)
        return _chain("and", [Call(sign, (low, high)) for sign, low, high in zip(signs, sides[:-1], sides[1:], strict=True)])

    def _call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name):
            raise self.fail("only plain function calls are allowed", node.col_offset)
        name = node.func.id
        if any(isinstance(argument, ast.Starred) for argument in node.args) or any(word.arg is None for word in node.keywords):
            raise self.fail("'*' arguments are not allowed", node.col_offset)
        if node.keywords:
            return self._elsewhere(node, name, depth)
        arity = (ELEMENTARY[name],) * 2 if name in ELEMENTARY else OPERATORS.get(name)
        if arity is None:
            other = f"; write {_ELSEWHERE[name]}" if name in _ELSEWHERE else nearest(name, [*ELEMENTARY, *OPERATORS])
            hint = other or f"; a quantity elsewhere is written {name}(x=...)"
            raise self.fail(f"unknown function '{name}'{hint}", node.col_offset)
        if not arity[0] <= len(node.args) <= arity[1]:
            wanted = f"{arity[0]}" if arity[0] == arity[1] else f"{arity[0]} to {arity[1]}"
            raise self.fail(f"'{name}' takes {wanted} argument{'s' * (wanted != '1')}, got {len(node.args)}", node.col_offset)
        booleans = {"where": 0, "integral": 1, "mean": 1, "surface_integral": 1}
        arguments = [self.walk(argument, k == booleans.get(name), depth) for k, argument in enumerate(node.args)]
        return Call(name, tuple(arguments))

    def _elsewhere(self, node: ast.Call, name: str, depth: int) -> Node:
        if name == "surface_integral":
            raise self.fail("a face has a name in shapes:, as in outlet: x = 4; write surface_integral(f, outlet)", node.col_offset)
        if node.args:
            raise self.fail(f"write every place as coordinate=value in {name}(...)", node.col_offset)
        if name in ELEMENTARY or name in OPERATORS:
            raise self.fail(f"'{name}' has no named arguments", node.col_offset)
        places = {word.arg: word.value for word in node.keywords if word.arg is not None}
        if len(places) < len(node.keywords):
            raise self.fail("a coordinate is named twice", node.col_offset)
        return At(Name(name), tuple((coordinate, self.walk(place, False, depth)) for coordinate, place in places.items()))


def _chain(word: str, items: list[Node]) -> Node:
    tree = items[0]
    for item in items[1:]:
        tree = Call(word, (tree, item))
    return tree
