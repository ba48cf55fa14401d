"""The two papers of a person: the result sheet and the certificate, as a program of somebody else reads them."""

import io
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import segno
from PIL import Image
from pypdf import PdfReader

from grader.reports import LANGS, Lang
from grader.reports import certificate as papers
from grader.reports import sheet as sheets
from grader.reports.certificate import Paper, given_on, thai_digits
from grader.reports.printing.text_layer import fold
from grader.reports.sheet import Decision, Sheet
from grader.reports.summary import summarise
from tests.fixtures.portal import PACK, verdict_for

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)
PAPER = Paper(
    kind="certificate", name="นางสาวกัญญารัตน์ น้ำเพชร", course="พัฒนาศักยภาพนักวิทยาศาสตร์ข้อมูล (Data Scientist)",
    round_name="รุ่นที่ 3/2569", hours=30, issued_on=date(2026, 11, 22), number=12, year_be=2569,
    signer="นายสาธิต ตัวอย่าง", position="ผู้อำนวยการกองสาธิต",
    address="https://grader.example.go.th/verify/AAAAAAAAAAAAAAAAAAAAAA", made_at=AT,
)  # fmt: skip


def sheet(lang: Lang = "th", **values: Any) -> Sheet:
    """The sheet of a submission that failed the contract."""
    usual: dict[str, Any] = {
        "submission": "sub_5d0c12345678abcd", "name": "นางสาวกัญญารัตน์ น้ำเพชร", "unit": "ศูนย์อนามัยสาธิตที่ 1",
        "round_name": "รุ่นที่ 3/2569", "number": 2, "received_at": AT, "late": False, "file_sha256": "ab" * 32,
        "fingerprint": "cd" * 32, "key": "key_1", "report": summarise(verdict_for(PACK, failing=("C",)), PACK, lang),
    }  # fmt: skip
    return Sheet(**(usual | values))


def pages(content: bytes) -> list[str]:
    """What can be copied out of each page."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


@pytest.mark.parametrize("lang", LANGS)
def test_the_sheet_says_all_of_it(lang: Lang) -> None:
    """Person, exercise, attempt, points of each group, every check, facts and receipt; days of the Buddhist era."""
    of = sheet(lang)
    text = fold("".join(pages(sheets.to_pdf(of))))
    report = of.report
    wanted = [of.name, of.unit, of.submission, of.file_sha256, of.fingerprint, of.key, report.word, report.score]
    wanted += [report.exercise_title, "22 พ.ย. 2569" if lang == "th" else "22 Nov 2026"]
    wanted += [group.name for group in report.groups]
    wanted += [part for group in report.groups for one in group.checks for part in (one.id, one.title, one.word)]
    wanted += [value for _, value in report.facts]
    assert [words for words in wanted if fold(words) not in text] == []
    assert not {"\u25cc", "\ufffd"} & set(text)


def test_a_decision_stands_on_the_sheet_with_its_reason() -> None:
    """What was found stays visible beside what stands; a late one says that it was late."""
    decided = Decision(before="fail", after="pass", at=AT, by="instructor", reason="ตรวจด้วยตนเองแล้วถูกต้อง")
    text = fold("".join(pages(sheets.to_pdf(sheet(decisions=(decided,), late=True)))))
    for words in ("ผลที่ใช้: ผ่าน", "ไม่ผ่าน → ผ่าน", "ตรวจด้วยตนเองแล้วถูกต้อง", "ส่งหลังปิดรับ", "65 / 100"):
        assert fold(words) in text, words
    assert "ผลที่ใช้" not in "".join(pages(sheets.to_pdf(sheet())))


def test_the_same_sheet_gives_the_same_bytes() -> None:
    """The only moments in a file are those of the data, and its name tells nobody's."""
    assert sheets.to_pdf(sheet()) == sheets.to_pdf(sheet())
    assert sheets.file_name(sheet()) == "result_e1-2_sub_5d0c12345678abcd.pdf"


def test_what_people_typed_is_text() -> None:
    """No tag of a name or reason is taken for one, and a letter without a shape is shown by its number."""
    decided = Decision(before="fail", after="pass", at=AT, by="x", reason="<h1>中</h1>")
    html = sheets.to_html(sheet(name="<b>ก", decisions=(decided,)))
    assert "&lt;b&gt;ก" in html
    assert "&lt;h1&gt;[U+4E2D]&lt;/h1&gt;" in html


def test_the_certificate_says_all_of_it_on_one_page() -> None:
    """In Thai with Thai digits, also with the longest texts; the same values give the same bytes."""
    content = papers.to_pdf(PAPER)
    (text,) = pages(content)
    wanted = (PAPER.name, PAPER.course, PAPER.signer, PAPER.position, PAPER.address, "รุ่นที่ ๓/๒๕๖๙", "จำนวน ๓๐ ชั่วโมง",
              "เลขที่ ๑๒/๒๕๖๙", "ให้ไว้ ณ วันที่ ๒๒ เดือน พฤศจิกายน พุทธศักราช ๒๕๖๙", "ใบประกาศนียบัตร")  # fmt: skip
    assert [words for words in wanted if fold(words) not in fold(text)] == []
    assert content == papers.to_pdf(PAPER)
    long = "หลักสูตรการพัฒนาศักยภาพบุคลากรของหน่วยงาน" * 6
    most = PAPER.model_copy(update={"course": long[:255], "name": long[:120], "position": long[:120], "hours": None})
    assert len(pages(papers.to_pdf(most))) == 1


def test_the_code_on_the_certificate_is_its_address(tmp_path: Path) -> None:
    """Drawn on paper, each square is as the code of the address has it: any phone that reads one reads the other."""
    (tmp_path / "one.pdf").write_bytes(papers.to_pdf(PAPER))
    subprocess.run(["pdftoppm", "-r", "300", "-gray", "one.pdf", "page"], cwd=tmp_path, check=True)
    image = Image.open(next(tmp_path.glob("page*.pgm"))).point(lambda value: 255 if value > 127 else 0)
    matrix = [[bool(cell) for cell in row] for row in segno.make(PAPER.address, error="m", micro=False).matrix]
    left, top, size = corner(image, len(matrix))
    step = size / len(matrix)
    seen = [
        [image.getpixel((int(left + (x + 0.5) * step), int(top + (y + 0.5) * step))) == 0 for x in range(len(matrix))]
        for y in range(len(matrix))
    ]
    assert seen == matrix


def corner(image: Image.Image, modules: int) -> tuple[int, int, float]:
    """Left, top and size of the code: what is dark in the lower left part, inside the frame."""
    width, height = image.size
    part = (int(width * 0.06), int(height * 0.55), int(width * 0.2), int(height * 0.9))
    box = image.crop(part).point(lambda value: 255 - value).getbbox()
    assert box is not None
    assert abs((box[2] - box[0]) - (box[3] - box[1])) < modules / 4, "it is square"
    return part[0] + box[0], part[1] + box[1], float(box[2] - box[0])


def test_days_and_digits_of_an_official_letter() -> None:
    """Whole names of months, the Buddhist year, and no Arabic digit."""
    assert given_on(date(2027, 1, 1)) == "ให้ไว้ ณ วันที่ ๑ เดือน มกราคม พุทธศักราช ๒๕๗๐"
    assert thai_digits("0123456789") == "๐๑๒๓๔๕๖๗๘๙"
