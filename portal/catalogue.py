"""The words of the pages, in Thai and English side by side: one file an area in ``words/``.

A word is found by its dotted name. What a verdict, a finding or a refusal says is worded by ``grader.reports`` for all
readers alike; here is only what pages say around it. A name that is missing is a fault of the program, and raises.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from grader.reports.catalogue import LANGS, Lang, fill


def word(name: str, lang: Lang, /, **values: object) -> str:
    """A word or sentence; ``{name}`` in it is a value, ``[…|…]`` a part as in the texts of the reports.

    Raises:
        KeyError: there is no such word.
    """
    return fill(words()[name][lang], values)


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Every word: name -> language -> text."""
    found: dict[str, Mapping[str, str]] = {}
    for file in sorted(files("portal").joinpath("words").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            found |= dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")), ""))
    return found


def _flat(table: Mapping[str, Any], lead: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for key, value in table.items():
        name = f"{lead}{key}"
        if set(value) == set(LANGS) and all(isinstance(text, str) for text in value.values()):
            yield name, value
        else:
            yield from _flat(value, f"{name}.")
