"""The audit chain: a change without an entry is refused, and one changed byte is found and named."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text

from grader.records import AuditEntry, Break, Checkpoint, Records, TrainingRound, Unaudited, audit, new_id

ENTRIES = 250


def fill(records: Records, count: int = ENTRIES) -> None:
    """A chain with entries of several transactions."""
    with records.change(by="สมชาย", request="r1") as change:
        for number in range(count):
            change.audit("test.done", f"x_{number}", before={"ก": number}, after=[None, 1.5, "\u0000"])


def found(records: Records, off_host: list[tuple[int, str, str]] | None = None) -> Break | None:
    """Where the chain breaks."""
    with records.reading() as session:
        return audit.find_break(session, records.keys, off_host or ())


def unprotected(records: Records, statement: str, **values: object) -> None:
    """Do what only somebody could who removed the triggers first."""
    with records.database.writing() as session:
        if records.database.dialect == "sqlite":
            for name in ("audit_no_update", "audit_no_delete", "audit_checkpoint_no_delete"):
                session.execute(text(f"DROP TRIGGER IF EXISTS {name}"))
        else:
            session.execute(text("DROP TRIGGER IF EXISTS audit_append_only ON audit"))
            session.execute(text("DROP TRIGGER IF EXISTS audit_checkpoint_append_only ON audit_checkpoint"))
        session.execute(text(statement), values)


def test_a_whole_chain_holds(records: Records) -> None:
    """An untouched chain has no break, whatever its entries hold."""
    fill(records)
    assert found(records) is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("by", "x"),
        ("action", "test.undone"),
        ("object", "y"),
        ("request", "r2"),
        ("before", '{"ก": -1}'),
        ("after", "[]"),
        ("hash", "0" * 64),
        ("at", "2026-01-01 00:00:00.000000"),
    ],
)
def test_one_changed_value_is_named(records: Records, column: str, value: str) -> None:
    """Every column of an entry is covered: the walk names the entry that was changed."""
    fill(records)
    victim = random.Random(column).randrange(1, ENTRIES)
    unprotected(records, f'UPDATE audit SET "{column}" = :value WHERE number = :number', value=value, number=victim)
    broken = found(records)
    assert broken is not None
    assert broken == Break(number=victim, problem="entry_changed")


def test_a_removed_entry_is_named(records: Records) -> None:
    """A gap in the numbers is a break."""
    fill(records)
    unprotected(records, "DELETE FROM audit WHERE number = 77")
    assert found(records) == Break(number=77, problem="entry_missing")


def test_a_cut_off_end_is_shown_by_the_copied_checkpoint(records: Records) -> None:
    """Somebody who cuts the end and mends head and checkpoints is found out by the copy on another machine."""
    fill(records)
    records.checkpoint()
    copied = list(audit.read_checkpoints(records.folder / "audit-checkpoints.txt"))
    assert copied[-1][0] == ENTRIES
    unprotected(records, "DELETE FROM audit WHERE number > 100")
    assert found(records) == Break(number=101, problem="end_cut_off")
    with records.database.writing() as session:
        head = session.get_one(audit.AuditHead, 1)
        head.number, head.hash = 100, session.get_one(AuditEntry, 100).hash
        session.execute(text("DELETE FROM audit_checkpoint WHERE number > 100"))
    assert found(records) is None, "without a copy nobody can know"
    assert found(records, copied) == Break(number=101, problem="end_cut_off")


def test_checkpoints_come_by_themselves_and_their_signature_counts(records: Records) -> None:
    """After a hundred entries one is signed; with another signature it does not hold."""
    for _ in range(3):
        fill(records, 60)
    with records.reading() as session:
        assert [mark.number for mark in session.scalars(select(Checkpoint))] == [120]
        mark = session.get_one(Checkpoint, 120)
    forged = [(120, mark.hash, records.keys.sign(b"something else"))]
    assert found(records, forged) == Break(number=120, problem="checkpoint_wrong")


def test_a_change_without_an_entry_is_refused(records: Records) -> None:
    """The transaction is taken back: there is no state that nobody answers for."""

    def unsaid() -> None:
        with records.change(by="somebody") as change:
            change.session.add(
                TrainingRound(id=new_id("rnd"), code="r", name="r", sessions=0, created_at=datetime.now(UTC))
            )

    with pytest.raises(Unaudited):
        unsaid()
    with records.reading() as session:
        assert session.scalars(select(TrainingRound)).all() == []


def test_an_audit_that_cannot_be_written_stops_the_change(records: Records) -> None:
    """The change and its entry are one transaction."""
    with records.database.writing() as session:
        session.execute(text("UPDATE audit_head SET number = -1"))
        session.execute(text("ALTER TABLE audit RENAME TO audit_away"))

    def changed() -> None:
        with records.change(by="somebody") as change:
            change.session.add(
                TrainingRound(id=new_id("rnd"), code="r", name="r", sessions=0, created_at=datetime.now(UTC))
            )
            change.audit("round.created", "r")

    with pytest.raises(Exception, match="records"):
        changed()
    with records.reading() as session:
        assert session.scalars(select(TrainingRound)).all() == []


def test_order_is_the_order_of_commit(records: Records, in_parallel: Callable[..., list[object]]) -> None:
    """Many writers at once give one unbroken chain."""

    def write(number: int) -> None:
        with records.change(by=f"w{number}") as change:
            change.audit("test.done", f"x_{number}")

    in_parallel(write, range(40), threads=8)
    assert found(records) is None
    with records.reading() as session:
        assert len(session.scalars(select(AuditEntry)).all()) == 40


def test_a_clock_that_goes_back_breaks_nothing(address: str, tmp_path: Path) -> None:
    """Time is only told; the order is the number."""
    from grader.records import create_records  # noqa: PLC0415

    moments = iter([datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (12, 11, 13, 2)])
    records = create_records(tmp_path / "data", address, clock=lambda: next(moments))
    for number in range(4):
        with records.change(by="x") as change:
            change.audit("test.done", f"x_{number}")
    with records.reading() as session:
        assert [entry.object for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))] == [
            "x_0",
            "x_1",
            "x_2",
            "x_3",
        ]
    assert found(records) is None
    records.close()
