"""The rows of a problem on a cover, put down by hand, and their dense Gauss-Newton step by differences.

Formulas here are quadratic in the unknowns, for which central differences of any step are exact.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from pinn.field.cells.basis import Basis, LegendreFeatures
from pinn.field.cells.cell_field import CellField
from pinn.field.cells.cover import whole
from pinn.problem.language import read_problem

WEIGHT = 10.0


def make_field(problem, cells, degree=4):
    periodic = [problem.names.index(name) for name in problem.periodic]
    basis = Basis(LegendreFeatures(problem.dim, degree), problem.dim, degree + 2)
    return CellField(whole(problem.box, periodic, cells), basis, problem.unknown_names)


def read(coordinates, equations, conditions, unknowns=("u",)):
    mapping = {"coordinates": coordinates, "unknowns": list(unknowns), "equations": equations, "conditions": conditions}
    return read_problem(mapping, "trial")


def places(box, per_axis, fixed):
    """Chebyshev points of a box, of which some coordinates are fixed."""
    own = -np.cos(np.pi * (np.arange(per_axis) + 0.5) / per_axis)
    axes = [[fixed[axis]] if axis in fixed else (low + high) / 2 + (high - low) / 2 * own for axis, (low, high) in enumerate(box)]
    return np.array(list(itertools.product(*axes)))


class Law(NamedTuple):
    """A residual and its slopes.

    Attributes
    ----------
    residual : function of points (points, dim) and of d(unknown, *orders, **elsewhere), the jets there; (points,).
    slopes : function of the same; mapping from (unknown, *orders) to values, and from other keys to sizes without a derivative.
    where : fixed coordinates by axis, one mapping for each piece; an equation has one, which fixes nothing.
    weight : root of what squares count. cut : which points belong. foreign : cell -> sum of squares of coefficients of the jets of
        other cells, which count as unknowns of their own with the weight of conditions.
    """

    residual: object
    slopes: object
    where: tuple = ({},)
    weight: float = WEIGHT
    cut: object = None
    foreign: object = None


class Joint(NamedTuple):
    """Two cells that meet: across which axis, where in the first and in the second, and the orders of each unknown along it."""

    cells: tuple
    axis: int
    at: tuple
    orders: dict


class Part(NamedTuple):
    """Rows of a law in a cell: its factors in the norm and in a step, and their residual as a function of the coefficients."""

    name: str
    factor: float
    damped: float
    residual: object


class ByHand:
    """All rows of a problem, with the factors that they have at given coefficients."""

    def __init__(self, field, laws, joints, start, known=()):
        self.field, self.start, self._tables = field, start, {}
        self.parts = [part for name, law in laws.items() for part in self._law(name, law)]
        self.joints, self.known = joints, known

    def jets(self, coefficients, cell, points):
        """Derivatives at points as a cell sees them; at other places the cell sees what lies in it."""

        def derivative(name, *orders, **elsewhere):
            there = points.copy()
            for axis, value in elsewhere.items():
                there[:, int(axis[1:])] = value
            low, high = self.field.cover.boxes[cell].T
            inside = ((there >= low) & (there <= high)).all(axis=1)
            owners = np.where(inside, cell, self.field.cover.owner(there))
            result = np.empty(len(points))
            for owner in set(owners):
                mine = owners == owner
                table = self._table(owner, there[mine], orders)
                result[mine] = table @ coefficients[owner, self.field.unknowns.index(name)]
            return result

        return derivative

    def _table(self, cell, points, orders):
        key = cell, points.tobytes(), orders
        if key not in self._tables:
            cover = self.field.cover
            local = (points - cover.centers[cell]) / cover.halves[cell]
            scale = np.prod(cover.halves[cell] ** -np.array(orders, float))
            self._tables[key] = scale * self.field.basis.features.at(local, orders)
        return self._tables[key]

    def _law(self, name, law):
        cover = self.field.cover
        for fixed, (cell, box) in itertools.product(law.where, enumerate(cover.boxes)):
            ends = cover.domain[:, 1]
            if not all(
                low <= fixed.get(axis, low) < high or fixed[axis] == high == ends[axis] for axis, (low, high) in enumerate(box)
            ):
                continue
            points = places(box, self.field.basis.per_axis, fixed)
            points = points if law.cut is None else points[law.cut(*points.T)]
            if len(points):
                yield self._part(name, law, cell, points)

    def _part(self, name, law, cell, points):
        halves = self.field.cover.halves[cell]
        slopes = law.slopes(points, self.jets(self.start, cell, points))
        sizes = [
            np.abs(values) * (np.prod(halves ** -np.array(key[1:], float)) if isinstance(key, tuple) else 1.0)
            for key, values in slopes.items()
        ]
        factor = law.weight / np.max(sum(np.broadcast_to(size, len(points)) for size in sizes))
        others = law.foreign(cell) if law.foreign else 0.0
        damped = factor / np.sqrt(1 + factor**2 * others / WEIGHT**2)
        return Part(name, factor, damped, lambda c: law.residual(points, self.jets(c, cell, points)))

    def jumps(self, coefficients):
        """What neighbours disagree in: the Legendre coefficients of each derivative, half of the squares of which are the rows'."""
        field, found = self.field, []
        for joint in self.joints:
            half = min(field.cover.halves[cell, joint.axis] for cell in joint.cells)
            for name, order in joint.orders.items():
                for each in range(order):
                    index = tuple(each if axis == joint.axis else 0 for axis in range(field.basis.dim))
                    left, right = (
                        self._modes(self.jets(coefficients, cell, self._face(cell, joint.axis, at))(name, *index))
                        for cell, at in zip(joint.cells, joint.at, strict=True)
                    )
                    found.append(WEIGHT * half**each * (left - right) / np.sqrt(2))
        return np.concatenate(found) if found else np.zeros(0)

    def _face(self, cell, axis, at):
        return places(self.field.cover.boxes[cell], self.field.basis.per_axis, {axis: at})

    def _modes(self, values):
        """Coefficients of the normalised Legendre polynomials along a face, which has one coordinate or none."""
        if self.field.basis.dim == 1:
            return values
        degree, num = self.field.basis.features.degree, self.field.basis.per_axis
        own = -np.cos(np.pi * (np.arange(num) + 0.5) / num)
        return np.sqrt(num) * legendre.legfit(own, values, degree) / np.sqrt(2 * np.arange(degree + 1) + 1)

    def rows(self, coefficients, in_step=False):
        """All rows (rows,), with the factors of a step or with those of the norm."""
        laws = [(part.damped if in_step else part.factor) * part.residual(coefficients) for part in self.parts]
        return np.concatenate([*laws, self.jumps(coefficients), *[each(self, coefficients) for each in self.known]])

    def step(self):
        """The Gauss-Newton step from the start."""
        flat = self.start.ravel()
        unit = np.eye(flat.size)
        sides = [[self.rows((flat + sign * each).reshape(self.start.shape), True) for each in unit] for sign in (1, -1)]
        jacobian = (np.array(sides[0]) - np.array(sides[1])).T / 2
        return np.linalg.lstsq(jacobian, -self.rows(self.start, True), rcond=None)[0].reshape(self.start.shape)
