"""Runs that several tests look at, made and drawn once."""

import pytest
from report_runs import build_run

from pinn.report.figures import make_figures


@pytest.fixture(scope="session")
def heat(tmp_path_factory):
    """A finished run in one space coordinate and time, with its figures."""
    folder = build_run(tmp_path_factory.mktemp("runs") / "heat", "heat", size=17)
    make_figures(folder)
    return folder
