"""A person is forgotten: name, address and code go, and with them the work that was handed in; what was decided stays.

The chain of the audit names people by id, so it holds afterwards as before. Names that people typed into texts are
looked for everywhere: where a text may be changed the name is taken out of it; where the records may only grow, the
place is reported, because nothing there is ever changed.
"""

import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, and_, select, update
from sqlalchemy.orm import Session

from grader.records import (
    APPEND_ONLY,
    Appeal,
    Base,
    Change,
    Fetch,
    Job,
    Keys,
    Person,
    Records,
    RecordsUnavailable,
    Seat,
    Submission,
    Unaudited,
)
from grader.records.database import translated
from grader.records.fetches import UNDER_WAY
from grader.records.work import LIVE
from grader.services.accounts import people as people_of_accounts
from grader.services.keeping import columns_of
from grader.services.receiving import Receipt
from grader.services.regrading import STUCK

GONE: Final = "[…]"
"""What stands where a name stood in a text; shorter than any name that is looked for, so that no text grows."""
LEAST_LETTERS: Final = 4
"""A shorter single word is no name to look for in other people's texts: it would be found in the middle of words."""
OWN: Final = frozenset({"person", "submission", "seat", "appeal", "fetch"}) | people_of_accounts.OWN_TABLES
"""Tables with rows that are a person's own."""
OUTLIVING: Final = frozenset({"certificate"})
"""Tables that keep a name when its person is forgotten: a certificate is forgotten only when its holder asks for it."""
_TITLES: Final = re.compile(r"^(?:นางสาว|นาย|นาง|น\.ส\.|ดร\.|mr\.?|mrs\.?|ms\.?|dr\.?)\s*", re.IGNORECASE)
_GAP: Final = r"[\s._\-]*"
_BATCH: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """What was forgotten, or would be. ``people`` are ids, ``submissions`` those whose code went with them.

    ``left`` are ``table key column`` of texts that hold a name and can never be changed; ``tables`` were changed.
    """

    people: tuple[str, ...] = ()
    submissions: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    tables: frozenset[str] = frozenset()


def erase(records: Records, people: Sequence[Person], *, by: str, because: str, dry_run: bool) -> Erased:
    """Forget these people; the caller has made sure that no work of theirs waits. ``because`` stands in the audit.

    The files of their work are only marked: whoever calls this removes what nothing needs any more.
    """
    if not people:
        return Erased()
    names = name_pattern(people)
    with records.reading() as session:
        places = list(_places(session, names))
        work = session.scalars(_work_of(person.id for person in people).where(Submission.purged_at.is_(None))).all()
    fixed = [one for one in places if one.table.name in APPEND_ONLY]
    loose = [one for one in places if one.table.name not in APPEND_ONLY]
    if not dry_run:
        for person in people:
            with records.change(by=by) as change:
                _forget(change, records.keys, person.id, because)
        _take_out(records, loose, names, by)
    return Erased(
        people=tuple(person.id for person in people),
        submissions=tuple(one.id for one in work),
        left=tuple(one.shown for one in fixed),
        tables=OWN | {one.table.name for one in loose},
    )


def busy(session: Session, person: str) -> bool:
    """Whether somebody still has to grade or to decide something of this person."""
    mine = select(Submission.id).join(Seat).where(Seat.person_id == person)
    waiting = select(Job.id).where(Job.submission_id.in_(mine), Job.state.in_((*LIVE, STUCK)))
    asked = select(Appeal.id).where(Appeal.submission_id.in_(mine), Appeal.state == "open")
    coming = select(Fetch.id).join(Seat).where(Seat.person_id == person, Fetch.state.in_(UNDER_WAY))
    return any(session.scalar(some.limit(1)) is not None for some in (waiting, asked, coming))


def _work_of(people: Iterable[str]) -> Any:
    return select(Submission).join(Seat).where(Seat.person_id.in_(list(people))).order_by(Submission.id)


def _forget(change: Change, keys: Keys, person_id: str, because: str) -> None:
    """The rows that are the person's own."""
    session = change.session
    person = session.get_one(Person, person_id, with_for_update=True)
    own = _own_words(person)
    work = session.scalars(_work_of([person_id])).all()
    for one in work:
        if own is not None and own.search(one.filename):
            one.filename = GONE
            one.receipt = _signed_again(one.receipt | {"filename": GONE}, keys)
        one.purged_at = one.purged_at or change.at
    session.execute(update(Seat).where(Seat.person_id == person_id).values(note=""))
    seats = select(Seat.id).where(Seat.person_id == person_id)
    session.execute(update(Fetch).where(Fetch.seat_id.in_(seats)).values(git_url="", git_ref="", params={}))
    session.execute(update(Appeal).where(Appeal.submission_id.in_([one.id for one in work])).values(text=GONE))
    person.name, person.email, person.erased_at = "", "", change.at
    person.code = f"erased-{secrets.token_hex(8)}"  # nothing leads back from it, and no two are the same
    session.flush()
    people_of_accounts.forget(change, person)
    change.audit("person.erased", person_id, after={"because": because, "submissions": [one.id for one in work]})


def _signed_again(receipt: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
    """A receipt without the file name; the one that the person holds stays genuine, too."""
    changed = Receipt.model_validate(receipt)
    signed = changed.model_copy(update={"key": keys.id})
    return signed.model_copy(update={"signature": keys.sign(signed.signed())}).model_dump(mode="json")


# -- names in texts ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    table: Table
    key: tuple[Any, ...]
    columns: tuple[str, ...]

    @property
    def shown(self) -> str:
        return f"{self.table.name} {'/'.join(map(str, self.key))} {','.join(self.columns)}"


def name_pattern(people: Sequence[Person]) -> re.Pattern[str]:
    """Finds names, with any gap between their words and without a title, and addresses."""
    found = set[str]()
    for person in people:
        words = _TITLES.sub("", person.name.strip()).split()
        if len(words) > 1 or (words and len(words[0]) >= LEAST_LETTERS):
            found.add(_GAP.join(map(re.escape, words)))
        if person.email.strip():
            found.add(re.escape(person.email.strip()))
    return re.compile("|".join(sorted(found, key=len, reverse=True)) or r"(?!)", re.IGNORECASE)


def _own_words(person: Person) -> re.Pattern[str] | None:
    """Finds any word of the name or of the address: in what is the person's own, a part of a name is the name."""
    words = [*_TITLES.sub("", person.name.strip()).split(), *re.split(r"[._\-+]", person.email.partition("@")[0])]
    wanted = [re.escape(word) for word in words if len(word) >= LEAST_LETTERS - 1]
    return re.compile("|".join(wanted), re.IGNORECASE) if wanted else None


def _places(session: Session, names: re.Pattern[str]) -> Iterator[_Place]:
    """Every row of every table that holds a name, one table after the other, a few rows at a time."""
    for table in Base.metadata.sorted_tables:
        if table.name in OUTLIVING:
            continue
        keys = [column.name for column in table.primary_key.columns]
        texts = [name for name, kind in columns_of(table).items() if kind in {"text", "json"} and name not in keys]
        wanted = [table.c[name] for name in (*keys, *texts)]
        result = session.execute(select(*wanted).execution_options(yield_per=_BATCH))
        try:
            for row in result.mappings():
                hit = tuple(name for name in texts if _cleaned(row[name], names) != row[name])
                if hit:
                    yield _Place(table=table, key=tuple(row[name] for name in keys), columns=hit)
        finally:
            result.close()


def _take_out(records: Records, places: Sequence[_Place], names: re.Pattern[str], by: str) -> None:
    """Take the names out of these rows, as they are now."""
    with suppress(Unaudited), records.change(by=by) as change:
        cleaned = Counter(one.table.name for one in places if _clean_row(change.session, records.keys, one, names))
        if cleaned:
            change.audit("names.removed", "records", after=dict(cleaned))


def _clean_row(session: Session, keys: Keys, place: _Place, names: re.Pattern[str]) -> bool:
    table = place.table
    mine = and_(*(column == value for column, value in zip(table.primary_key.columns, place.key, strict=True)))
    row = session.execute(select(table).where(mine).with_for_update()).mappings().one_or_none()
    if row is None:
        return False
    changed = {name: _cleaned(row[name], names) for name in place.columns}
    changed = {name: value for name, value in changed.items() if value != row[name]}
    if table.name == Submission.__tablename__ and "receipt" in changed:
        changed["receipt"] = _signed_again(changed["receipt"], keys)
    if changed:
        session.execute(update(table).where(mine).values(changed))
    return bool(changed)


def _cleaned(value: Any, names: re.Pattern[str]) -> Any:
    """A value without the names, however deep they stand in it."""
    if isinstance(value, str):
        return names.sub(GONE, value)
    if isinstance(value, list):
        return [_cleaned(one, names) for one in value]
    if isinstance(value, dict):
        return {_cleaned(key, names): _cleaned(one, names) for key, one in value.items()}
    return value


# -- what the engine still holds --------------------------------------------------------------------------------------


def overwrite(records: Records, tables: Iterable[str]) -> None:
    """Let the engine write what is left anew: a row that was changed otherwise stays readable in its files for a while.

    May be repeated. SQLite writes everything, PostgreSQL the named tables, which nobody can use meanwhile; its own log
    and the backups that were made earlier are not reached.

    Raises:
        RecordsUnavailable: ``records.busy``: somebody read for too long; what was forgotten is forgotten.
    """
    engine = records.database.engine
    if records.database.dialect == "postgresql":
        with translated(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            for name in sorted(tables):
                connection.exec_driver_sql(f'VACUUM FULL "{name}"')
            connection.exec_driver_sql("RESET statement_timeout")
        return
    raw = engine.raw_connection()  # a session would begin a transaction, in which this is not possible
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((blocked, *_),) = cursor.fetchall()
        cursor.close()
    except sqlite3.Error as problem:
        raise RecordsUnavailable("records.busy", problem=str(problem)) from problem
    finally:
        raw.close()
    if blocked:
        raise RecordsUnavailable("records.busy", problem="wal_checkpoint")
