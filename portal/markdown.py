"""Markdown of an exercise to HTML: written by instructors, and still not trusted with a page."""

import itertools
import re
from functools import lru_cache
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

TAGS: Final = frozenset({
    "p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "code", "pre", "blockquote", "table", "thead", "tbody",
    "tr", "th", "td", "hr", "a", "br",
})  # fmt: skip
LONGEST: Final = 200_000
"""Characters of a text; what is longer is cut."""


@lru_cache(maxsize=64)
def html_of(text: str, table: str) -> Markup:
    """Safe HTML: no HTML of the author's, no pictures, no addresses but web ones; the title is the page's own.

    ``table`` is what tables are called to who cannot see them; they are numbered.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    lines = text[:LONGEST].splitlines()
    body = "\n".join(lines[1:] if lines and lines[0].startswith("# ") else lines)
    made = nh3.clean(
        reader.render(body),
        tags=set(TAGS),
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    # Tables of any width scroll by themselves, so that a phone never scrolls the page sideways.
    number = itertools.count(1)
    framed = re.sub(
        "<table>",
        lambda _: f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table)} {next(number)}"><table>',
        made,
    )
    return Markup(framed.replace("</table>", "</table></div>"))  # noqa: S704 - cleaned above
