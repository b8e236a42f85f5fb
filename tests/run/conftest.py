"""Small runs: a problem that is solved in a second, numbers only."""

import pytest

SMALL = [
    "solver.stages.adam.steps=12", "solver.stages.broyden.steps=12", "solver.stages.adam.warm_up=3", "points.interior=32",
    "points.surface=8", "network.width=6", "network.depth=2", "solver.until.check=10", "threads=1", "report=none",
]  # fmt: skip


@pytest.fixture
def small():
    return list(SMALL)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder, with an empty cache for references."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    return tmp_path
