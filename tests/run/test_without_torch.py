"""What answers at once: these commands import neither torch nor SciPy nor matplotlib."""

import subprocess
import sys

import pytest

SLOW = ("torch", "matplotlib", "scipy")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["list"], ["check", "heat_1d"], ["show", "burgers"], ["check", "nope"], ["run", "--help"]]
)
def test_answers_without_torch(words, tmp_path):
    code = f"""
import sys
from pinn.run.cli import main
code = main({words!r})
loaded = [name for name in {SLOW!r} if name in sys.modules]
assert not loaded, loaded
assert code == {2 if "nope" in words else 0}
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)


def test_importing_pinn_imports_nothing_slow():
    code = "import sys, pinn; pinn.BadInput; dir(pinn); assert not {'torch', 'numpy', 'scipy', 'hydra'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_python_m_pinn_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "pinn", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("pinn 0.")
