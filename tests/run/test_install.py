"""The wheel works from any folder: its configuration travels inside."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-c", f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})", cwd=ROOT)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_code_and_the_configuration_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "pinn/configs/config.yaml" in names and "pinn/configs/problem/heat_1d.yaml" in names
    assert "pinn/report/page.css" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pinn"}
    assert not [name for name in names if "test" in name]


def test_the_installed_package_runs_from_another_folder(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / "work").mkdir()
    start = f"import sys; sys.path.insert(0, {str(site)!r}); from pinn.run.cli import main; sys.exit(main(sys.argv[1:]))"

    def pinn(*words):
        return run(sys.executable, "-c", start, *words, cwd=tmp_path / "work")

    assert "heat_1d" in pinn("list")
    assert "ok" in pinn("check", "heat_1d")
    small = [
        "solver.stages.adam.steps=3",
        "solver.stages.broyden.steps=3",
        "points.interior=16",
        "points.surface=8",
        "network.width=4",
    ]
    assert "verified" in pinn("run", "heat_1d", *small, "report=none", "folder=run")
    assert (tmp_path / "work" / "run" / "metrics.json").exists()
    where = run(
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(site)!r}); from pinn.run.options import config_folder; print(config_folder())",
        cwd=tmp_path,
    )
    assert Path(where.strip()) == site / "pinn" / "configs"
