"""From a page to a PDF: the layout engine, the fonts that it may fetch, and the templates that pages are made from."""

import contextlib
import io
import warnings
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.errors import EnvironmentProblem
from grader.reports.printing.fonts import SHA256, font
from grader.reports.printing.text_layer import drawable, finish

PANGO_PACKAGES: Final = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
"""Debian's names of the libraries that lay out text: Pango breaks Thai lines, HarfBuzz shapes and cuts the fonts."""

SCHEME: Final = "report:"
"""Begins the addresses of our fonts, which only the layout knows."""


def pdf_of(page: str) -> bytes:
    """A page as a PDF/UA-1 file.

    Raises:
        EnvironmentProblem: ``environment.pango_missing``, ``environment.font_missing`` or ``environment.font_changed``.
    """
    weasyprint = engine()
    for name in SHA256:
        font(name)  # before the engine starts, which would draw with other fonts where one of ours is missing
    html = weasyprint.HTML(string=page, base_url=SCHEME, url_fetcher=fetch)
    written: bytes = html.write_pdf(finisher=finish, pdf_variant="pdf/ua-1")
    return written


def only_drawable(value: Any) -> Any:
    """Text with each letter that the fonts cannot draw as its number, such as [U+4E2D].

    Else the layout engine would look for another font on the machine, and draw something else on each, or nothing.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(one if one in drawable() or one.isspace() else f"[U+{ord(one):04X}]" for one in value)


@cache
def templates_of(package: str) -> Environment:
    """The templates in the folder ``templates`` of a package, in which everything is escaped and can be drawn."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=only_drawable,
    )


@cache
def style_of(package: str, name: str) -> Markup:
    """A style sheet of the same folder, for the head of a page, after the one that names our fonts."""
    sheets = (("grader.reports.printing", "fonts.css"), (package, name))
    text = "".join(files(one).joinpath("templates", file).read_text(encoding="utf-8") for one, file in sheets)
    return Markup(text)  # noqa: S704 - files of ours, without any value in them


@cache
def engine() -> Any:
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


def fetch(url: str) -> Any:
    """One of our fonts; anything else ends the printing, because the page of ours names nothing else."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcherResponse  # noqa: PLC0415 - as in engine

    name = url.removeprefix(SCHEME)
    if name not in SHA256:
        message = f"a report fetches its own fonts only, and not {url!r}"
        raise FatalURLFetchingError(message)
    return URLFetcherResponse(url, font(name), {"Content-Type": "font/ttf"})
