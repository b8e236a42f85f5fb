"""The way from C code to a loaded library, and what happens where it is barred."""

import pytest
from field_problems import WAVE, read

from pinn.field import compiler
from pinn.field.network.mlp import MLP

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_code_is_compiled_once(cache, monkeypatch):
    code = "int one(void) { return 1; }"
    assert compiler.compile_library(code)["one"]() == 1
    monkeypatch.setattr(compiler.subprocess, "run", lambda *a, **k: pytest.fail("compiled again"))
    assert compiler.compile_library(code)["one"]() == 1


@pytest.mark.parametrize("what", ["no compiler", "compiler fails"])
def test_without_compiled_code_a_field_works_as_well(what, monkeypatch, tmp_path):
    monkeypatch.undo()
    if what == "no compiler":
        monkeypatch.setattr(compiler, "compiler", lambda: None)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(compiler, "compiler", lambda: "false")
    compiler.is_available.cache_clear()
    try:
        assert not MLP(width=4).field(read(WAVE)).compiled
    finally:
        compiler.is_available.cache_clear()


@pytest.mark.parametrize("home", ["a file", "nobody's"])
def test_without_a_place_to_keep_it_code_is_compiled_for_the_process(home, monkeypatch, tmp_path):
    def nobody():
        raise RuntimeError("no home folder")

    if home == "a file":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    else:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(compiler.Path, "home", nobody)
    assert compiler.compile_library("int two(void) { return 2; }")["two"]() == 2


def test_a_damaged_library_is_made_again(monkeypatch, tmp_path):
    code = "int three(void) { return 3; }"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    compiler.compile_library(code)
    (sound,) = compiler.cache_folder().iterdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    damaged = compiler.cache_folder() / sound.name
    damaged.write_bytes(b"damaged")
    assert compiler.compile_library(code)["three"]() == 3
    assert damaged.stat().st_size == sound.stat().st_size


def test_where_there_is_a_compiler_it_is_used(cache, monkeypatch):
    monkeypatch.undo()
    assert compiler.is_available()
    assert MLP(width=4).field(read(WAVE)).compiled
    assert not MLP(width=4).field(read(WAVE), "autograd").compiled
    assert not MLP(width=300).field(read(WAVE)).compiled
