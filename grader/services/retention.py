"""How long what is kept about people: the same settings and constants that removing goes by, to be told to people."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from grader.services import purging
from grader.services.accounts import links, sessions, throttling

What: TypeAlias = Literal["code", "names", "sessions", "links", "tries", "progress", "results", "certificates"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """One kind of data and its time; ``time`` is None where there is no end, or nobody has ``confirmed`` one."""

    what: What
    time: timedelta | None
    confirmed: bool = True


def periods(*, code_days: int | None, names_days: int | None) -> tuple[Kept, ...]:
    """Everything that is kept about people; the days are those of the settings."""
    code, names = (None if days is None else timedelta(days=days) for days in (code_days, names_days))
    return (
        Kept(what="code", time=code, confirmed=code is not None),
        Kept(what="names", time=names, confirmed=names is not None),
        Kept(what="sessions", time=sessions.KEPT),
        Kept(what="links", time=links.KEPT),
        Kept(what="tries", time=throttling.KEPT),
        Kept(what="progress", time=purging.EVENTS_KEPT),
        Kept(what="results", time=None),
        Kept(what="certificates", time=None),
    )
