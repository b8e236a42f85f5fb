"""From a residual and points to a term: where which jets are wanted, and the formula with everything else computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from pinn.problem.formulas import calculus
from pinn.problem.formulas.program import NUMPY, Functions, Program, coordinate_values, site_values
from pinn.problem.formulas.sides import HERE, conditions_beside, direction, is_side, nudged, off_the_point
from pinn.problem.formulas.tree import Call, Integral, Jet, Name, Node, Normal
from pinn.problem.problem import Problem, Request, Residual, jet_column
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites

QUADRATURE_NODES = 24
"""Gauss-Legendre nodes per variable of an integral, unless the points settings say otherwise."""


MOST_NODES = 10_000_000
"""Nodes of one integral at most."""


class Image(NamedTuple):
    """Sites at which a residual reads jets, and which; the row's own points are one image, u(x=0) is another."""

    sites: Sites
    request: Request

    @property
    def seen(self) -> tuple[Any, ...]:
        """What a solution is asked for: points, request, and towards where to look from the points if that matters."""
        return (self.sites.points, self.request, *([] if self.sites.side is None else [self.sites.side]))


@dataclass(frozen=True)
class Column(Node):
    """Leaf: one column of the jets at one image, reshaped to (rows, nodes) inside an integral with ``nodes`` nodes per row."""

    image: int
    column: int
    nodes: int | None = None


@dataclass(frozen=True)
class Local(Node):
    """Leaf: a coordinate or weight inside one integral, (rows, 1) or (rows, nodes)."""

    name: str
    integral: int


@dataclass(frozen=True)
class Sum(Node):
    """Leaf: the value of one integral, (rows,), in a tree that is to be differentiated."""

    integral: int


class Slope(NamedTuple):
    """The derivative of a residual by one column of the jets at one image.

    ``values`` is a number or (rows,); for a column inside an integral (rows, nodes), one value for each of its points.
    """

    image: int
    column: int
    values: Any


@dataclass(frozen=True)
class Term:
    """A residual at points, ready for a field.

    Row i of the discretised problem is sqrt(weight / count) times row i of `evaluate`, so the loss is the sum over terms of
    weight times mean square.

    Attributes
    ----------
    sites : the points of the rows, (rows, dim).
    images : where jets are wanted; what `evaluate` needs is one array (points, len(request)) for each.
    program : the formula over `Column` leaves; all that needs no jet is already computed.
    slopes : the formula and its derivatives by the columns, in the order of ``columns``: one for a column at the row itself; two
        for a column inside an integral, that by the integral and that of the weighted integrand.
    columns : those that the formula depends on.
    count : number of rows over all processes.
    """

    name: str
    sites: Sites
    images: tuple[Image, ...]
    program: Program
    slopes: Program
    columns: tuple[Column, ...]
    weight: float = 1.0
    count: int = 0

    @property
    def num_rows(self) -> int:
        """Number of rows held here."""
        return len(self.sites.points)

    def evaluate(self, columns: Sequence[Any], functions: Functions = NUMPY) -> Any:
        """Return the residual (rows,), unscaled, from the jets at every image.

        Parameters
        ----------
        columns : arrays (points, len(request)), one per image, of the library that ``functions`` belongs to.
        """
        (result,) = self.program(_values(self.program, columns), functions)
        return result

    def linearise(self, columns: Sequence[Any], functions: Functions = NUMPY) -> tuple[Any, list[Slope]]:
        """Return the residual and its derivatives by the jets; arguments as in `evaluate`."""
        residual, *found = self.slopes(_values(self.slopes, columns), functions)
        values, slopes = iter(found), []
        for leaf in self.columns:
            slope = next(values)
            if leaf.nodes is not None:
                slope = (slope[:, None] if np.ndim(slope) else slope) * next(values)
            slopes.append(Slope(leaf.image, leaf.column, slope))
        return residual, slopes

    def exact(self) -> Term:
        """Return the term without directions: nothing is estimated."""
        images = tuple(Image(image.sites._replace(directions={}), image.request) for image in self.images)
        return replace(self, images=images)

    def convert(self, convert: Callable[[np.ndarray], Any]) -> Term:
        """Return the term with every constant array of the formula passed through ``convert``."""
        programs = {name: getattr(self, name).map_constants(convert) for name in ("program", "slopes")}
        return replace(self, **programs)


def _values(program: Program, columns: Sequence[Any]) -> dict[Node, Any]:
    values: dict[Node, Any] = {}
    for leaf in program.inputs:
        if isinstance(leaf, Column):
            column = columns[leaf.image][:, leaf.column]
            values[leaf] = column if leaf.nodes is None else column.reshape(-1, leaf.nodes)
    return values


class _Images:
    """Collects the images of one residual while its tree is rewritten."""

    def __init__(self):
        self.sites: list[Sites] = []
        self.columns: list[dict] = []
        self._known: dict[Any, int] = {}

    def column(self, key: Any, jet: Jet, sites: Callable[[], Sites]) -> tuple[int, int]:
        """Return the image to which ``key`` belongs, at ``sites()`` if it is new, and the column of the jet there."""
        if key not in self._known:
            self._known[key] = len(self.sites)
            self.sites.append(sites())
            self.columns.append({})
        image = self._known[key]
        return image, self.columns[image].setdefault(jet_column(jet), len(self.columns[image]))

    def finish(self) -> tuple[Image, ...]:
        pairs = zip(self.sites, self.columns, strict=True)
        return tuple(Image(sites, tuple(columns)) for sites, columns in pairs)


def make_term(problem: Problem, residual: Residual, sites: Sites, weight: float = 1.0, quadrature: int = QUADRATURE_NODES) -> Term:
    """Return the term of a residual at given points.

    Raises
    ------
    BadInput : an image of a point lies outside the domain, or an integral inside an integral.
    """
    rows = len(sites.points)
    images = _Images()
    whole_tree = residual.tree if sites.side is None else conditions_beside(residual.tree, HERE)
    known: dict[Node, Any] = {**site_values(sites, problem.names), **off_the_point([whole_tree], sites, problem.names, problem.box)}
    outer = coordinate_values(sites.points, problem.names)
    integrals: dict[Node, Call] = {}

    def leaf(node: Node) -> Node:
        if isinstance(node, Jet):
            return Column(*images.column(node.image, node, lambda: _image_sites(problem, residual, sites, node, outer)))
        if isinstance(node, Integral):
            name = Sum(len(integrals))
            integrals[name] = _integral(problem, residual, node, images, known, rows, name.integral, quadrature)
            return name
        return node

    tree = calculus.replace(whole_tree, leaf)
    columns, slopes = _differentiate(tree, integrals)
    whole = [calculus.replace(part, lambda node: integrals.get(node, node)) for part in (tree, *slopes)]
    with np.errstate(all="ignore"):
        program, derivatives = (_spread(Program(trees).bind(known), rows) for trees in (whole[:1], whole))
    return Term(residual.name, sites, images.finish(), program, derivatives, columns, weight, rows)


def _differentiate(tree: Node, integrals: Mapping[Node, Call]) -> tuple[tuple[Column, ...], list[Node]]:
    """Return the columns that a residual depends on and its slopes, as `Term.slopes` has them."""
    columns: list[Column] = []
    slopes: list[Node] = []
    for leaf in _columns(tree):
        columns.append(leaf)
        slopes.append(calculus.partial(tree, leaf))
    for name, call in integrals.items():
        integrand, weight = call.arguments
        for leaf in _columns(integrand):
            columns.append(leaf)
            slopes += [calculus.partial(tree, name), calculus.multiply(calculus.partial(integrand, leaf), weight)]
    return tuple(columns), slopes


def _columns(tree: Node) -> list[Column]:
    found = [leaf for leaf in calculus.leaves(tree) if isinstance(leaf, Column)]
    return sorted(found, key=lambda leaf: (leaf.image, leaf.column))


def _spread(program: Program, rows: int) -> Program:
    """Make the constants whole columns where they are scalars of an array kind, so that rows can be sliced."""
    return program.map_constants(lambda value: np.broadcast_to(value, (rows,)).copy() if np.ndim(value) == 0 else value)


def _image_sites(problem: Problem, residual: Residual, sites: Sites, jet: Jet, values: Mapping[Node, Any]) -> Sites:
    if not jet.image:
        return Sites(sites.points, side=sites.side, directions=sites.directions)
    if is_side(jet.image):
        return Sites(sites.points, side=direction(sites, jet.image[0][0]))
    points = np.array(sites.points, dtype=float)
    names, places = zip(*jet.image, strict=True)
    for name, value in zip(names, Program(places)(values), strict=True):
        points[:, problem.names.index(name)] = value
    return Sites(_inside(problem, residual, points))


def _inside(problem: Problem, residual: Residual, points: np.ndarray) -> np.ndarray:
    """Clip images that leave the box by rounding; refuse those that leave it by more."""
    low, high = problem.box.T
    beyond = np.maximum(low - points, points - high) > 1e-9 * (high - low)
    if beyond.any():
        row, axis = np.argwhere(beyond)[0]
        low, high = problem.box[axis]
        raise BadInput(
            f"looks up an unknown at {problem.names[axis]}={points[row, axis]:.4g}, outside its range {low:g} to {high:g}",
            residual.name,
        )
    points = np.clip(points, low, high)
    hole = ~problem.contains(points)
    if hole.any():
        place = ", ".join(f"{name}={value:.4g}" for name, value in zip(problem.names, points[np.argmax(hole)], strict=True))
        raise BadInput(f"looks up an unknown at {place}, which is not in the domain", residual.name)
    return points


def _integral(
    problem: Problem,
    residual: Residual,
    node: Integral,
    images: _Images,
    known: dict[Node, Any],
    rows: int,
    number: int,
    quadrature: int,
) -> Call:
    """Register the quadrature sites of an integral and return the call that sums it, (rows,)."""
    values: dict[Node, Any] = {name: np.asarray(value)[:, None] for name, value in known.items() if isinstance(name, Name)}
    if node.part is None:
        places, weights = _quadrature(node, values, rows, quadrature)
        side = None
    else:
        places, weights, side = _over_part(problem, residual, node, rows, quadrature)
    values.update(places)
    num_nodes = weights.shape[1]

    def inner_sites(jet: Jet) -> Sites:
        image = dict(jet.image)
        full = [np.broadcast_to(Program([image.get(name, Name(name))])(values)[0], (rows, num_nodes)) for name in problem.names]
        points = _inside(problem, residual, np.stack([column.reshape(-1) for column in full], axis=1))
        return Sites(points, side=side)

    def leaf(inner: Node) -> Node:
        if isinstance(inner, Jet):
            return Column(*images.column((number, inner.image), inner, lambda: inner_sites(inner)), num_nodes)
        if isinstance(inner, (Name, Normal)):
            local = Local(str(inner), number)
            known[local] = values[inner]
            return local
        raise BadInput("an integral inside an integral is not supported yet", residual.name)

    weight = Local("weight", number)
    known[weight] = weights
    integrand = calculus.replace(node.integrand, leaf)
    return Call("integrate", (integrand, weight))


def _over_part(
    problem: Problem, residual: Residual, node: Integral, rows: int, quadrature: int
) -> tuple[dict[Node, np.ndarray], np.ndarray, np.ndarray | None]:
    """Return what `_quadrature` does for a part of space, and towards where to look from each node, (rows · nodes, dim).

    Surfaces are seen from inside the domain, or of the body whose rim they are; coefficients that jump there a little off them.
    """
    assert node.part is not None
    try:
        rule = node.part.rule(quadrature)
    except BadInput as error:
        raise error.under(residual.name) from None
    bound, space = [Name(name) for name, _, _ in node.over], [problem.names.index(name) for name in problem.space]
    weights = rule.weights / (rule.weights.sum() if node.mean else 1.0)
    points, side = rule.points, None
    values: dict[Node, np.ndarray] = {}
    if rule.normals is not None:
        inwards = np.zeros((len(weights), problem.dim))
        inwards[:, space] = -rule.normals
        side = np.tile(inwards, (rows, 1))
        values.update((Normal(problem.names[axis]), -inwards[:, axis]) for axis in space)
        if node.part.is_inner:
            points = nudged(points, -rule.normals, problem.box[space])
    values.update(zip(bound, points.T, strict=True))
    return {name: np.tile(value, (rows, 1)) for name, value in values.items()}, np.tile(weights, (rows, 1)), side


def num_nodes(node: Integral, quadrature: int = QUADRATURE_NODES) -> int:
    """Return how many nodes an integral has."""
    return quadrature ** len(node.over) if node.part is None else len(node.part.rule(quadrature).weights)


def _quadrature(
    node: Integral, values: Mapping[Node, Any], rows: int, quadrature: int
) -> tuple[dict[Node, np.ndarray], np.ndarray]:
    """Return the nodes of the bound variables and the weights, (rows, nodes) each; tensor Gauss-Legendre."""
    if quadrature ** len(node.over) > MOST_NODES:
        raise BadInput(
            f"an integral over {len(node.over)} coordinates needs {quadrature}**{len(node.over)} points, which is too many"
        )
    position, weight = np.polynomial.legendre.leggauss(quadrature)
    count = len(node.over)
    grids = np.meshgrid(*[position] * count, indexing="ij")
    weights = np.ones((rows, 1))
    for factor in np.meshgrid(*[weight] * count, indexing="ij"):
        weights = weights * factor.reshape(1, -1) / 2
    places: dict[Node, np.ndarray] = {}
    for (name, low, high), grid in zip(node.over, grids, strict=True):
        a, b = (np.broadcast_to(value, (rows, 1)) for value in Program([low, high])(values))
        places[Name(name)] = (a + b) / 2 + (b - a) / 2 * grid.reshape(1, -1)
        if not node.mean:
            weights = weights * (b - a)
    return places, weights
