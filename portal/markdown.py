"""Markdown of an exercise to HTML: written by instructors, and still not trusted with a page."""

import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass
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


_NUMBERED: Final = re.compile(r"<h([234])>(\d+(?:\.\d+)*)\.?(?=[\s<]).*?</h\1>", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """HTML that ends with the heading of these tasks; no tasks for the last part."""

    html: Markup
    tasks: tuple[str, ...]


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
        lambda _: f'<section class="scroll" tabindex="0" aria-label="{escape(table)} {next(number)}"><table>',
        made,
    )
    return Markup(framed.replace("</table>", "</table></section>"))  # noqa: S704 - cleaned above


def parted(html: Markup, tasks: Collection[str]) -> tuple[Part, ...]:
    """Cut what ``html_of`` made behind the numbered headings that the tasks belong to.

    A task without a heading of its own belongs to the one above: 5.3.1 to 5.3, and to 5 where there is no 5.3.
    """
    headings = {found[2]: found.end() for found in reversed(list(_NUMBERED.finditer(html)))}
    under: dict[str, list[str]] = {}
    for task in tasks:
        number = task
        while number not in headings and "." in number:
            number = number.rpartition(".")[0]
        if number in headings:
            under.setdefault(number, []).append(task)
    parts, start = [], 0
    for number in sorted(under, key=headings.__getitem__):
        parts.append(Part(html=html[start : headings[number]], tasks=tuple(under[number])))
        start = headings[number]
    return (*parts, Part(html=html[start:], tasks=()))
