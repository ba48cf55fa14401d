"""The indicator for those who answer for it: the figure of a round, what it is made of, and files of exactly that."""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import UsageProblem
from grader.kpi import KEYS, fiscal_year_at
from grader.reports.kpi.settings import setting_line
from grader.services import indicator
from grader.services.standings import settings_of
from portal.access.door import Allow, Door
from portal.downloads import attachment

router = APIRouter(prefix="/kpi")

Read = Annotated[Door, Depends(Allow("kpi.read"))]
People = Annotated[Door, Depends(Allow("kpi.people"))]
Export = Annotated[Door, Depends(Allow("kpi.export", limit="exports"))]
Change = Annotated[Door, Depends(Allow("kpi.change"))]
Freeze = Annotated[Door, Depends(Allow("kpi.freeze"))]
Confirm = Annotated[Door, Depends(Allow("kpi.confirm"))]

PAGE: Final = 200
"""People of one page of the list."""
"""Files of one account: a PDF takes a second of a processor."""


@router.get("")
def now(door: Read) -> Response:
    """The round of today; without any round, how to make them."""
    return _year(door, None)


@router.get("/settings/{key}")
def setting(door: Read, key: str) -> Response:
    """One setting: its value, who confirmed it, and what it was before."""
    return setting_page(door, key)


@router.post("/settings/{key}")
def revise(door: Change, key: str, value: Annotated[str, Form()] = "", seen: Annotated[str, Form()] = "") -> Response:
    """Give a setting another value, which nobody has confirmed then."""
    try:
        indicator.revise(door.records, {_key(key): _plain(value)}, by=door.by, seen=version_in(seen))
    except UsageProblem as problem:
        return setting_page(door, key, problem=problem, typed={"value": value})
    return door.visit.say(RedirectResponse(f"/kpi/settings/{key}", 303), "said.setting_changed")


@router.post("/settings/{key}/confirm")
def confirm(
    door: Confirm,
    key: str,
    source: Annotated[str, Form()] = "",
    confirmed_by: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
) -> Response:
    """Note that a value is right: who said so, in which document."""
    told = {"source": source.strip(), "confirmed_by": confirmed_by.strip()}
    try:
        indicator.confirm(door.records, _key(key), by=door.by, seen=version_in(seen), **told)
    except UsageProblem as problem:
        typed = {"source": source, "confirmed_by": confirmed_by}
        return setting_page(door, key, problem=problem, typed=typed)
    return door.visit.say(RedirectResponse(f"/kpi/settings/{key}", 303), "said.setting_confirmed")


@router.get("/{year:int}")
def year_page(door: Read, year: int) -> Response:
    """The round of today in a year, else its last one."""
    return _year(door, year)


@router.post("/{year:int}/rounds")
def propose(door: Change, year: int) -> Response:
    """Add the rounds that the preset of the settings proposes."""
    indicator.propose_rounds(door.records, year, by=door.by)
    return door.visit.say(RedirectResponse(f"/kpi/{year}", 303), "said.rounds_proposed")


@router.get("/{year:int}/{code}")
def round_page(door: Read, year: int, code: str, sort: str = "") -> Response:
    """The figure of a round; its units by the column that was chosen."""
    return figure_page(door, year, code, sort=sort)


@router.get("/{year:int}/{code}/counts")
def counts(door: Read, year: int, code: str) -> Response:
    """How many are where and why, without anybody's name: what the figure must not hide."""
    document = indicator.document_of(
        door.records, indicator.Wanted(fy_be=year, code=code), reader_of(door, names=False)
    )
    return door.page("kpi/counts.html", document=document, year=year, code=code, base=f"/kpi/{year}/{code}")


@router.get("/{year:int}/{code}/people")
def people(door: People, year: int, code: str, *, unit: str = "", reason: str = "", page: int = 1) -> Response:
    """Everybody behind the figure whom the reader may see, with the reason; the audit says that it was read."""
    document = indicator.people_of(door.records, indicator.Wanted(fy_be=year, code=code), reader_of(door))
    rows = document.people or ()
    units = {row.unit for row in rows}
    reasons = {row.reason: row.reason_word for row in rows}
    found = [row for row in rows if unit in {"", row.unit} and reason in {"", row.reason}]
    first = (max(1, min(page, -(-len(found) // PAGE) or 1)) - 1) * PAGE
    return door.page(
        "kpi/people.html",
        document=document,
        rows=found[first : first + PAGE],
        first=first + 1,
        last=min(first + PAGE, len(found)),
        total=len(found),
        page=first // PAGE + 1,
        hidden=len(document.snapshot.members) - len(rows),
        units=sorted(units),
        reasons=reasons,
        unit=unit,
        reason=reason,
        year=year,
        code=code,
        base=f"/kpi/{year}/{code}",
    )


@router.get("/{year:int}/{code}/difference")
def difference(door: Read, year: int, code: str, old: str = "", new: str = "") -> Response:
    """Who entered or left A or B between two stored snapshots; people are listed only for whoever may see them."""
    may = door.allows("kpi.people")
    with door.records.reading() as session:
        found = indicator.difference(session, old, new)
        kept = indicator.kept_reports(session, year, code)
    named = _moved(door, new) if may else {}
    return door.page(
        "kpi/difference.html",
        found=found,
        kept=kept,
        old=old,
        new=new,
        changes=[(one, named[one.key]) for one in found.changes if one.key in named],
        may_people=may,
        year=year,
        code=code,
        base=f"/kpi/{year}/{code}",
    )


@router.post("/{year:int}/{code}/export")
def export(
    door: Export,
    year: int,
    code: str,
    format: Annotated[str, Form()] = "",  # noqa: A002 - a field's name
) -> Response:
    """A file of what the page shows now; the audit says that it was taken away."""
    return file_of(door, indicator.Wanted(fy_be=year, code=code), format)


@router.post("/{year:int}/{code}/freeze")
def freeze(
    door: Freeze, year: int, code: str, replaces: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = ""
) -> Response:
    """Keep the figure of a round as it is now, for ever."""
    try:
        made = indicator.freeze(door.records, year, code, by=door.by, replaces=replaces, reason=reason)
    except UsageProblem as problem:
        return figure_page(door, year, code, problem=problem, typed={"replaces": replaces, "reason": reason})
    return door.visit.say(RedirectResponse(f"/kpi/snapshots/{made.sha256}", 303), "said.frozen")


# -- shared with the pages of snapshots -------------------------------------------------------------------------------


def reader_of(door: Door, *, names: bool = True) -> indicator.Reader:
    """Who reads: a coordinator sees the people of the rounds that are theirs, everybody else sees numbers."""
    me = door.visit.me
    assert me is not None
    mine = {round_id for role, round_id in me.roles if role == "coordinator"} if names else set[str | None]()
    rounds = None if None in mine else frozenset(one for one in mine if one is not None)
    return indicator.Reader(by=door.by, lang=door.visit.lang, rounds=rounds)


def file_of(door: Door, wanted: indicator.Wanted, form: str) -> Response:
    """A report as a file."""
    made = indicator.export(door.records, wanted, reader_of(door, names=door.allows("kpi.people")), form)
    return attachment(made.content, made.name, made.media_type)


def version_in(seen: str) -> int | None:
    """The version that a form was made from; a form without one, or with something else, is of none."""
    return int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 10 else None  # noqa: PLR2004 - digits


# -- inside -----------------------------------------------------------------------------------------------------------


def figure_page(
    door: Door, year: int, code: str, *, sort: str = "", problem: Any = None, typed: Any = None
) -> Response:
    """The page of a round."""
    seen = indicator.overview(door.records, year, code)
    rules = seen.settings.rules
    chosen = sort if sort.removeprefix("-") in indicator.SORTS else "name"
    return door.page(
        "kpi/round.html",
        status=200 if problem is None else 422,
        seen=seen,
        units=indicator.in_order(seen.units, chosen),
        sort=chosen,
        lines=[(setting_line(key, rules, door.visit.lang), seen.settings.setting(key)) for key in KEYS],
        year=year,
        code=code,
        base=f"/kpi/{year}/{code}",
        formats=indicator.FORMATS,
        may_change=door.allows("kpi.change"),
        may_people=door.allows("kpi.people"),
        problem=problem,
        typed=typed or {},
    )


def setting_page(door: Door, key: str, *, problem: Any = None, typed: Any = None) -> Response:
    """The page of a setting."""
    with door.records.reading() as session:
        now = settings_of(session)
        log = indicator.changes_of(session, _key(key))
    found = now.setting(key)
    return door.page(
        "kpi/setting.html",
        status=200 if problem is None else 422,
        line=setting_line(key, now.rules, door.visit.lang),
        setting=found,
        raw=_raw(found.value),
        log=[(one, _raw(one.value)) for one in log],
        version=now.version,
        may_change=door.allows("kpi.change"),
        may_confirm=door.allows("kpi.confirm"),
        problem=problem,
        typed=typed or {},
    )


def _key(key: str) -> str:
    if key not in KEYS:
        raise HTTPException(404)
    return key


def _raw(value: Any) -> str:
    """A value as it is typed: text as it stands, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: str) -> Any:
    """JSON where it is JSON, but numbers with decimals stay text: 80.5 has no exact binary form."""
    try:
        return json.loads(value, parse_float=str)
    except ValueError:
        return value.strip()


def _year(door: Door, year: int | None) -> Response:
    with door.records.reading() as session:
        moment = door.records.database.now(session)
        try:
            found = indicator.current_round(session, moment, year)
        except UsageProblem as problem:
            if problem.code != "indicator.round_missing":
                raise
            years = indicator.years_of(session, moment)
        else:
            return RedirectResponse(f"/kpi/{found.fy_be}/{found.code}", status_code=303)
    chosen = year if year is not None else fiscal_year_at(moment)
    return door.page("kpi/no_rounds.html", year=chosen, years=years, may_change=door.allows("kpi.change"))


def _moved(door: Door, sha256: str) -> dict[str, Any]:
    """The rows of people of a snapshot whom the reader may see, by key."""
    document = indicator.people_of(door.records, indicator.Wanted(sha256=sha256), reader_of(door))
    return {row.key: row for row in document.people or ()}
