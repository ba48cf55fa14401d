"""What the header offers whom."""

from typing import NamedTuple

from portal.visit import Visit


class Link(NamedTuple):
    """One entry of the header."""

    href: str
    label: str
    current: bool


ENTRIES = (
    ("/", "nav.home", ()),
    ("/rounds", "nav.rounds", ("instructor", "coordinator")),
    ("/kpi", "nav.kpi", ("coordinator", "executive")),
    ("/exercises", "nav.exercises", ("instructor", "coordinator")),
    ("/admin", "nav.admin", ("admin",)),
    ("/help", "nav.help", ()),
)
"""Address, word, and the roles that see it; none: everybody."""


def navigation(visit: Visit) -> list[Link]:
    """The entries for a visitor; the one that the page belongs to is marked."""
    path = visit.request.url.path
    return [
        Link(href, visit.word(name), path == href or (href != "/" and path.startswith(f"{href}/")))
        for href, name, roles in ENTRIES
        if not roles or visit.may(*roles)
    ]
