"""The points of a whole problem: sharing, division among faces, redrawing, drawing by a score."""

import numpy as np
import pytest

from pinn.problem.points import Points, divide, redraw_by_score
from pinn.problem.problem import Coordinate, Piece, Problem, Residual, Unknown
from pinn.problem.randomness import generator
from pinn.problem.regions import SOBOL_DIMENSIONS, draw, unit_points
from pinn.problem.settings import BadInput
from pinn.problem.sites import Sites, join
from pinn.problem.tree import Call, Name, Number

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


def candidates(num=4000):
    return draw(VOLUME, WAVE.coordinates, num, "uniform", generator(0, "candidates"))


def test_drawing_by_score_follows_the_score_and_repeats_nothing():
    def score(sites):
        return np.where(sites.points[:, 0] < 0.2, 50.0, 1e-3)

    pool = candidates()
    chosen = redraw_by_score(pool, score, 200, generator(0, "score"), floor=0.01)
    assert len(np.unique(chosen.points, axis=0)) == 200
    assert (chosen.points[:, 0] < 0.2).mean() > 0.9
    even = redraw_by_score(pool, score, 1000, generator(0, "score"), power=0.0)
    assert (even.points[:, 0] < 0.2).mean() == pytest.approx(0.1, abs=0.03)


def test_drawing_by_score_keeps_what_belongs_to_the_points():
    pool = join([draw(face, WAVE.coordinates, 20, "uniform", generator(0, "face")) for face in (LEFT, RIGHT)])
    pool = pool._replace(columns={"number": np.arange(40.0)}, side=np.arange(40))
    chosen = redraw_by_score(pool, lambda sites: np.zeros(40), 15, generator(0, "c"))
    np.testing.assert_array_equal(chosen.points, pool.points[chosen.side])
    np.testing.assert_array_equal(chosen.normals, pool.normals[chosen.side])
    np.testing.assert_array_equal(chosen.columns["number"], chosen.side)


def test_drawing_by_score_with_few_scores_that_differ_from_zero():
    chosen = redraw_by_score(candidates(50), lambda sites: np.arange(50) == 7, 20, generator(0, "d"), floor=0.0)
    assert len(np.unique(chosen.points, axis=0)) == 20


def test_drawing_by_score_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="at least 60 candidates, got 50"):
        redraw_by_score(candidates(50), lambda sites: np.ones(50), 60, generator(0, "e"))
    with pytest.raises(ValueError, match="not finite"):
        redraw_by_score(candidates(50), lambda sites: np.full(50, np.nan), 10, generator(0, "e"))


def test_beyond_the_direction_numbers_of_sobol_a_latin_hypercube_is_drawn():
    points = unit_points("sobol", 4, SOBOL_DIMENSIONS + 1, generator(0, "test"))
    np.testing.assert_array_equal(np.sort((points * 4).astype(int), axis=0), np.arange(4)[:, None].repeat(points.shape[1], 1))


def test_points_are_divided_among_pieces_whose_size_overflows():
    assert divide(12, [np.inf, np.inf, 0.0], [False] * 3) == [6, 6, 1]
