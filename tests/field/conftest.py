import pytest
import torch

from pinn.field import compiler, native


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch):
    """Compiling takes longer than these tests; those of compiled code ask for it."""
    monkeypatch.setattr(compiler, "is_available", lambda: False)


@pytest.fixture(autouse=True, scope="module")
def code_of_these_tests_only(tmp_path_factory):
    """Compiled code is made anew: what is tested is not what an earlier run left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        native.native_network.cache_clear()
        yield
    native.native_network.cache_clear()
