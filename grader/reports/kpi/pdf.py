"""The report as a PDF to be printed, signed and kept: A4, tagged, with its own fonts and a text that can be copied.

The layout engine gets one page of ours and fetches nothing but our fonts. The same document gives the same bytes: the
only moment in a file is that of the data.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from datetime import UTC
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.errors import EnvironmentProblem
from grader.reports.catalogue import label
from grader.reports.kpi.document import KpiDocument
from grader.reports.kpi.fonts import SHA256, font
from grader.reports.kpi.lines import Line, heading
from grader.reports.kpi.text_layer import drawable, finish

PANGO_PACKAGES: Final = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
"""Debian's names of the libraries that lay out text: Pango breaks Thai lines, HarfBuzz shapes and cuts the fonts."""

_SCHEME: Final = "report:"


def to_pdf(document: KpiDocument) -> bytes:
    """The report as a PDF/UA-1 file.

    Raises:
        EnvironmentProblem: ``environment.pango_missing``, ``environment.font_missing`` or ``environment.font_changed``.
    """
    engine = _engine()
    for name in SHA256:
        font(name)  # before the engine starts, which would draw with other fonts where one of ours is missing
    page = engine.HTML(string=to_html(document), base_url=_SCHEME, url_fetcher=_fetch)
    written: bytes = page.write_pdf(finisher=finish, pdf_variant="pdf/ua-1")
    return written


def to_html(document: KpiDocument) -> str:
    """The page that is laid out; it is no web page, because its fonts have addresses that only the layout knows."""
    lang = document.lang
    # The name and the state stand at the top of the page already; what nobody wrote is left out.
    details = [line for line in (*document.definition[1:], *document.source[1:]) if line.value is not None]

    def word(name: str, **values: object) -> str:
        return label(name, lang, **values)

    def title(name: str, **values: object) -> str:
        return heading(name, lang, **values)

    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            document=document,
            rows=tuple(_rows(document)),
            details=tuple(line for line in details if line.key not in IN_LINE),
            in_line=tuple(line for line in details if line.key in IN_LINE),
            notes=tuple(dict.fromkeys(f"{row.b_text}: {row.note}" for row in document.units if row.note)),
            moment=document.as_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            word=word,
            title=title,
            style=Markup(_style()),  # noqa: S704 - a file of ours, without any value in it
        )
    )


ROWS: Final = (
    ("indicator",),
    ("fiscal_year", "round", "as_of"),
    ("a", "b", "percent"),
    ("target", "gap"),
    ("score", "weighted_score"),
    ("results",),
    ("problems",),
    ("suggestions",),
    ("evidence",),
    ("reporter", "certifier"),
)
"""The fields that share a row of the page, in their order; one that a report does not have leaves no gap."""
IN_LINE: Final = frozenset(
    {"version", "indicator", "round", "period", "cutoff", "as_of", "count_by", "settings", "format"}
)
"""Lines of the definition and the source that are short enough to follow each other in one paragraph."""


def _rows(document: KpiDocument) -> Iterator[tuple[Line, ...]]:
    fields = {line.key: line for line in document.fields}
    for keys in ROWS:
        if row := tuple(fields[key] for key in keys if key in fields):
            yield row


def only_drawable(value: Any) -> Any:
    """Text with each letter that the fonts cannot draw as its number, such as [U+4E2D].

    Else the layout engine would look for another font on the machine, and draw something else on each, or nothing.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(one if one in drawable() or one.isspace() else f"[U+{ord(one):04X}]" for one in value)


@cache
def _engine() -> Any:
    """The layout engine; it looks for its libraries when it is imported, and prints when there are none."""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # a machine without any font is warned about: ours are enough
            import weasyprint  # noqa: PLC0415 - slow to import, and there may be no library for it
    except OSError as problem:
        detail = str(problem).partition("\n")[0][:200]
        packages = " ".join(PANGO_PACKAGES)
        raise EnvironmentProblem("environment.pango_missing", packages=packages, detail=detail) from problem
    return weasyprint


def _fetch(url: str) -> Any:
    """One of our fonts; anything else ends the printing, because the page of ours names nothing else."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcherResponse  # noqa: PLC0415 - as in _engine

    name = url.removeprefix(_SCHEME)
    if name not in SHA256:
        message = f"a report fetches its own fonts only, and not {url!r}"
        raise FatalURLFetchingError(message)
    return URLFetcherResponse(url, font(name), {"Content-Type": "font/ttf"})


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("grader.reports.kpi", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=only_drawable,
    )


@cache
def _style() -> str:
    return files("grader.reports.kpi").joinpath("templates", "report.css").read_text(encoding="utf-8")
