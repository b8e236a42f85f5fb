"""The contract of every shipped problem: it reads, its exact solution solves it, its points lie where they belong."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pinn.problem.classes import CLASSES
from pinn.problem.formulas.parser import parse, parse_equation
from pinn.problem.language import load_problem, read_problem
from pinn.problem.points import Points
from pinn.problem.terms import make_term
from pinn.problem.text import plain, read_string, read_text

FILES = sorted((Path(__file__).parents[2] / "configs" / "problem").glob("*.yaml"))
WITHOUT_EXACT = {
    "allen_cahn", "american_put", "back_step", "bessel", "blasius", "bratu", "burgers", "burgers_family", "cahn_hilliard", "cavity_100",
    "cavity_1000", "cavity_regularised", "darcy", "duffing", "eikonal", "four_holes", "ginzburg_landau", "graetz", "gray_scott", "heat_complex",
    "jeffery_hamel", "kdv", "kuramoto_sivashinsky", "l_shape", "lorenz", "lorenz_parameters", "lotka_volterra", "natural_convection", "plate",
    "poisson_boltzmann", "random_diffusion", "scatterer", "stokes_cylinder", "swift_hohenberg", "van_der_pol",
}  # fmt: skip
NOTED = {"cavity_1000": "differ by 1 at y=1", "allen_cahn": "the slope of 'initial' jumps by 4 where x closes"}
"""Problems with notes, and what each of them says: the lid does not fit the walls, the start does not fit the ring."""


@pytest.fixture(scope="module", params=FILES, ids=[file.stem for file in FILES])
def file(request):
    return request.param


@pytest.fixture(scope="module")
def problem(file):
    return load_problem(file)


@pytest.fixture(scope="module")
def sites(problem):
    return Points(interior=128, surface=64).draw(problem, seed=0)


def test_the_file_is_short_and_says_where_the_problem_comes_from(file, problem):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 19 and max(map(len, lines)) <= 120
    assert problem.class_ in CLASSES
    assert problem.title and problem.title != file.stem and re.search(r"\((1[89]|20)\d\d\)", problem.citation)
    assert (len(problem.warnings) > 0) == (file.stem in NOTED)
    assert all(NOTED[file.stem] in warning for warning in problem.warnings)
    assert set(problem.exact) == set(problem.unknown_names) or file.stem in WITHOUT_EXACT


def test_the_exact_solution_has_no_residual(problem, sites):
    if not problem.exact:
        pytest.skip("no exact solution")
    inside = sites[problem.equations[0].name].points
    for residual in problem.laws:
        term = make_term(problem, residual, sites[residual.name])
        with np.errstate(all="ignore"):  # at the start of an option's price its formula is 0/0
            columns = [problem.exact_values(image.request, image.sites.points, image.sites.side) for image in term.images]
            values = np.asarray(term.evaluate(columns))
        wanted = [image.request for image in term.images] + [problem.values]
        size = max(np.abs(problem.exact_values(request, inside)).max() for request in wanted)
        defect = np.abs(values[np.isfinite(values)]).max(initial=0.0)
        assert defect <= 1e-10 * size, (residual.name, defect, size)


def test_a_wrong_solution_has_a_residual_in_every_equation(problem, sites):
    """The test above would notice: here every jet of the exact solution is wrong by about a tenth."""
    if not problem.exact:
        pytest.skip("no exact solution")
    noise = np.random.default_rng(0)
    for residual in problem.equations:
        term = make_term(problem, residual, sites[residual.name])
        columns = [problem.exact_values(image.request, image.sites.points, image.sites.side) for image in term.images]
        bent = [column * (1 + 0.1 * noise.standard_normal(column.shape)) for column in columns]
        assert np.abs(term.evaluate(bent)).max() > 1e-5 * max(np.abs(column).max() for column in columns)


def test_points_lie_in_their_region_and_normals_point_out(problem, sites):
    low, high = problem.box.T
    for residual in problem.laws:
        points, normals = sites[residual.name].points, sites[residual.name].normals
        assert points.dtype == np.float64 and points.shape[1] == problem.dim and np.isfinite(points).all()
        owners = np.zeros(len(points), int)
        for piece in residual.region:
            pinned = dict(piece.fixed)
            on = piece.keeps(points, problem.names).copy()
            for axis, name in enumerate(problem.names):
                inside = (points[:, axis] > low[axis]) & (points[:, axis] < high[axis])
                on &= points[:, axis] == pinned[name] if name in pinned else inside
            owners += on
            if piece.outward is not None:
                axis, side = problem.names.index(piece.outward[0]), piece.outward[1]
                assert (normals[on][:, axis] == side).all()
                value = pinned[piece.outward[0]]
                is_edge = (axis, value) in problem.straight_edges and value not in (low[axis], high[axis])
                is_inside = piece.is_inner or is_edge
                assert low[axis] < value < high[axis] if is_inside else value == (high if side > 0 else low)[axis]
        assert (owners == 1).all(), residual.name
        if normals is not None:
            np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-15)
            if problem.time:
                assert (normals[:, problem.names.index(problem.time)] == 0).all()


def test_the_text_comes_back_from_the_problem(file, problem):
    assert read_problem(plain(problem.source), problem.name) == problem
    dumped = yaml.safe_dump(plain(problem.source), sort_keys=False, allow_unicode=True)
    again = read_string(dumped, "again.yaml").mapping
    assert list(again) == list(read_text(file).mapping)
    assert read_problem(again, problem.name) == problem


def test_formulas_print_as_what_they_are(problem):
    for equation in problem.source["equations"].values():
        left, right = parse_equation(equation)
        assert parse_equation(f"{left} = {right}") == (left, right)
    exact = problem.source.get("exact") or {}
    for formula in exact.values() if isinstance(exact, dict) else [exact]:
        assert parse(str(parse(formula))) == parse(formula)


def test_rows_are_float64_columns(problem, sites):
    for residual in problem.laws:
        term = make_term(problem, residual, sites[residual.name])
        columns = [np.ones((len(image.sites.points), len(image.request))) for image in term.images]
        values = np.asarray(term.evaluate(columns))
        assert values.dtype == np.float64 and values.shape == (term.num_rows,)
