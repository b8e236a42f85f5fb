"""Everything that ships can be checked: problems with the default settings, and experiments."""

import pytest

from pinn.run.check import validate
from pinn.run.cli import main
from pinn.run.options import groups
from pinn.run.prepare import prepare


@pytest.mark.parametrize("name", groups()["problem"])
def test_every_problem_can_be_run_as_it_is(name):
    expected = validate(prepare(name))
    assert expected.gigabytes < 4
    assert expected.num_parameters >= 25


@pytest.mark.parametrize("name", groups()["experiment"])
def test_every_experiment_can_be_run_as_it_is(name):
    prepared = prepare(None, [f"experiment={name}"])
    validate(prepared)
    assert prepared.configuration.accuracy is not None


@pytest.mark.parametrize("name", groups()["solver"])
def test_sizes_grow_with_what_they_depend_on(name):
    def size(*words):
        return validate(prepare("heat_1d", [f"solver={name}", *words]))

    if name == "least_squares":
        coarse, fine = size("network.degree=8"), size("network.degree=16")
        assert fine.num_rows > coarse.num_rows and fine.gigabytes > coarse.gigabytes
        return
    width = 1600 if name == "extreme_learning" else 60
    small, wide, many = size(), size(f"network.width={width}"), size("points.interior=100000")
    assert wide.num_parameters > small.num_parameters and wide.gigabytes > small.gigabytes
    assert many.num_rows > small.num_rows and many.gigabytes > small.gigabytes and many.seconds_per_step > small.seconds_per_step


def test_the_list_is_for_people(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 170
    assert "x1, x2, …, x100" in text and "decomposition  adaptive, cpinn, cuts" in text
