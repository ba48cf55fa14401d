"""The report as one web page that needs nothing else: no script, no request, no font to fetch.

The page carries its own style sheet and a content security policy that allows that sheet alone, by its hash. Jinja
escapes everything; no value is ever marked safe but the sheet, which is ours.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.packs import Pack
from grader.reports.catalogue import Lang, label
from grader.reports.summary import summarise
from grader.verdict import Verdict


def text(verdict: Verdict, pack: Pack, lang: Lang) -> str:
    """The whole page in one language."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    def word(name: str, **values: object) -> str:
        return label(name, lang, **values)

    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=summarise(verdict, pack, lang),
            lang=lang,
            word=word,
            style=Markup(style),  # noqa: S704 - our own file, without any value in it
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        )
        .lstrip()
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("grader.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    folder = files("grader.reports").joinpath("templates")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "findings.css"))
