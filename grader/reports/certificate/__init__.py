"""A certificate on paper: what it says, who signs it, and a code that leads to the page where it can be confirmed.

It is an official document, so it is in Thai and its numbers are Thai digits. The emblem is for the office to supply;
its place stays free.
"""

from datetime import UTC, date
from typing import Final

from grader.evidence import Frozen
from grader.kpi.fiscal import BE_OFFSET, Moment
from grader.reports import qr
from grader.reports.catalogue import label
from grader.reports.plain import clean_line
from grader.reports.printing import pdf_of, style_of, templates_of

_PACKAGE: Final = "grader.reports.certificate"
_DIGITS: Final = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_MONTHS: Final = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip


class Paper(Frozen):
    """What one certificate says. ``address`` is where it can be confirmed, ``made_at`` when it was issued."""

    kind: str
    name: str
    course: str
    round_name: str
    hours: int | None
    issued_on: date
    number: int
    year_be: int
    signer: str
    position: str
    address: str
    made_at: Moment


def to_pdf(paper: Paper) -> bytes:
    """The certificate as a PDF/UA-1 file.

    Raises:
        EnvironmentProblem: ``environment.pango_missing``, ``environment.font_missing`` or ``environment.font_changed``.
    """
    return pdf_of(to_html(paper))


def to_html(paper: Paper) -> str:
    """The page that is laid out."""

    def word(name: str, **values: object) -> str:
        return label(name, "th", **values)

    return (
        templates_of(_PACKAGE)
        .get_template("certificate.html.j2")
        .render(
            paper=paper,
            title=word(f"cert_kind_{paper.kind}"),
            # Each is one line of a page: what people typed may hold anything.
            name=clean_line(paper.name),
            course=thai_digits(clean_line(paper.course)),
            round_name=thai_digits(clean_line(paper.round_name)),
            hours=thai_digits(word("cert_hours", hours=paper.hours)) if paper.hours else "",
            given=given_on(paper.issued_on),
            number=thai_digits(word("cert_number", number=paper.number, year=paper.year_be)),
            signer=clean_line(paper.signer),
            position=clean_line(paper.position),
            code=qr.drawing(paper.address),
            moment=paper.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            word=word,
            style=style_of(_PACKAGE, "certificate.css"),
        )
    )


def given_on(day: date) -> str:
    """ให้ไว้ ณ วันที่ ๒๒ เดือน พฤศจิกายน พุทธศักราช ๒๕๖๙."""
    words = {"day": day.day, "month": _MONTHS[day.month - 1], "year": day.year + BE_OFFSET}
    return thai_digits(label("cert_given_on", "th", **words))


def thai_digits(text: str) -> str:
    """Text with Thai digits, as official letters have them."""
    return text.translate(_DIGITS)
