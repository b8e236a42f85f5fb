"""Calculus on expanded trees: simplifying constructors, substitution, partial and total derivatives, linearity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace as replace_fields
from functools import lru_cache

from pinn.problem.formulas.tree import Call, Integral, Jet, Known, Name, Node, Number, Operator, fold

ZERO, ONE, TWO = Number(0.0), Number(1.0), Number(2.0)

_FOLD: dict[str, Callable] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "neg": lambda a: -a,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tanh": math.tanh,
    "erf": math.erf,
    "abs": abs,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "min": min,
    "max": max,
    "real": lambda a: a,
    "imag": lambda a: 0.0,
    "conj": lambda a: a,
}


def call(function: str, *arguments: Node) -> Node:
    """Return ``Call(function, arguments)``, folded when all arguments are numbers and the value is finite."""
    numbers = [argument.value for argument in arguments if isinstance(argument, Number)]
    if function in _FOLD and len(numbers) == len(arguments):
        try:
            value = _FOLD[function](*numbers)
        except (ValueError, ZeroDivisionError, OverflowError):
            value = math.nan
        if isinstance(value, (int, float)) and math.isfinite(value):
            return Number(float(value))
    return Call(function, arguments)


def add(a: Node, b: Node) -> Node:
    """Return a + b."""
    if a == ZERO:
        return b
    if b == ZERO:
        return a
    if isinstance(b, Call) and b.function == "neg":
        return subtract(a, b.arguments[0])
    return call("+", a, b)


def subtract(a: Node, b: Node) -> Node:
    """Return a - b."""
    if b == ZERO:
        return a
    if a == ZERO:
        return negative(b)
    if a == b:
        return ZERO
    if isinstance(b, Call) and b.function == "neg":
        return add(a, b.arguments[0])
    return call("-", a, b)


def negative(a: Node) -> Node:
    """Return -a."""
    if isinstance(a, Call) and a.function == "neg":
        return a.arguments[0]
    if isinstance(a, Call) and a.function == "-":
        return subtract(a.arguments[1], a.arguments[0])
    if isinstance(a, Call) and a.function in "*/" and isinstance(a.arguments[0], Number):
        return Call(a.function, (Number(-a.arguments[0].value), a.arguments[1]))
    return call("neg", a)


def multiply(a: Node, b: Node) -> Node:
    """Return a * b; numbers move to the front."""
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    if b == ONE:
        return a
    if isinstance(b, Number) and not isinstance(a, Number):
        a, b = b, a
    if a == Number(-1.0):
        return negative(b)
    if isinstance(a, Call) and a.function == "neg":
        return negative(multiply(a.arguments[0], b))
    if isinstance(b, Call) and b.function == "neg":
        return negative(multiply(a, b.arguments[0]))
    if isinstance(a, Number) and isinstance(b, Call) and b.function == "*" and isinstance(b.arguments[0], Number):
        return multiply(call("*", a, b.arguments[0]), b.arguments[1])
    return call("*", a, b)


def divide(a: Node, b: Node) -> Node:
    """Return a / b."""
    if a == ZERO and b != ZERO:
        return ZERO
    if b == ONE:
        return a
    if isinstance(a, Call) and a.function == "neg":
        return negative(divide(a.arguments[0], b))
    return call("/", a, b)


def power(a: Node, b: Node) -> Node:
    """Return a ** b."""
    if b == ZERO:
        return ONE
    if b == ONE:
        return a
    if b == TWO and isinstance(a, Call) and a.function == "sqrt":
        return a.arguments[0]
    return call("**", a, b)


def total(items: Iterable[Node]) -> Node:
    """Return the sum of the items."""
    return fold(add, [item for item in items if item != ZERO] or [ZERO])


_BUILD: dict[str, Callable[..., Node]] = {"+": add, "-": subtract, "*": multiply, "/": divide, "**": power, "neg": negative}


def build(function: str, *arguments: Node) -> Node:
    """Return a call of any function, simplified."""
    return _BUILD[function](*arguments) if function in _BUILD else call(function, *arguments)


@lru_cache(maxsize=50_000)
def leaves(tree: Node) -> frozenset[Node]:
    """Return all names, jets, normals and integrals of a tree; integrals are leaves and not looked into."""
    if isinstance(tree, (Number, Known)):
        return frozenset()
    if isinstance(tree, Call):
        parts = [leaves(argument) for argument in tree.arguments]
        largest = max(parts, key=len)
        return largest if all(part is largest or part <= largest for part in parts) else _one(largest.union(*parts))
    return frozenset((tree,))


@lru_cache(maxsize=5_000)
def _one(found: frozenset[Node]) -> frozenset[Node]:
    """Return the same set for equal ones: a thousand nodes over the same thousand leaves are common."""
    return found


def names(tree: Node) -> set[str]:
    """Return the coordinates (and bound variables) on which the tree depends directly, images and integrals included."""
    found: set[str] = set()
    for leaf in leaves(tree):
        if isinstance(leaf, Name):
            found.add(leaf.name)
        elif isinstance(leaf, Jet):
            for _, place in leaf.image:
                found |= names(place)
        elif isinstance(leaf, Integral):
            bound = {name for name, _, _ in leaf.over}
            found |= names(leaf.integrand) - bound
            for _, low, high in leaf.over:
                found |= names(low) | names(high)
    return found


@lru_cache(maxsize=5_000)
def jets(tree: Node) -> tuple[Jet, ...]:
    """Return all jets of a tree, those inside integrals included, in a fixed order."""
    found: set[Jet] = set()
    for leaf in leaves(tree):
        if isinstance(leaf, Jet):
            found.add(leaf)
        elif isinstance(leaf, Integral):
            found.update(jets(leaf.integrand))
    return tuple(sorted(found, key=lambda jet: (jet.unknown, len(jet.image), str(jet.image), sum(jet.operator[0]), jet.operator)))


def replace(tree: Node, leaf: Callable[[Node], Node]) -> Node:
    """Return the tree with every leaf replaced by ``leaf(it)``, simplified."""
    memo: dict[Node, Node] = {}

    def walk(node: Node) -> Node:
        if isinstance(node, (Number, Known)):
            return node
        if node not in memo:
            memo[node] = build(node.function, *map(walk, node.arguments)) if isinstance(node, Call) else leaf(node)
        return memo[node]

    return walk(tree)


def substitute(tree: Node, places: Mapping[str, Node]) -> Node:
    """Return the tree evaluated elsewhere: coordinates replaced, jets and integrals looked up at the images.

    All substitutions happen at once: ``{"x": y, "y": x}`` swaps.
    """

    def leaf(node: Node) -> Node:
        if isinstance(node, Name):
            return places.get(node.name, node)
        if isinstance(node, Jet):
            image = {name: substitute(place, places) for name, place in node.image}
            for name, place in places.items():
                image.setdefault(name, place)
            kept = tuple(sorted((name, place) for name, place in image.items() if place != Name(name)))
            return Jet(node.unknown, node.operator, tuple(sorted(kept, key=lambda item: item[0])))
        if isinstance(node, Integral):
            bound = {name for name, _, _ in node.over}
            inner = {name: place for name, place in places.items() if name not in bound}
            over = tuple((name, substitute(low, places), substitute(high, places)) for name, low, high in node.over)
            return replace_fields(node, integrand=substitute(node.integrand, inner), over=over)
        return node

    return replace(tree, leaf)


def _derivatives() -> dict[str, Callable[[Node], Node]]:
    def inverse_root(a: Node) -> Node:
        return divide(ONE, call("sqrt", subtract(ONE, power(a, TWO))))

    return {
        "sin": lambda a: call("cos", a),
        "cos": lambda a: negative(call("sin", a)),
        "tan": lambda a: add(ONE, power(call("tan", a), TWO)),
        "exp": lambda a: call("exp", a),
        "log": lambda a: divide(ONE, a),
        "sqrt": lambda a: divide(Number(0.5), call("sqrt", a)),
        "sinh": lambda a: call("cosh", a),
        "cosh": lambda a: call("sinh", a),
        "tanh": lambda a: subtract(ONE, power(call("tanh", a), TWO)),
        "asin": inverse_root,
        "acos": lambda a: negative(inverse_root(a)),
        "atan": lambda a: divide(ONE, add(ONE, power(a, TWO))),
        "erf": lambda a: multiply(Number(2 / math.sqrt(math.pi)), call("exp", negative(power(a, TWO)))),
        "abs": lambda a: call("sign", a),
        "sign": lambda a: ZERO,
        "neg": lambda a: Number(-1.0),
    }


_DERIVATIVE = _derivatives()


def differentiate(tree: Node, leaf: Callable[[Node], Node]) -> Node:
    """Return the derivative of a tree, given the derivative of every leaf.

    ``min max abs where`` are differentiated by pieces (the value at a kink is one of the two one-sided ones).
    """
    memo: dict[Node, Node] = {}
    slopes = {node: leaf(node) for node in leaves(tree)}
    vary = {node for node, slope in slopes.items() if slope != ZERO}

    def walk(node: Node) -> Node:
        if isinstance(node, Number):
            return ZERO
        if node not in memo:
            if not isinstance(node, Call):
                memo[node] = slopes[node]
            else:  # most parts of a formula with many coordinates do not depend on the one at hand
                memo[node] = ZERO if vary.isdisjoint(leaves(node)) else _chain_rule(node, walk)
        return memo[node]

    return walk(tree)


def _chain_rule(node: Call, inner: Callable[[Node], Node]) -> Node:
    name, arguments = node.function, node.arguments
    if name == "where":
        condition, yes, no = arguments
        branches = inner(yes), inner(no)
        return ZERO if branches == (ZERO, ZERO) else Call("where", (condition, *branches))
    if name == "lookup":
        known, *places = arguments
        assert isinstance(known, Known)
        inside = [(axis, slope) for axis, place in enumerate(places) if (slope := inner(place)) != ZERO]
        return total(multiply(Call("lookup", (known.derivative(axis), *places)), slope) for axis, slope in inside)
    slopes = [inner(argument) for argument in arguments]
    if all(slope == ZERO for slope in slopes):
        return ZERO
    if name in ("+", "-"):
        return build(name, *slopes)
    if name == "*":
        return add(multiply(slopes[0], arguments[1]), multiply(arguments[0], slopes[1]))
    if name == "/":
        a, b = arguments
        return subtract(divide(slopes[0], b), divide(multiply(a, slopes[1]), power(b, TWO)))
    if name == "**":
        return _power_rule(node, *arguments, *slopes)
    if name == "atan2":
        a, b = arguments
        return divide(subtract(multiply(b, slopes[0]), multiply(a, slopes[1])), add(power(a, TWO), power(b, TWO)))
    if name in ("min", "max"):
        a, b = arguments
        return Call("where", (Call("<=" if name == "min" else ">=", (a, b)), *slopes))
    return multiply(_DERIVATIVE[name](arguments[0]), slopes[0])


def _power_rule(node: Call, base: Node, exponent: Node, base_slope: Node, exponent_slope: Node) -> Node:
    result: Node = ZERO
    if base_slope != ZERO:
        result = multiply(multiply(exponent, power(base, subtract(exponent, ONE))), base_slope)
    if exponent_slope != ZERO:
        result = add(result, multiply(multiply(node, call("log", base)), exponent_slope))
    return result


def partial(tree: Node, leaf: Node) -> Node:
    """Return the partial derivative by one leaf, all other leaves held fixed."""
    return differentiate(tree, lambda node: ONE if node == leaf else ZERO)


def shifted(operator: Operator, axis: int) -> Operator:
    """Return the operator differentiated once more along the coordinate number ``axis``."""
    return tuple(sorted(index[:axis] + (index[axis] + 1,) + index[axis + 1 :] for index in operator))


def derivative(
    tree: Node, coordinate: str, coordinates: tuple[str, ...], depends: Mapping[str, tuple[str, ...]] | None = None
) -> Node:
    """Return the total derivative along a coordinate; normals are held fixed.

    Parameters
    ----------
    coordinates : the problem's coordinates, in the order of the indices of jets.
    depends : coordinates of each unknown, where fewer than all; the derivative along any other is zero.
    """
    depends = depends or {}

    def leaf(node: Node) -> Node:
        if isinstance(node, Name):
            return ONE if node.name == coordinate else ZERO
        if isinstance(node, Jet):
            return _jet_slope(node)
        if isinstance(node, Integral):
            return _integral_slope(node)
        return ZERO

    def _jet_slope(node: Jet) -> Node:
        image = dict(node.image)
        terms = []
        for axis, name in enumerate(coordinates):
            slope = recurse(image[name]) if name in image else (ONE if name == coordinate else ZERO)
            if slope != ZERO and name in depends.get(node.unknown, coordinates):
                terms.append(multiply(slope, Jet(node.unknown, shifted(node.operator, axis), node.image)))
        return total(terms)

    def _integral_slope(node: Integral) -> Node:
        if node.mean or node.part is not None or len(node.over) > 1:
            inner = recurse(node.integrand)
            return ZERO if inner == ZERO else replace_fields(node, integrand=inner)
        ((name, low, high),) = node.over
        inner = recurse(node.integrand)
        ends = [multiply(substitute(node.integrand, {name: end}), recurse(end)) for end in (low, high)]
        return add(subtract(ends[1], ends[0]), ZERO if inner == ZERO else replace_fields(node, integrand=inner))

    def recurse(inner: Node) -> Node:
        return differentiate(inner, leaf)

    return recurse(tree)


def derivative_by_index(tree: Node, index: tuple[int, ...], coordinates: tuple[str, ...]) -> Node:
    """Return the repeated total derivative with ``index[i]`` orders along coordinate i."""
    for name, orders in zip(coordinates, index, strict=True):
        for _ in range(orders):
            tree = derivative(tree, name, coordinates)
    return tree


def has_unknowns(tree: Node) -> bool:
    """Whether any unknown occurs in the tree."""
    return bool(jets(tree))


def is_linear(tree: Node) -> bool:
    """Whether the tree is linear in the unknowns (conservative: a hidden cancellation counts as nonlinear)."""
    for leaf in leaves(tree):
        if isinstance(leaf, Integral) and not is_linear(leaf.integrand):
            return False
        if isinstance(leaf, (Jet, Integral)) and has_unknowns(leaf) and has_unknowns(partial(tree, leaf)):
            return False
    return True
