"""Words of the command line, ``name=value``: what may be said, how it reaches Hydra's grammar, and what is said when it may not.

Nothing here imports Hydra; whether a word parses is asked of a function that `pinn.run.compose` passes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pinn.problem.settings import BadInput, nearest
from pinn.problem.text import read_string

PROBLEM_KEYS = (
    "title", "citation", "class", "coordinates", "time", "unknowns", "constants", "define", "shapes", "domain", "interfaces",
    "equations", "conditions", "parameters", "fields", "data", "exact", "manufactured", "reference", "quantities", "units",
)  # fmt: skip
OPEN = ("problem.constants", "problem.parameters", "problem.conditions", "problem.define", "problem.quantities")
NUMBERS = ("weights", "solver.cells")
"""Mappings from names of the problem to numbers."""
OPTIONAL = ("experiment",)
REPLACED = re.compile(r"problem\.(conditions|equations|unknowns|coordinates|parameters|constants|define)\.\w+$")
TEXTS = ("folder", "name")
"""Settings that may hold any text, also what looks like a bracket left open."""
EXTRAS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit"}
"""Launchers that are not installed by default, and the extras that bring them."""

LAUNCHING = re.compile(r"hydra[./](launcher|sweeper)([./]|$)")
WORD = re.compile(r"(?P<sign>\+\+|\+|~)?(?P<key>[A-Za-z_][\w/.@ -]*?)(=(?P<value>.*))?$", re.DOTALL)


class Override(NamedTuple):
    """One word of the command line: ``sign`` is ``""``, ``+``, ``++`` or ``~``; ``value`` is None without ``=``."""

    sign: str
    key: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.sign}{self.key}" + ("" if self.value is None else f"={self.value}")

    @property
    def group(self) -> str:
        """Return the name without ``@package``."""
        return self.key.partition("@")[0]


def read(word: str) -> Override:
    """Return the parts of ``word``, or raise `BadInput` when it is not ``name=value``."""
    match = WORD.match(word)
    if match is None or (match["value"] is None and match["sign"] != "~"):
        raise BadInput(f"'{word}' is not understood; settings are written name=value")
    return Override(match["sign"] or "", match["key"], match["value"])


def prepare(words: Sequence[str], groups: Mapping[str, Sequence[str]], parses: Callable[[str], bool], several: bool) -> list[str]:
    """Return the words in a form that Hydra's grammar reads, or raise `BadInput` for those that nobody may say.

    Parameters
    ----------
    words : as typed.
    groups : options of every group, ``{"network": ["mlp", ...]}``.
    parses : whether Hydra's grammar reads a word.
    several : whether this is a multirun, where values may be lists of choices.
    """
    result = []
    for override in map(read, words):
        if re.search(r"\$\{[^}]*:", override.value or ""):
            raise BadInput("only plain references such as ${seed} are allowed; environment lookups are not", override.key)
        if override.group in OPTIONAL and override.value in ("null", ""):
            continue
        _check_key(override, groups, several)
        for word in _rewritten(override):
            result.append(_quoted(word, parses))
        if override.group in groups:
            _check_choice(override, groups[override.group], several)
    return result


def _check_key(override: Override, groups: Mapping[str, Sequence[str]], several: bool) -> None:
    key, first = override.key, re.split(r"[./@]", override.key)[0]
    if first == "hydra":
        if not LAUNCHING.match(key):
            raise BadInput(f"'{key}' cannot be set here; of Hydra's settings only hydra/launcher and hydra/sweeper can")
        if not several:
            raise BadInput(f"'{key}' needs -m")
    elif override.sign == "~" and not key.startswith((*(f"{name}." for name in OPEN), "solver.stages.")):
        if key == "problem":
            raise BadInput(_choose("problem", groups))
        raise BadInput(f"'{key}' cannot be taken away; set it to null or to another value")
    elif override.sign in ("+", "++") and not _may_be_added(key, override.group, groups):
        raise BadInput(f"unknown setting '{key}' ('{override.sign}' cannot add settings here)")


def _may_be_added(key: str, group: str, groups: Mapping[str, Sequence[str]]) -> bool:
    stage = group in groups and key.startswith("stage@solver.stages.")
    return stage or any(key.startswith(f"{name}.") for name in (*OPEN, *NUMBERS))


def _check_choice(override: Override, options: Sequence[str], several: bool) -> None:
    group, value = override.group, (override.value or "").strip()
    choices = [choice.strip() for choice in value.split(",")] if several else [value]
    for choice in choices:
        if choice in options or re.match(r"(choice|glob)\(", choice) or (choice == "null" and group in OPTIONAL):
            continue
        if "," in choice:
            raise BadInput(f"several values for '{group}' need -m")
        if choice in ("null", "???", ""):
            raise BadInput(_choose(group, {group: options}))
        if re.fullmatch(r"[-+.\d].*|true|false", choice):
            kind = "true or false" if choice in ("true", "false") else "a number"
            raise BadInput(f"'{group}' is a group of settings, not {kind}; available: {', '.join(options)}")
        raise BadInput(unknown_option(group, choice, options))


def unknown_option(group: str, choice: str, options: Sequence[str]) -> str:
    """Return the message about a choice that a group does not have."""
    word = group.rpartition("/")[2]
    if group == "hydra/launcher" and choice in EXTRAS:
        return f"the launcher {choice} is not installed; pip install 'pinn[{EXTRAS[choice]}]' brings it"
    return f"unknown {word} '{choice}'{nearest(choice, options) or ';'} available: {', '.join(options)}"


def _choose(group: str, groups: Mapping[str, Sequence[str]]) -> str:
    return f"{group} must be chosen; available: {', '.join(groups.get(group, ()))}"


def _rewritten(override: Override) -> list[Override]:
    """Open mappings take new names without a sign; a mapping given for a condition replaces it instead of joining it."""
    sign, key, value = override
    opens = key in NUMBERS or key.startswith(tuple(f"{name}." for name in NUMBERS))
    if sign in ("", "+") and (opens or (key.count(".") == 1 and key[8:] in PROBLEM_KEYS)):
        return [Override("++", key, value)]
    starts = ("{", "[") if key.startswith("problem.parameters.") else ("{",)  # a range may replace a mapping
    if sign == "" and REPLACED.match(key) and (value or "").lstrip().startswith(starts):
        return [Override("~", key, None), Override("+", key, value)]
    return [override]


def _quoted(override: Override, parses: Callable[[str], bool]) -> str:
    """Return the word; a value of the problem that the grammar cannot read is a formula and gets its quotes."""
    word = str(override)
    if parses(word):
        return word
    value = (override.value or "").strip()
    if override.key not in TEXTS:
        _check_brackets(value, f"{override.key}={value}")
    if override.key.startswith(("problem.", "weights.")) or override.key in TEXTS:
        literal = _literal(value) if value[:1] in ("{", "[") and override.key not in TEXTS else quoted(value)
        word = f"{override.sign}{override.key}={literal}"
        if parses(word):
            return word
    raise BadInput(f"cannot read '{override.key}={value}'; put the value in quotes")


def _check_brackets(value: str, word: str) -> None:
    waiting: list[str] = []
    closing = {"(": ")", "[": "]", "{": "}"}
    for sign in re.sub(r"'[^']*'|\"[^\"]*\"", "", value):
        if sign in closing:
            waiting.append(closing[sign])
        elif sign in closing.values() and (not waiting or waiting.pop() != sign):
            raise BadInput(f"unexpected '{sign}' in '{word}'")
    if waiting:
        raise BadInput(f"missing '{waiting[-1]}' in '{word}'")


def quoted(value: str) -> str:
    """Return ``value`` as one quoted text of Hydra's grammar."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _literal(value: str) -> str:
    """Return a mapping or list whose formulas stand without quotes, ``{at: x = 0, u: 0}``, with quotes."""
    return _emit(read_string(f"value: {value}", "the command line").mapping["value"])


def _emit(node: Any) -> str:
    if isinstance(node, Mapping):
        return "{" + ", ".join(f"{key}: {_emit(item)}" for key, item in node.items()) + "}"
    if isinstance(node, (list, tuple)):
        return "[" + ", ".join(map(_emit, node)) + "]"
    if node is None or isinstance(node, bool):
        return {None: "null", True: "true", False: "false"}[node]
    return quoted(node) if isinstance(node, str) else str(node)


def unknown_setting(key: str, settings: Mapping[str, Any]) -> str | None:
    """Return the complaint about the dotted name ``key`` when the composed ``settings`` have no such place, else None."""
    node, names = settings, key.split(".")
    for depth, name in enumerate(names):
        if isinstance(node, Mapping) and name in node:
            node = node[name]
        else:
            known = ".".join(names[:depth])
            return f"unknown setting '{key}'{_suggestion(key, known, settings)}"
    return None


def _suggestion(key: str, known: str, settings: Mapping[str, Any]) -> str:
    """Prefer a setting beside the wrong word, then the same word elsewhere, then anything that looks alike."""
    every = list(paths(settings))
    beside = [path for path in every if not known or path.startswith(f"{known}.")]
    same = [path for path in every if path.rpartition(".")[2] == key.rpartition(".")[2]]
    return nearest(key, beside) or (f"; did you mean '{same[0]}'?" if same else nearest(key, every))


def paths(settings: Mapping[str, Any], above: str = "") -> Iterable[str]:
    """Yield the dotted names of all settings, groups included."""
    for name, value in settings.items():
        path = f"{above}.{name}" if above else str(name)
        yield path
        if isinstance(value, Mapping):
            yield from paths(value, path)
