"""Each person of a snapshot in words: what happened, what the work showed, in or out of A and B, and why."""

from grader.evidence import Frozen
from grader.kpi import Member, Reason, Result, Snapshot, Status
from grader.reports.catalogue import Lang, explain
from grader.reports.kpi.particulars import Particulars
from grader.reports.plain import clean_line
from grader.reports.sorting import thai_key


class PersonRow(Frozen):
    """One person, or one seat where seats are counted. Codes stand beside their words.

    ``name`` is empty for a reader who may not see names, and for somebody whose name was forgotten; ``key`` then
    stands for the person. ``seats`` is how many seats of the person are in B: above 1 is อบรมซ้ำ.
    """

    key: str
    name: str
    unit: str
    status: Status
    status_word: str
    result: Result | None
    result_word: str
    reason: Reason
    reason_word: str
    why: str
    in_b: bool
    in_a: bool
    seats: int

    @property
    def shown(self) -> str:
        """The name, or the key where there is none."""
        return self.name or self.key


def explain_rows(snapshot: Snapshot, particulars: Particulars, lang: Lang) -> tuple[PersonRow, ...]:
    """Everybody on the roster of a snapshot, by unit and name in the order of a dictionary.

    These rows tell about single people, with or without names: who may see them is decided by the caller.
    """
    rows = [_row(member, particulars, lang) for member in snapshot.members]
    return tuple(sorted(rows, key=lambda row: (thai_key(row.unit), thai_key(row.shown), row.key)))


def _row(member: Member, particulars: Particulars, lang: Lang) -> PersonRow:
    reason = explain(f"membership.{member.reason}", {}, lang)
    return PersonRow(
        key=member.key,
        name=clean_line((particulars.names or {}).get(member.key, "")),
        unit=clean_line(particulars.units.get(member.unit, member.unit)),
        status=member.status,
        status_word=explain(f"membership.{member.status}", {}, lang).title,
        result=member.result,
        result_word=explain(f"membership.{member.result}", {}, lang).title if member.result else "–",
        reason=member.reason,
        reason_word=reason.title,
        why=reason.sentence,
        in_b=member.in_b,
        in_a=member.in_a,
        seats=member.seats,
    )
