"""A verdict for people and for machines: terminal, JSON, JUnit, one web page.

``RENDERERS`` is the registry: a new format is one module with a ``text`` function and one line here.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from grader.packs import Pack
from grader.reports import html, json, junit, terminal
from grader.reports.catalogue import LANGS, Explanation, Lang, explain, label, sentence
from grader.verdict import Verdict

Renderer: TypeAlias = Callable[[Verdict, Pack, Lang], str]

RENDERERS: Final[Mapping[str, Renderer]] = {
    "terminal": terminal.text,
    "json": json.text,
    "junit": junit.text,
    "html": html.text,
}

__all__ = ["LANGS", "RENDERERS", "Explanation", "Lang", "Renderer", "explain", "label", "sentence"]
