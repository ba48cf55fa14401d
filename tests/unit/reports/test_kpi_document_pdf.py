"""The printed report: pages, fonts, a text that can be copied, the same bytes for the same document."""

import hashlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pypdf import PdfReader

from grader.errors import EnvironmentProblem
from grader.reports import LANGS, Lang
from grader.reports.kpi import KpiDocument, Narrative, Particulars, to_pdf
from grader.reports.kpi.pdf import ROWS, to_html
from grader.reports.printing import PANGO_PACKAGES, engine, only_drawable
from grader.reports.printing.fonts import SHA256, compared, font
from grader.reports.printing.text_layer import fold
from tests.fixtures.kpi_documents import OVERRIDE, document, named, normal, particulars, people, snapshot

ROOT = Path(__file__).parents[3]

PARAGRAPHS = (
    "ที่นี้น้ำกำป้าฟ้าปี่ฝึกปั่นญูฐูฎุกู้",
    "นางสาวกัญญารัตน์ น้ำเพชร พัฒนาหน่วยงานจำลองตามคำแนะนำ",
    "จำนวนผู้เข้ารับการอบรมทั้งหมด 31 คน ผ่านเกณฑ์ 22 คน คิดเป็นร้อยละ 70.97",
    "สำนักส่งเสริมสุขภาพ กำหนดส่งรายงานภายในวันที่ 10 มีนาคม 2570 เวลา 16:30 น.",
    "ข้อมูลทั้งหมดเป็นข้อมูลสังเคราะห์เพื่อการฝึกอบรม จังหวัดสาธิต (97)",
    "ค่ำนี้ช้ำใจ คำถามซ้ำซ้อน น้ำท่วมถ้ำ ล้ำค่าย้ำเตือน",
    "ผู้เรียนต้องแก้ไข API ให้ตอบ 404 Not Found เมื่อไม่พบข้อมูล",
    "ฐานข้อมูลของหน่วยงานระดับสูง เชื่อมโยงกันด้วยกุญแจเชื่อม",
    "การตัดยอดข้อมูลทำเมื่อสิ้นรอบ ไม่ใช่เมื่อส่งรายงาน",
    "ปัญญาประดิษฐ์ ทฤษฎีบท กฎหมาย วุฒิภาวะ ณัฐวุฒิ ฤทธิ์ ฦๅชา",
    "ก็ เก็บ เป็น เห็น เล็ก เด็ก เร็ว เพ็ญ เพชร",
    "ทรัพยากรบุคคล สัปดาห์ ศุกร์ จันทร์ พิสูจน์ อนุรักษ์",
    "ปู่ย่าตายาย ลุงป้าน้าอา พี่น้อง ผู้ใหญ่ ผู้ช่วย",
    "“คำพูดในเครื่องหมายคำพูด” – ขีดกลาง — ขีดยาว … จุดไข่ปลา",
    "Mixed line: โครงการ Data Scientist รุ่นที่ 2/2570 (A/B) × 100 = ร้อยละ",
)
WORDS = (
    "การ|พัฒนา|ศักยภาพ|บุคลากร|ของ|หน่วย|งาน|ใน|จังหวัด|สาธิต|มี|วัตถุ|ประสงค์|เพื่อ|ให้|ผู้|เข้า|รับ|การ|อบรม|สามารถ|"
    "เชื่อม|โยง|ฐาน|ข้อมูล|ระหว่าง|หน่วย|งาน|ได้|อย่าง|ถูก|ต้อง|และ|ปลอด|ภัย|โดย|คำนึง|ถึง|ข้อมูล|ส่วน|บุคคล|ของ|ประชาชน|"
    "ผู้|เข้า|รับ|การ|อบรม|ทุก|คน|ต้อง|ส่ง|ผล|งาน|ผ่าน|ระบบ|ตรวจ|สอบ|อัตโนมัติ|และ|แก้|ไข|ตาม|คำ|แนะ|นำ|จน|ผ่าน|เกณฑ์|ที่|"
    "กำหนด|ภาย|ใน|ระยะ|เวลา|ของ|รอบ|การ|รายงาน"
)
"""One paragraph without a blank, and where its words meet."""


def read(content: bytes) -> PdfReader:
    """A PDF as a program of somebody else reads it."""
    return PdfReader(io.BytesIO(content))


def text_of(content: bytes) -> str:
    """All that can be copied out of a PDF, folded."""
    return fold("".join(page.extract_text() for page in read(content).pages))


def full(lang: Lang = "th") -> KpiDocument:
    """A round with an override and names."""
    return normal(lang, overrides=(OVERRIDE,), names=named(normal().snapshot))


def many(units: int, lang: Lang = "th") -> KpiDocument:
    """A round with so many units of five people each."""
    of = snapshot(people(4 * units, 5 * units, max(units, 1)))
    return document(of, lang, units={f"u{one}": f"หน่วยทดสอบที่ {one} จังหวัดสาธิต" for one in range(1, units + 1)})


@pytest.fixture(scope="module")
def printed() -> dict[Lang, bytes]:
    """The usual round in both languages, printed once."""
    return {lang: to_pdf(normal(lang)) for lang in LANGS}


def fonts_in(content: bytes) -> Iterator[Any]:
    """Every font of a PDF."""
    for page in read(content).pages:
        resources: Any = page["/Resources"]
        for one in resources["/Font"].values():
            yield one.get_object()


# -- the text ---------------------------------------------------------------------------------------------------------


def test_every_paragraph_can_be_copied_as_it_was_written() -> None:
    """Fifteen of fifteen, with every mark and digit; without the repair most of them are wrong."""
    of = normal(narrative=Narrative(results="\n".join(PARAGRAPHS)))
    got = text_of(to_pdf(of))
    assert [words for words in PARAGRAPHS if fold(words) not in got] == []
    raw = engine.engine().HTML(string=to_html(of), base_url="report:", url_fetcher=engine.fetch)
    unrepaired = text_of(raw.write_pdf(pdf_variant="pdf/ua-1"))
    assert sum(fold(words) in unrepaired for words in PARAGRAPHS) < 10


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_says_all_that_the_document_says(printed: dict[Lang, bytes], lang: Lang) -> None:
    """Every label and value of every part, every unit, and nothing drawn as a stray mark."""
    of, got = normal(lang), text_of(printed[lang])
    lines = (*of.fields, *of.beside, *of.counts, *of.unconfirmed, *of.definition, *of.source[1:])
    wanted = [part for line in lines if line.value is not None for part in (line.label, *line.text.split("\n"))]
    wanted += [of.title, of.headline.percent, of.headline.judgement, of.headline.needed, *of.notices]
    wanted += [part for row in (*of.units, of.total) for part in (row.name, f"{row.a_text} {row.b_text}")]
    assert [words for words in wanted if fold(words) not in got] == []
    assert not {"\u25cc", "\ufffd"} & set(got)


def test_the_fields_of_the_page_are_those_of_the_document() -> None:
    """The rows of the page name every field that a report can have, once and in its order."""
    levels = {"kpi.scoring": "five_level_linear", "kpi.level_thresholds": ["60", "65", "70", "75", "80"]}
    of = document(snapshot(people(1, 2), levels | {"kpi.weight": "20"}))
    assert [key for row in ROWS for key in row] == [line.key for line in of.fields]


def test_an_override_is_on_the_page() -> None:
    """Who, when, about what, from what to what, and why."""
    got, row = text_of(to_pdf(full())), full().overrides[0]
    assert [one for one in (row.at_text, row.by, row.about, row.change, row.reason) if fold(one) not in got] == []


def test_thai_lines_break_between_words() -> None:
    """The breaker knows Thai: with a Pango without it, lines would end inside words."""
    paragraph = WORDS.replace("|", "")
    content = to_pdf(normal(narrative=Narrative(results=4 * paragraph)))
    lines = [fold(line) for line in read(content).pages[0].extract_text().splitlines()]
    first = next(place for place, line in enumerate(lines) if paragraph[:20] in line)
    lines[first] = lines[first][lines[first].index(paragraph[:20]) :]
    edges = set(accumulate(len(word) for word in 4 * WORDS.split("|")))
    ends = [end for end in accumulate(len(line) for line in lines[first:]) if end <= 4 * len(paragraph)]
    assert len(ends) > 10
    assert ends[-1] == 4 * len(paragraph)
    assert [end for end in ends if end not in edges] == []


# -- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_a_usual_round_is_one_page(printed: dict[Lang, bytes], lang: Lang) -> None:
    """Four units, texts, every setting unconfirmed but one; the foot says which page of how many."""
    assert len(read(printed[lang]).pages) == 1
    assert ("หน้า1จาก1" if lang == "th" else "Page1of1") in text_of(printed[lang])


def test_an_empty_round_is_one_page() -> None:
    """Without anybody the page says that there are no data."""
    content = to_pdf(document(snapshot([])))
    assert len(read(content).pages) == 1
    assert fold("ไม่มีข้อมูล (N/A)") in text_of(content)
    assert fold("ยังไม่มีหน่วยงานในรายชื่อ") in text_of(content)


def test_many_units_go_on_with_their_heading() -> None:
    """Each page of the table has its titles again, and the foot counts the pages."""
    pages = [fold(page.extract_text()) for page in read(to_pdf(many(60))).pages]
    assert len(pages) == 3
    assert [("หน่วยงานตัวตั้ง(A)ตัวหาร(B)ร้อยละ" in page) for page in pages[:2]] == [True, True]
    assert [f"หน้า{number}จาก3" in page for number, page in enumerate(pages, start=1)] == [True] * 3


# -- what kind of file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_the_file_is_tagged_and_says_what_it_is(printed: dict[Lang, bytes], lang: Lang) -> None:
    """PDF/UA-1 with title and language; its only moment is that of the data."""
    reader = read(printed[lang])
    root: Any = reader.trailer["/Root"]
    assert (root["/Lang"], root["/MarkInfo"]["/Marked"]) == (lang, True)
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712 - a PDF boolean is no Python one
    assert reader.metadata is not None
    assert reader.metadata.title == normal(lang).title
    assert reader.metadata.creation_date == normal().as_of
    assert 'pdfuaid:part="1"' in root["/Metadata"].get_object().get_data().decode()


def test_only_our_fonts_are_in_the_file() -> None:
    """Letters that they cannot draw are shown by their numbers, so that no font of the machine is asked."""
    content = to_pdf(normal(prepared_by="中 นาย 😀"))
    assert {str(one["/BaseFont"]).partition("+")[2] for one in fonts_in(content)} <= {
        "Report-Sarabun",
        "Report-Sarabun-Bold",
    }
    assert "[U+4E2D]นาย[U+1F600]" in text_of(content)
    assert only_drawable("น้ำ é\n") == "น้ำ é\n"


def test_what_people_wrote_is_never_markup() -> None:
    """A tag is shown as it was typed, and nothing is fetched for it."""
    typed = '<img src="http://example.invalid/x.png"> <b>&amp;'
    assert fold(typed) in text_of(to_pdf(normal(narrative=Narrative(results=typed))))


def test_nothing_but_our_fonts_is_ever_fetched() -> None:
    """Any other address ends the printing at once."""
    from weasyprint.urls import FatalURLFetchingError  # noqa: PLC0415 - as the module itself does

    assert engine.fetch("report:Sarabun-Bold.ttf").read() == font("Sarabun-Bold.ttf")
    for url in ("https://example.invalid/a.ttf", "file:///etc/passwd", "report:../x", "report:"):
        with pytest.raises(FatalURLFetchingError):
            engine.fetch(url)


@pytest.mark.parametrize("lang", LANGS)
def test_the_same_document_gives_the_same_bytes(printed: dict[Lang, bytes], lang: Lang) -> None:
    """At another time, in another process with other seeds and another zone."""
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC)):
        assert to_pdf(normal(lang)) == printed[lang]
    source = (
        "import hashlib; from grader.reports.kpi import to_pdf; from tests.fixtures.kpi_documents import normal; "
        f"print(hashlib.sha256(to_pdf(normal({lang!r}))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "America/New_York", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == hashlib.sha256(printed[lang]).hexdigest()


# -- a machine that lacks something -----------------------------------------------------------------------------------


def test_an_unexpected_font_is_refused() -> None:
    """Another file under the right name says what to do; so does one that is not there."""
    assert {name: hashlib.sha256(font(name)).hexdigest() for name in SHA256} == dict(SHA256)
    with pytest.raises(EnvironmentProblem) as changed:
        compared("Sarabun-Regular.ttf", b"another")
    with pytest.raises(EnvironmentProblem) as missing:
        font("Sarabun-Nothing.ttf")
    assert (changed.value.code, missing.value.code) == ("environment.font_changed", "environment.font_missing")


def test_without_pango_the_packages_to_install_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine's own complaint is not printed; the problem names Debian's packages."""

    class NoPango:
        """Finds the layout engine as it is on a machine without its libraries."""

        def find_spec(self, name: str, *_: object) -> None:
            if name == "weasyprint":
                print("WeasyPrint could not import some external libraries.")  # noqa: T201 - as it does
                message = "cannot load library 'libpango-1.0-0'"
                raise OSError(message)

    for name in [one for one in sys.modules if one.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoPango(), *sys.meta_path])
    engine.engine.cache_clear()
    with pytest.raises(EnvironmentProblem) as problem:
        to_pdf(normal())
    assert problem.value.code == "environment.pango_missing"
    assert problem.value.params["packages"] == " ".join(PANGO_PACKAGES)
    assert capsys.readouterr().out == ""


def test_setting_up_installs_the_packages_that_the_problem_names() -> None:
    """The Makefile and the message name the same packages."""
    named_there = re.search(r"^PANGO := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert named_there is not None
    assert tuple(named_there[1].split()) == PANGO_PACKAGES


def test_particulars_without_anything_but_a_name_can_be_printed() -> None:
    """A new indicator has no definition yet, no units with names, no texts."""
    bare = Particulars(definition=particulars().definition.model_copy(update={"definition": "", "a": "", "b": ""}))
    of = normal(**{name: getattr(bare, name) for name in Particulars.model_fields})
    assert fold("ไม่ได้ระบุ") in text_of(to_pdf(of))
