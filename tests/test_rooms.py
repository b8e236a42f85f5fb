"""Imports go one way, and nothing heavy is imported before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pinn"
MAY_IMPORT = {
    "problem": {"problem"},
    "field": {"problem", "field"},
    "solver": {"problem", "field", "solver"},
    "judge": {"problem", "judge"},
    "report": {"problem", "report"},
    "run": {"problem", "field", "solver", "judge", "report", "run"},
}
WITHOUT_TORCH = ("problem", "judge", "report")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "pinn")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room):
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "pinn" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                assert parts[1] in MAY_IMPORT[room], f"{path} imports {name}"
            assert not (parts[0] == "torch" and room in WITHOUT_TORCH), f"{path} imports torch"


def test_only_one_module_imports_hydra():
    users = {path.name for path in PACKAGE.rglob("*.py") if any(name.split(".")[0] == "hydra" for name in imported(path))}
    assert users == {"compose.py"}


def test_importing_the_package_loads_no_torch_and_no_plotting():
    code = "import pinn, sys; print(*[m for m in ('torch', 'matplotlib', 'hydra', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
