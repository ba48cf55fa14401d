"""The verdict as one JSON document: exactly ``Verdict.to_json()``, for scripts and for storing."""

import json
from collections.abc import Mapping
from typing import Any

from grader.packs import Pack
from grader.reports.catalogue import Lang
from grader.verdict import Verdict


def text(verdict: Verdict, pack: Pack, lang: Lang) -> str:  # noqa: ARG001 - every renderer is called alike
    """One document, in a language that needs no translation."""
    return written(verdict.to_json())


def written(document: Mapping[str, Any]) -> str:
    """A document as it is printed and stored.

    Half a letter, which an answer of an app may hold, is written as JSON writes it: no encoding has bytes for it.
    """
    told = json.dumps(document, ensure_ascii=False, indent=2)
    return told.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"
