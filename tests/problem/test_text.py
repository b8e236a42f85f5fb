"""Strict reading: what YAML would misread is refused with the line, and everything else keeps its place."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinn.problem.settings import BadInput
from pinn.problem.text import LARGEST_FILE, caret, plain, read_string, read_text

BURGERS = """\
title: "Burgers' equation"
coordinates: {x: [-1, 1], t: [0, 1.5]}
unknowns: {u: , v: {complex: true}}
equations:
  burgers: u_t + u*u_x
    = nu*u_xx
conditions:
  initial: {at: t = 0, u: "max(x, 0)", 'u_t': 'it''s'}
  block:
    at: boundary
    u: |
      sin(x)
        + cos(x)
manufactured: false
exact: 1e-3
"""

REFUSED = [
    ("a: 1\n\tb: 2", "2: tab character; indent with spaces"),
    ("a:\t1", "1: tab character; indent with spaces"),
    ("a:\n  seed: 1\n  b: 2\n  seed: 3", "4: 'seed' is already set on line 2"),
    ("a: 1\n'a': 2", "2: 'a' is already set on line 1"),
    ("a: &x 1\nb: *x", "1: anchors and aliases are not allowed"),
    ("b: *x", "1: anchors and aliases are not allowed"),
    ("b: * x", "1: anchors and aliases are not allowed"),
    ("<<: {a: 1}", "1: merging with '<<' is not allowed"),
    ("a: 1\nb: 2\nc: !!python/object/apply:os.system [id]", "3: YAML tag not allowed"),
    ("c: !x 1", "1: YAML tag not allowed"),
    ("c: !!str 1", "1: YAML tag not allowed"),
    ("%YAML 1.1\n---\na: 1", None),
    ("%YAML 9.9\n---\na: 1", "1: YAML directives"),
    ("a: ${oc.env:HOME}", "1: environment lookups are not allowed"),
    ("a: '${ env:HOME}'", "1: environment lookups are not allowed"),
    ("a: ${now:%Y}", "1: only plain references such as ${seed} are allowed"),
    ("a: ${seed}", None),
    ("equations: {e: u}\nconstants: {a: '${seed}'}", "2: references ${...} are not allowed in a problem"),
    ("problem: {constants: {a: '${seed}'}}", "1: references ${...} are not allowed in a problem"),
    ("model:\n  width: ???", "2: setting 'model.width' has no value"),
    ("{w: ???}", "1: a setting has no value"),
    ("steps: 010", "1: YAML reads 010 as 8; write a plain number"),
    ("steps: 1:30", "1: YAML reads 1:30 as 90; write a plain number"),
    ("steps: 1:30.5", "1: YAML reads 1:30.5 as 90.5; write a plain number"),
    ("steps: 0x1F", "1: YAML reads 0x1F as 31; write a plain number"),
    ("steps: 0b11", "1: YAML reads 0b11 as 3; write a plain number"),
    ("steps: 1_000", "1: YAML reads 1_000 as 1000; write a plain number"),
    ("steps: [1, 0x_]", "1: YAML reads 0x_ as a number; write a plain number"),
    ("steps: .inf", "1: YAML reads .inf as inf; write a plain number"),
    ("steps: .nan", "1: YAML reads .nan as nan; write a plain number"),
    ("steps: 1e400", "1: 1e400 is too large for a number"),
    ("steps: 1.0e+400", "1: 1.0e+400 is too large for a number"),
    ("steps: " + "9" * 5000, "1: 9999"),
    ("steps: 0" + "7" * 5000, "1: YAML reads 0777"),
    ("at: 1\non: t = 0", "2: YAML reads 'on' as true; the key for a place is 'at'"),
    ("constants: {no: 1}", "1: YAML reads 'no' as false; choose another name"),
    ("constants: {~: 1}", "1: YAML reads '~' as nothing; choose another name"),
    ("constants: {null: 1}", "1: YAML reads 'null' as nothing; choose another name"),
    ("constants: {True: 1}", "1: YAML reads 'True' as true; choose another name"),
    ("unknowns: [u, NO]", "1: YAML reads 'NO' as false; choose another name"),
    ("unknowns: [u, null]", "1: YAML reads 'null' as nothing; choose another name"),
    ("unknowns:\n  - u\n  -", "3: a name or value is missing here"),
    ("unknowns: [u]\ntime: off", "2: YAML reads 'off' as false; choose another name"),
    ("ladder: [no, null]", None),
    ("1: 2", "1: the key 1 is a number; keys are names"),
    ("1e-3: 2", "1: the key 1e-3 is a number; keys are names"),
    ("[a, b]: 1", "1: a list or mapping cannot be a key"),
    ("a: 1\nw: {at: t = 0, u: max(x, 0)}", '2: cut at the comma; quote it or write it on its own line: "max(x, 0)"'),
    ("w: [max(t, 0), 0]", '1: cut at the comma; quote it or write it on its own line: "max(t, 0)"'),
    ("w: {p(x=0, y=0): 0}", '1: cut at the comma; quote it or write it on its own line: "p(x=0, y=0)"'),
    ("w: {u: max(min(x, y), 0), v: 1}", '1: cut at the comma; quote it or write it on its own line: "max(min(x, y), 0)"'),
    ("w: {u: f(x, v: 1}", None),
    ("w: {u: 1,5}", "1: cut at the comma; quote it, or write a decimal number with a point"),
    ("w: {u:-sin(x), v: 1}", "1: a space after ':' is missing"),
    ("w:\n  v: 1\n  u:-sin(x)\nb: 2", "3: expected 'name: value', with a space after ':'"),
    ("w:\n  u:-sin(x)\n  v: 1", "3: expected 'name: value' on the line above, with a space after ':'"),
    ("u: - x", "1: '- ' begins a list in YAML; write -x without the space"),
    ("w: {u: - x}", "1: '- ' begins a list in YAML; write -x without the space"),
    ("u: |u|", "1: '|' and '>' at the start of a value begin a block of text in YAML; write abs(...)"),
    ("w: {u: |u|}", "1: '|' is not allowed here in YAML; write abs(...)"),
    ("u: > 0", "1: '|' and '>' at the start of a value begin a block of text in YAML"),
    ("w: {u: > 0}", "1: a value cannot begin with '>' in YAML"),
    ("u: @x", "1: a value cannot begin with '@' in YAML; put it in quotes"),
    ("u: ? x", "1: a value cannot begin with '?'"),
    ("u: ]", "1: a value is missing here, or begins with a sign that needs quotes"),
    ("title: Burgers: a front", "1: a second ': ' in one value; put the value in quotes"),
    ("a: 1\n  b: 2", "2: this line is indented deeper than the value above allows"),
    ("a:\n  b: 1\n c: 2", "3: the indentation does not fit the lines above"),
    ("a: [1, 2\nb: 3", "1: '[' was never closed, or a comma is missing"),
    ("a: {b: 1\nc: 3", "1: '{' was never closed, or a comma is missing"),
    ("a: {b: x[0]}", "1: '[' in a formula; put the formula in quotes, and only round brackets in it"),
    ("a: {b: sin(x) c: 1}", "1: a comma or '}' is missing here"),
    ("a: [x]]", "1: ']' closes nothing"),
    ("{a: 1}}", "1: nothing may follow here; is a bracket closed twice?"),
    ("a: 1\nb: 'x\nc: 2", "2: this quotation mark is never closed"),
    ("a: 'it's'", "1: text after a closing quotation mark; put the whole value in quotes"),
    ('a: "\\q"', "1: a backslash in double quotes begins an escape; use single quotes"),
    ('a: "\\ud800"', "1: a half of a surrogate pair is not a character"),
    ("a: 1\n---\nb: 1", "2: a second document begins; one file holds one problem"),
    ("a: x\x07", "1: the character U+0007 is not allowed"),
    ("a: " + "[" * 100, "1: nested deeper than 40 levels"),
    ("a: 1\r\nb: 2\r\na: 3", "3: 'a' is already set on line 1"),
]


@pytest.mark.parametrize(("text", "complaint"), REFUSED, ids=[repr(text)[:40] for text, _ in REFUSED])
def test_what_yaml_misreads_is_refused_in_one_line(text, complaint):
    if complaint is None:
        assert read_string(text).mapping
        return
    with pytest.raises(BadInput) as caught:
        read_string(text, "my.yaml")
    assert caught.value.message.startswith(f"my.yaml line {complaint}")
    assert "\n" not in caught.value.message
    shown, mark = caught.value.detail.splitlines()
    assert mark.strip() == "^" and len(mark) <= len(shown) + 1


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b", "text", "{}", "---\n"])
def test_a_file_without_settings(text):
    with pytest.raises(BadInput, match="^my.yaml has no settings$"):
        read_string(text, "my.yaml")


@pytest.mark.parametrize("data", [b"\xff\xfea\0:\0", b"a: \xe9", b"\x7fELF\0\0", b"a: \0"])
def test_binary_data_is_not_text(data):
    with pytest.raises(BadInput, match="^my.yaml is not UTF-8 text$"):
        read_string(data, "my.yaml")


def test_out_of_range_escape_and_size():
    with pytest.raises(BadInput, match="has an escape in double quotes"):
        read_string('a: "\\UFFFFFFFF"')
    with pytest.raises(BadInput, match="larger than 1 MiB"):
        read_string("a: " + "x" * LARGEST_FILE)


def test_values_keep_type_and_order():
    document = read_string(BURGERS)
    assert list(document.mapping) == re.findall(r"(?m)^(\w+):", BURGERS)
    assert document.mapping["coordinates"] == {"x": [-1, 1], "t": [0, 1.5]}
    assert document.mapping["unknowns"] == {"u": None, "v": {"complex": True}}
    assert document.mapping["equations"] == {"burgers": "u_t + u*u_x = nu*u_xx"}
    assert document.mapping["conditions"]["initial"] == {"at": "t = 0", "u": "max(x, 0)", "u_t": "it's"}
    assert document.mapping["exact"] == "1e-3" and document.mapping["manufactured"] is False
    assert read_string("\ufeffa: 2024-01-01\nb: y\nc: 'no'\nd: =\ne: x #2").mapping == {
        "a": "2024-01-01",
        "b": "y",
        "c": "no",
        "d": "=",
        "e": "x",
    }


@pytest.mark.parametrize(
    ("place", "character", "offset"),
    [
        (("coordinates", "t", 1), "1.5", 0),
        (("equations", "burgers"), "u_t +", 0),
        (("equations", "burgers"), "*u_x", 7),
        (("equations", "burgers"), "nu*u_xx", 14),
        (("conditions", "initial", "u"), "max(", 0),
        (("conditions", "initial", "u"), "0)", 7),
        (("conditions", "initial", "u_t"), "s'", 3),
        (("conditions", "block", "u"), "sin(x)", 0),
        (("conditions", "block", "u"), "cos(x)", 11),
    ],
)
def test_every_character_of_a_formula_has_its_place(place, character, offset):
    position = read_string(BURGERS, "my.yaml").position(place, offset)
    assert position.text == BURGERS.splitlines()[position.line - 1]
    assert position.text[position.column - 1 :].startswith(character)
    assert position.file == "my.yaml"


def test_keys_have_places_and_unknown_places_have_none():
    document = read_string(BURGERS)
    assert document.key_position(("conditions", "block")).line == 9
    assert document.position(("conditions", "nothing")) is None and document.key_position((3,)) is None


def test_caret_stands_below_its_column_also_in_long_lines():
    position = read_string("a: 1\nbb: sin(x) + cos(y)").position(("bb",))
    assert caret(position, 9) == "  bb: sin(x) + cos(y)\n               ^"
    long = "a: " + "x + " * 200 + "?y" + " + x" * 200
    shown, mark = caret(read_string(long).position(("a",)), 800).splitlines()
    assert len(shown) <= 102 and shown[len(mark) - 1] == "?"


def test_files(tmp_path: Path):
    good = tmp_path / "my.yaml"
    good.write_text("a: 1\n", encoding="utf-8")
    assert read_text(good).mapping == {"a": 1} and read_text(str(good)).file == str(good)
    for name, complaint in [("my.yml", "rename to my.yaml"), ("my.txt", "its name must end in .yaml"), ("no.yaml", "no file")]:
        with pytest.raises(BadInput, match=complaint):
            read_text(tmp_path / name)
    spoiled = tmp_path / "spoiled.yaml"
    spoiled.write_text("a: 1\na: 2", encoding="utf-8")
    with pytest.raises(BadInput, match="^spoiled.yaml line 2: 'a' is already set on line 1"):
        read_text(spoiled)
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        read_text(tmp_path / "folder.yaml")


def test_mappings_from_python_become_plain():
    given_mapping = {"coordinates": {"x": (0, np.float64(1.5))}, "unknowns": ["u"], "n": np.int64(3), "c": True, "z": None}
    result = plain(given_mapping)
    assert result == {"coordinates": {"x": [0, 1.5]}, "unknowns": ["u"], "n": 3, "c": True, "z": None}
    assert type(result["n"]) is int and type(result["coordinates"]["x"][1]) is float


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({True: 1}, "problem has the key True; keys are text"),
        ({"a": {"b": math.nan}}, "problem.a.b must be a finite number, got nan"),
        ({"a": [1j]}, "problem.a.0 must be text, a number, a list or a mapping, got complex"),
        ({"a": "${b}"}, "references ${...} are not allowed"),
        ({"a": "???"}, "setting 'problem.a' has no value"),
        ([1], "problem must be a mapping, got list"),
    ],
)
def test_bad_mappings_from_python(mapping, complaint):
    with pytest.raises(BadInput) as caught:
        plain(mapping)
    assert str(caught.value).startswith(complaint)


def test_a_mapping_that_contains_itself():
    endless: dict = {}
    endless["a"] = endless
    with pytest.raises(BadInput, match="deeper than 40 levels"):
        plain(endless)


YAML_PIECES = st.sampled_from(
    [
        "a",
        "u: ",
        "- ",
        "\n",
        "  ",
        "\t",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ":",
        "x",
        "(",
        ")",
        "'",
        '"',
        "|",
        ">",
        "#",
        "*",
        "&",
        "!",
        "%",
        "?",
        "<<",
        "no",
        "~",
        "010",
        "1:30",
        "1e400",
        "\\",
        "\\u",
        "---",
        "...",
        "${",
        "???",
        "=",
        "\r\n",
        "\x85",
        "\ufeff",
        "é",
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.one_of(st.lists(YAML_PIECES, max_size=25).map("".join), st.text(max_size=60)))
def test_any_text_is_read_or_refused(text):
    try:
        document = read_string(text)
    except BadInput as error:
        assert "\n" not in error.message
        return
    for place in document._nodes:
        assert document.position(place) is not None and document.position(place, 3).line >= 1
        document.key_position(place)
    assert "${" in text or plain(document.mapping) == document.mapping


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data):
    try:
        read_string(data)
    except BadInput as error:
        assert "\n" not in error.message
