"""The points of a whole problem: sharing, division among faces, redrawing, drawing by a score."""

import numpy as np
import pytest

from pinn.problem.formulas.tree import Call, Name, Number
from pinn.problem.points import Points, choose_by_score, divide
from pinn.problem.problem import Coordinate, Problem, Residual
from pinn.problem.randomness import generator
from pinn.problem.settings import BadInput
from pinn.problem.shapes.pieces import Piece
from pinn.problem.shapes.regions import SOBOL_DIMENSIONS, draw, unit_points
from pinn.problem.sites import Sites, join
from pinn.problem.unknowns import Unknown

ZERO = Number(0.0)
VOLUME = Piece(free=("x", "t"))
LEFT = Piece((("x", 0.0),), ("x", -1), None, ("t",))
RIGHT = Piece((("x", 2.0),), ("x", 1), None, ("t",))
START = Piece((("t", 0.0),), None, None, ("x",))
LATE = Piece((("x", 2.0),), ("x", 1), Call(">", (Name("t"), Number(0.5))), ("t",))


def residual(name, region, kind="condition", condition=""):
    return Residual(name, kind, name, ZERO, region, condition or name)


def problem(*conditions):
    equations = (residual("first", (VOLUME,), "equation"), residual("second", (VOLUME,), "equation"))
    coordinates = (Coordinate("x", 0.0, 2.0), Coordinate("t", 0.0, 1.0))
    return Problem("test", coordinates, (Unknown("u", ("x", "t")),), equations, conditions, time="t")


WAVE = problem(
    residual("initial.u", (START,), condition="initial"),
    residual("initial.u_t", (START,), condition="initial"),
    residual("walls", (LEFT, RIGHT)),
    residual("point", (Piece((("x", 0.0), ("t", 0.0))),)),
)


def test_every_residual_gets_its_points_and_rows_of_one_condition_share_them():
    sites = Points(interior=64, surface=16).draw(WAVE, seed=0)
    assert list(sites) == ["first", "second", "initial.u", "initial.u_t", "walls", "point"]
    assert [len(sites[name].points) for name in sites] == [64, 64, 16, 16, 16, 1]
    assert sites["initial.u"] is sites["initial.u_t"] and sites["first"] is sites["second"]
    assert (sites["walls"].normals[:, 0] == np.where(sites["walls"].points[:, 0] == 0, -1, 1)).all()
    assert (sites["walls"].points[:, 0] == 0).sum() == 8 and (sites["walls"].normals[:, 1] == 0).all()
    assert sites["initial.u"].normals is None


def test_a_draw_depends_on_seed_epoch_and_name_alone():
    settings = Points(interior=32, surface=8)
    first = settings.draw(WAVE, 0, 0)
    for name, sites in settings.draw(WAVE, 0, 0).items():
        np.testing.assert_array_equal(sites.points, first[name].points)
    np.testing.assert_array_equal(settings.draw(problem(WAVE.conditions[2]), 0, 0)["walls"].points, first["walls"].points)
    for other in (settings.draw(WAVE, 1, 0), settings.draw(WAVE, 0, 1)):
        assert not np.array_equal(other["first"].points, first["first"].points)
        assert not np.array_equal(other["walls"].points, first["walls"].points)
    assert not np.array_equal(first["walls"].points[:8, 1], first["walls"].points[8:, 1])


def test_faces_get_points_in_proportion_to_what_a_selector_leaves_of_them():
    sites = Points(surface=30, rule="uniform").draw(problem(residual("walls", (LEFT, LATE))), 0)["walls"]
    late = sites.points[:, 0] == 2
    assert late.sum() == 10 and (sites.points[late, 1] > 0.5).all()


def test_a_selector_that_keeps_nothing_names_the_condition():
    never = Piece((("x", 2.0),), ("x", 1), Call(">", (Name("t"), Number(5.0))), ("t",))
    with pytest.raises(BadInput) as caught:
        Points().draw(problem(residual("walls", (never,))), 0)
    assert str(caught.value) == "walls the selector keeps nothing: 0 of 10000 trial points belong to it"


@pytest.mark.parametrize(
    ("num", "sizes", "single", "expected"),
    [
        (10, [1, 1], [False, False], [5, 5]),
        (10, [2, 1], [False, False], [7, 3]),
        (3, [1e9, 1e-9], [False, False], [3, 1]),
        (1, [1, 1, 1], [False] * 3, [1, 1, 1]),
        (512, [1, 1], [True, False], [1, 512]),
        (512, [1], [True], [1]),
        (4, [0, 0], [False, False], [2, 2]),
    ],
)
def test_divide(num, sizes, single, expected):
    assert divide(num, sizes, single) == expected


def test_join_fills_missing_normals_with_zeros():
    joined = join([Sites(np.zeros((1, 2)), np.ones((1, 2))), Sites(np.zeros((2, 2)))])
    np.testing.assert_array_equal(joined.normals, [[1, 1], [0, 0], [0, 0]])


def test_settings_are_checked_and_warn():
    assert Points(interior="1e3").interior == 1000 and Points().warnings() == ()
    for wrong, complaint in [
        ({"interior": 0}, "interior must be at least 1"),
        ({"surface": -3}, "surface must be at least 1"),
        ({"rule": "sobel"}, "did you mean 'sobol'"),
        ({"redraw": 0}, "redraw must be at least 1"),
    ]:
        with pytest.raises(BadInput, match=complaint):
            Points(**wrong)
    (remark,) = Points(interior=3000).warnings()
    assert remark.startswith("points.interior=3000") and remark.endswith("the next power of 2 is 4096")
    (remark,) = Points(rule="grid", redraw=100).warnings()
    assert remark.startswith("points.redraw=100 has no effect")


@pytest.mark.parametrize("rule", ["latin_hypercube", "uniform", "grid", "chebyshev"])
def test_each_rule_changes_the_points(rule):
    points = {name: Points(rule=name, interior=64).draw(WAVE, 0)["first"].points for name in ("sobol", rule)}
    assert not np.array_equal(points["sobol"], points[rule])


def test_choosing_by_score_follows_the_score_and_repeats_nothing():
    score = np.where(np.arange(4000) % 10 == 0, -50.0, 1e-3)
    chosen = choose_by_score(score, 200, generator(0, "score"), floor=0.01)
    assert len(np.unique(chosen)) == 200
    assert (chosen % 10 == 0).mean() > 0.9
    even = choose_by_score(score, 1000, generator(0, "score"), power=0.0)
    assert (even % 10 == 0).mean() == pytest.approx(0.1, abs=0.03)


def test_the_probability_is_the_published_one():
    score, draws = np.array([0.0, 1.0, 2.0, 5.0]), 4000
    counts = np.zeros(4)
    for k in range(draws):
        counts[choose_by_score(score, 1, generator(0, "one", k), power=2.0, floor=0.5)] += 1
    expected = score**2 / np.mean(score**2) + 0.5
    np.testing.assert_allclose(counts / draws, expected / expected.sum(), atol=4 * np.sqrt(0.25 / draws))


@pytest.mark.parametrize("score", [np.zeros(40), np.arange(40) == 7, np.full(40, np.nan), np.arange(40) * 1e300])
def test_choosing_by_odd_scores(score):
    chosen = choose_by_score(score, 20, generator(0, "odd"), power=2.0, floor=0.0)
    assert len(np.unique(chosen)) == 20


def test_where_the_score_is_not_finite_it_counts_as_large():
    chosen = choose_by_score(np.where(np.arange(1000) < 50, np.inf, np.arange(1000) == 999), 50, generator(0, "inf"), floor=0.0)
    assert (chosen < 50).sum() >= 49


def test_choosing_needs_candidates():
    with pytest.raises(ValueError, match="at least 60 candidates are needed, got 50"):
        choose_by_score(np.ones(50), 60, generator(0, "e"))


def test_chosen_points_keep_what_belongs_to_them():
    pool = join([draw(face, WAVE.coordinates, 20, "uniform", generator(0, "face")) for face in (LEFT, RIGHT)])
    pool = pool._replace(side=np.arange(80.0).reshape(40, 2))
    chosen = pool.take(np.array([3, 17, 39]))
    np.testing.assert_array_equal(chosen.points, pool.points[[3, 17, 39]])
    np.testing.assert_array_equal(chosen.normals, pool.normals[[3, 17, 39]])
    np.testing.assert_array_equal(chosen.side, pool.side[[3, 17, 39]])


def test_points_of_the_equations_gather_where_the_residual_is_large():
    points = Points(interior=256, surface=16, candidates=8)
    chosen = points.choose(WAVE, 0, 3, lambda equations, sites: 1e3 * (sites.points[:, 0] < 0.2))
    drawn, even = points.draw(WAVE, 0, 3, chosen), points.draw(WAVE, 0, 3)
    equations = [row.name for row in WAVE.equations]
    assert set(chosen) == {equations[0]}
    assert all(drawn[name] is drawn[equations[0]] for name in equations)
    assert len(drawn[equations[0]].points) == 256
    assert (drawn[equations[0]].points[:, 0] < 0.2).mean() > 2 * (even[equations[0]].points[:, 0] < 0.2).mean()
    for row in WAVE.conditions:
        np.testing.assert_array_equal(drawn[row.name].points, even[row.name].points)


def test_candidates_without_new_points_are_remarked_on():
    (remark,) = Points(candidates=4).warnings()
    assert remark.startswith("points.candidates=4 has no effect")


def test_beyond_the_direction_numbers_of_sobol_a_latin_hypercube_is_drawn():
    points = unit_points("sobol", 4, SOBOL_DIMENSIONS + 1, generator(0, "test"))
    np.testing.assert_array_equal(np.sort((points * 4).astype(int), axis=0), np.arange(4)[:, None].repeat(points.shape[1], 1))


def test_points_are_divided_among_pieces_whose_size_overflows():
    assert divide(12, [np.inf, np.inf, 0.0], [False] * 3) == [6, 6, 1]
