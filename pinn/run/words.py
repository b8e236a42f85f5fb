"""The words behind a verb: options, the thing it is about, and ``name=value`` settings; and the verbs themselves."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pinn.problem.settings import BadInput, nearest


@dataclass(frozen=True)
class Verb:
    """A verb of the command line.

    Parameters
    ----------
    action : ``module:function`` that takes `Words` and returns the exit code; imported when the verb is used.
    usage : the words that may follow.
    summary : one line for the list of verbs.
    text : the rest of its help.
    options : long option to whether it takes a value; a short form stands behind a comma, ``{"multirun,m": False}``.
    """

    action: str
    usage: str
    summary: str
    text: str = ""
    options: Mapping[str, bool] = field(default_factory=dict)

    def __call__(self, words: Words) -> int:
        """Do what the verb says and return the exit code."""
        module, _, function = self.action.partition(":")
        return getattr(importlib.import_module(module), function)(words)


@dataclass(frozen=True)
class Words:
    """What was said behind a verb.

    Parameters
    ----------
    names : words without ``=``: problems, files, folders.
    settings : words ``name=value``.
    options : values of the options given, ``""`` for one without value.
    line : the whole command line, for the record.
    """

    names: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    line: str = ""

    def one_name(self, what: str, verb: str) -> str:
        """Return the single name, or raise `BadInput` saying which ``what`` is missing."""
        if len(self.names) != 1:
            raise BadInput(f"pinn {verb} needs one {what}, got {len(self.names)}; see pinn {verb} --help")
        return self.names[0]

    def refuse_settings(self, verb: str) -> None:
        """Raise `BadInput` when settings were given to a verb that takes none."""
        if self.settings:
            raise BadInput(f"pinn {verb} takes no settings, got '{self.settings[0]}'")


def read_words(arguments: Sequence[str], options: Mapping[str, bool], verb: str) -> Words:
    """Sort the words behind ``verb``.

    Raises
    ------
    BadInput : an option that the verb does not have, or one without its value.
    """
    known = {name: (long.partition(",")[0], takes) for long, takes in options.items() for name in long.split(",")}
    names, settings, found = [], [], {}
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("-") and word != "-":
            given, equals, value = word.lstrip("-").partition("=")
            if given not in known or (len(given) > 1 and not word.startswith("--")):
                long = [f"--{name}" for name in known if len(name) > 1]
                said = f"unknown option '{word.partition('=')[0]}'{nearest(word, long)}"
                raise BadInput(f"{said}; see pinn {verb} --help")
            name, takes = known[given]
            if takes and not equals and not waiting:
                raise BadInput(f"option '{word}' needs a value")
            found[name] = (value if equals else waiting.pop(0)) if takes else ""
        elif "=" in word or word.startswith(("+", "~")):
            settings.append(word)
        else:
            names.append(word)
    return Words(tuple(names), tuple(settings), found)
