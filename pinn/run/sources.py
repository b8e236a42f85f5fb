"""What the first word of ``pinn run`` stands for: a shipped problem, a problem file, or a file with settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pinn.problem.data.tables import with_absolute_files
from pinn.problem.settings import BadInput, nearest
from pinn.problem.text import Document, read_text
from pinn.run.compose import Source
from pinn.run.options import groups
from pinn.run.overrides import unknown_option


class Given(NamedTuple):
    """A source, and the file it was read from, which messages about formulas point into."""

    source: Source
    document: Document | None = None


def read_source(word: str | None) -> Given:
    """Return what ``word`` stands for; None leaves the problem to the other words.

    Raises
    ------
    BadInput : no such problem or file, or a file that is neither a problem nor settings.
    """
    if word is None:
        return Given(Source())
    if word in groups()["problem"]:
        return Given(Source(name=word))
    path = Path(word)
    if path.suffix not in (".yaml", ".yml") and path.with_name(f"{path.name}.yaml").is_file():
        raise BadInput(f"'{word}' is no shipped problem; for the file say {_from_here(path)}.yaml")
    if path.suffix in (".yaml", ".yml") or "/" in word or "\\" in word or path.is_dir():
        return _read_file(path)
    raise BadInput(unknown_option("problem", word, groups()["problem"]) + "; a file's name ends in .yaml")


def _from_here(path: Path) -> str:
    return f"./{path}" if len(path.parts) == 1 else str(path)


def _read_file(path: Path) -> Given:
    if path.is_dir() and (path / "config.yaml").exists():
        raise BadInput(
            f"{path} is the folder of a run; pinn resume {path} goes on with it, and its settings are {path / 'config.yaml'}"
        )
    if path.is_dir():
        raise BadInput(f"{path} is a folder, not a problem; a file's name ends in .yaml")
    document = read_text(path)
    mapping = document.mapping
    if "hydra" in mapping:
        raise BadInput(f"{path}: 'hydra' cannot be set in a file")
    if "equations" in mapping:
        mapping = with_absolute_files(mapping, path.parent)
        return Given(Source(name=path.stem, problem=mapping), replace(document, mapping=mapping))
    if "problem" in mapping:
        if isinstance(mapping["problem"], dict):
            mapping = {**mapping, "problem": with_absolute_files(mapping["problem"], path.parent)}
            document = replace(document, mapping=mapping)
        return Given(Source(name=str(mapping.get("name") or ""), experiment=mapping), document)
    close = [hint for key in mapping if (hint := nearest(str(key), ["equations", "problem"]))]
    raise BadInput(f"{path} is neither a problem (key 'equations') nor settings (key 'problem')" + "".join(close[:1]))
