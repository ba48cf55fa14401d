"""The verdict as one JSON document: exactly ``Verdict.to_json()``, for scripts and for storing."""

import json

from grader.packs import Pack
from grader.reports.catalogue import Lang
from grader.verdict import Verdict


def text(verdict: Verdict, pack: Pack, lang: Lang) -> str:  # noqa: ARG001 - every renderer is called alike
    """One document, in a language that needs no translation."""
    return json.dumps(verdict.to_json(), ensure_ascii=False, indent=2) + "\n"
