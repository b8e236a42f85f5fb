import pytest
import torch

from pinn.field import compiler


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    """Compiling takes longer than these tests; those of compiled code ask for it."""
    monkeypatch.setattr(compiler, "is_available", lambda: False)
