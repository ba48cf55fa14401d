"""Everything that can be wrong with a roster file is said with a code of its own, in words, and harms nothing."""

import ast
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from grader.errors import InfrastructureFault, UsageProblem
from grader.packs.world import synthetic_cid
from grader.reports.catalogue import LANGS, Lang, catalogue, explain, placeholders
from grader.rosters import MAX_FILE_BYTES, MAX_ROWS, Issue, RosterRow, read_roster, workbook, write_xlsx
from grader.rosters.limits import HEADER_ROWS, MAX_COLUMNS, MAX_NOTE

ROOT = Path(__file__).parents[2]
WORDS = tomllib.loads((ROOT / "grader" / "reports" / "texts" / "roster.toml").read_text("utf-8"))
CID = synthetic_cid(3, 77)
HEAD = "รหัสบุคลากร,ชื่อ-สกุล,รหัสหน่วยงาน,หน่วยงาน"
PERSON = "A001,นายหนึ่ง ทดสอบ,U1,กองแผนงาน"


def csv_of(*lines: str) -> bytes:
    """Lines of a CSV file in UTF-8."""
    return "\r\n".join(lines).encode()


def sheets(*names: str, number: float | None = None, far: tuple[int, int] | None = None) -> bytes:
    """A workbook whose sheets hold the same person; with a number as code, or a stray cell (row, column from 0)."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name in names:
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, HEAD.split(","))
            sheet.write_row(1, 0, PERSON.split(","))
            if number is not None:
                sheet.write_number(1, 0, number)
            if far is not None:
                sheet.write_string(*far, "x")
    return out.getvalue()


def bomb(member: str, before: bytes, filler: bytes) -> bytes:
    """A small workbook, one member of which is filled up to 600 MB before the given bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sheets("a"))) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            head, mark, tail = old.read(name).partition(before if name == member else b"\0no such bytes")
            with new.open(name, "w", force_zip64=True) as out:
                out.write(head)
                if mark:
                    for _ in range(600):
                        out.write(filler * (1_000_000 // len(filler)))
                out.write(mark + tail)
    return made.getvalue()


def without_header() -> bytes:
    """A workbook whose only sheet with a header is hidden."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.add_worksheet("ปก").write_string(0, 0, "โครงการ")
        sheet = book.add_worksheet("ซ่อน")
        sheet.write_row(0, 0, HEAD.split(","))
        sheet.hide()
    return out.getvalue()


# -- files that cannot be read ----------------------------------------------------------------------------------------

REFUSED: dict[str, list[tuple[Callable[[], bytes], str]]] = {
    "empty": [(lambda: b"", "a.csv")],
    "too_large": [(lambda: b"a" * (MAX_FILE_BYTES + 1), "a.csv")],
    "file_kind": [(lambda: csv_of(HEAD, PERSON), "a.pdf"), (lambda: sheets("a"), "a.ods")],
    "old_workbook": [(lambda: bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 512, "a.xls")],
    "unreadable": [
        (lambda: csv_of(HEAD, PERSON), "a.xlsx"),
        (lambda: sheets("a")[:-200], "a.xlsx"),
        (lambda: b"PK\x03\x04" + b"\0" * 100, "a.xlsx"),
    ],
    "too_expensive": [
        (lambda: sheets("a", far=(1_048_575, 16_383)), "a.xlsx"),
        (lambda: bomb("xl/sharedStrings.xml", b"</t>", b"A"), "a.xlsx"),
        (lambda: bomb("xl/worksheets/sheet1.xml", b"<sheetData>", b" "), "a.xlsx"),
    ],
    "encoding": [
        (lambda: f"{HEAD}\r\n".encode() + b"\xff\xfc\xdb", "a.csv"),
        (lambda: b"\xff\xfe\x00", "a.csv"),
        (lambda: csv_of(HEAD, "A\0,b,c,d"), "a.csv"),
    ],
    "quotes": [
        (lambda: csv_of(HEAD, PERSON, 'A002,"ข,U1,กอง', "A003,ค,U1,กอง"), "a.csv"),
        (lambda: csv_of(HEAD, f"A1,{'ก' * 200_000},U1,กอง"), "a.csv"),
    ],
    "no_header": [
        (lambda: csv_of("รายชื่อ", "หน่วยงาน,กองแผนงาน"), "a.csv"),
        (lambda: csv_of(*["x"] * HEADER_ROWS, HEAD, PERSON), "a.csv"),
        (without_header, "a.xlsx"),
    ],
    "columns_missing": [
        (lambda: csv_of("รหัส,ชื่อ-สกุล", "A1,ก"), "a.csv"),
        (lambda: csv_of("รหัส,สกุล,รหัสหน่วยงาน,หน่วยงาน", "A1,ก,U1,กอง"), "a.csv"),
    ],
    "columns_ambiguous": [(lambda: csv_of(f"{HEAD},รหัส", f"{PERSON},1"), "a.csv")],
    "too_many_columns": [(lambda: csv_of(HEAD, PERSON + "," * MAX_COLUMNS + "x"), "a.csv")],
    "too_many_rows": [
        (lambda: csv_of(HEAD, *(f"A{number},ก,U1,กอง" for number in range(MAX_ROWS + 1))), "a.csv"),
        (lambda: csv_of(*["ปก"] * 19, HEAD, *(f"A{number},ก,U1,กอง" for number in range(MAX_ROWS + 9))), "a.csv"),
    ],
}


@pytest.mark.parametrize(
    ("code", "place"), [(code, place) for code, cases in REFUSED.items() for place in range(len(cases))]
)
def test_a_file_that_cannot_be_read_is_refused_with_its_code(code: str, place: int) -> None:
    """The whole file, before a preview; the sentence can be filled with what the error knows."""
    make, name = REFUSED[code][place]
    with pytest.raises(UsageProblem) as caught:
        read_roster(make(), name)
    assert caught.value.code == f"roster.{code}"
    assert_worded(caught.value.code, dict(caught.value.params))


def test_the_row_and_the_columns_of_a_refusal_are_named() -> None:
    """Where to look, in the words of the file and as a spreadsheet counts."""
    with pytest.raises(UsageProblem) as quotes:
        read_roster(csv_of(HEAD, "", PERSON, 'A002,"ข"x,U1,กอง'), "a.csv")
    assert quotes.value.params["row"] == 4
    with pytest.raises(UsageProblem) as missing:
        read_roster(csv_of("", "รหัส,อีเมล,หน่วยงาน"), "a.csv")
    assert missing.value.params == {"row": 2, "columns": "ชื่อ–นามสกุล (Name), รหัสหน่วยงาน (Unit code)"}
    with pytest.raises(UsageProblem) as ambiguous:
        read_roster(csv_of(f"{HEAD},code"), "a.csv")
    assert ambiguous.value.params == {"row": 1, "columns": "รหัสบุคลากร (A) · code (E)"}


def test_a_refusal_repeats_no_citizen_number() -> None:
    """The ending of a file's name is what somebody typed as well."""
    with pytest.raises(UsageProblem) as caught:
        read_roster(b"x", f"a.{CID}")
    assert CID not in str(caught.value)


def test_a_reader_that_breaks_blames_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process that opens workbooks cannot run, the fault is ours."""
    monkeypatch.setattr(workbook, "READER", ("-c", "raise SystemExit('broken')"))
    with pytest.raises(InfrastructureFault) as caught:
        read_roster(sheets("a"), "a.xlsx")
    assert caught.value.code == "infrastructure.roster_reader"
    assert caught.value.params == {"status": 1, "detail": "broken"}


def test_a_reader_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is bounded on this side too, whatever the other one does."""
    monkeypatch.setattr(workbook, "READER", ("-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(workbook, "READER_WALL_SECONDS", 0.2)
    with pytest.raises(UsageProblem) as caught:
        read_roster(sheets("a"), "a.xlsx")
    assert caught.value.code == "roster.too_expensive"


def test_the_reader_is_bounded() -> None:
    """Its memory, its time and the files that it could write, as the kernel keeps them."""
    code = (
        "from grader.rosters.opening import limit; import resource as r; limit(); "
        "print(*(r.getrlimit(k)[0] for k in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_FSIZE, r.RLIMIT_CORE)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(512 * 1024 * 1024), "10", "0", "0"]


# -- cells that are wrong, and what should be looked at ---------------------------------------------------------------

ERRORS: dict[str, tuple[bytes, tuple[int | None, str]]] = {
    "citizen_number": (csv_of(HEAD, PERSON + CID), (2, "หน่วยงาน")),
    "cell_empty": (csv_of(HEAD, "A001,,U1,กอง"), (2, "ชื่อ-สกุล")),
    "too_long": (csv_of(f"{HEAD},หมายเหตุ", f"{PERSON},{'ก' * (MAX_NOTE + 1)}"), (2, "หมายเหตุ")),
    "formula_error": (csv_of(HEAD, "A001,#N/A,U1,กอง"), (2, "ชื่อ-สกุล")),
    "code_converted": (csv_of(HEAD, "1.1E+12,ก,U1,กอง"), (2, "รหัสบุคลากร")),
    "code_blank": (csv_of(HEAD, "A001,ก,U 1,กอง"), (2, "รหัสหน่วยงาน")),
    "duplicate_code": (csv_of(HEAD, PERSON, PERSON), (3, "รหัสบุคลากร")),
    "email": (csv_of(f"{HEAD},E-mail", f"{PERSON},a@b"), (2, "E-mail")),
    "part": (csv_of(f"{HEAD},ประเภท", f"{PERSON},ผู้บริหาร"), (2, "ประเภท")),
    "day": (csv_of(f"{HEAD},ลงทะเบียน", f"{PERSON},22/11/69"), (2, "ลงทะเบียน")),
}

WARNINGS: dict[str, tuple[bytes, tuple[int | None, str]]] = {
    "encoding_guessed": (f"{HEAD}\n{PERSON}".encode("cp874"), (None, "")),
    "other_sheets": (sheets("a", "b"), (None, "")),
    "column_ignored": (csv_of(f"{HEAD},ตำแหน่ง", PERSON), (1, "ตำแหน่ง")),
    "row_ignored": (csv_of(HEAD, PERSON, ",,,,รวม 1 คน"), (3, "")),
    "no_rows": (csv_of("", HEAD), (2, "")),
    "part_assumed": (csv_of(f"{HEAD},บทบาท", PERSON), (None, "บทบาท")),
    "registration_unknown": (csv_of(HEAD, PERSON), (None, "วันที่ลงทะเบียน")),
    "code_numbers": (sheets("a", number=12), (None, "รหัสบุคลากร")),
    "same_name": (csv_of(HEAD, PERSON, PERSON.replace("A001", "A002")), (3, "ชื่อ-สกุล")),
    "same_email": (csv_of(f"{HEAD},อีเมล", f"{PERSON},a@b.example", "A2,ข,U1,กองแผนงาน,A@b.example"), (3, "อีเมล")),
    "unit_name_differs": (csv_of(HEAD, PERSON, "A002,ข,U1,กองอื่น"), (3, "หน่วยงาน")),
    "unit_code_differs": (csv_of(HEAD, PERSON, "A002,ข,U2,กองแผนงาน"), (3, "รหัสหน่วยงาน")),
}


@pytest.mark.parametrize("code", ERRORS)
def test_a_wrong_cell_is_an_error_with_its_place(code: str) -> None:
    """One error, its row as the spreadsheet counts, its column by its heading, and words for it."""
    data, place = ERRORS[code]
    (issue,) = read_roster(data, "").errors
    assert issue.code == f"roster.{code}"
    assert (issue.row, issue.column) == place
    assert_worded(issue.code, issue.values)


@pytest.mark.parametrize("code", WARNINGS)
def test_what_should_be_looked_at_is_a_warning_with_its_place(code: str) -> None:
    """A warning keeps nothing from being imported."""
    data, place = WARNINGS[code]
    preview = read_roster(data, "")
    assert preview.ok
    (issue,) = (one for one in preview.warnings if one.code == f"roster.{code}")
    assert (issue.row, issue.column) == place
    assert_worded(issue.code, issue.values)


def test_a_day_in_the_column_of_codes_is_what_excel_made_of_a_code() -> None:
    """Excel takes 1-2 for a day; the code is lost, and a day would be a wrong one."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEAD.split(","))
        sheet.write_row(1, 1, PERSON.split(",")[1:])
        sheet.write_number(1, 0, 46_055, book.add_format({"num_format": "d-mmm"}))
    (issue,) = read_roster(out.getvalue(), "a.xlsx").errors
    assert (issue.code, issue.params) == ("roster.code_converted", {"value": "2026-02-02"})


def test_a_name_that_is_too_long_when_it_is_joined_is_an_error() -> None:
    """Each part fits, the whole does not."""
    data = csv_of("รหัส,ชื่อ,สกุล,รหัสหน่วยงาน,หน่วยงาน", f"A1,{'ก' * 200},{'ข' * 200},U1,กอง")
    (issue,) = read_roster(data, "a.csv").errors
    assert (issue.code, issue.column) == ("roster.too_long", "ชื่อ")


def test_every_code_has_words_and_is_produced_here() -> None:
    """The codes with words, those of the source, those of these tests and those of the page are the same."""
    shown = {*REFUSED, *ERRORS, *WARNINGS}
    assert len(shown) == len(REFUSED) + len(ERRORS) + len(WARNINGS)
    source = [ast.parse(path.read_bytes()) for path in sorted((ROOT / "grader" / "rosters").glob("*.py"))]
    literals = (node.value for tree in source for node in ast.walk(tree) if isinstance(node, ast.Constant))
    found = {one.removeprefix("roster.") for one in literals if re.fullmatch(r"roster\.[a-z_]+", str(one))}
    page = (ROOT / "docs" / "rosters.md").read_text("utf-8")
    assert set(WORDS) == shown == found == set(re.findall(r"^\| `roster\.([a-z_]+)` \|", page, re.MULTILINE))


def assert_worded(code: str, values: dict[str, object]) -> None:
    """Every value that a sentence can show is known to the error, so that no sentence says less than it could."""
    for lang in LANGS:
        assert placeholders(catalogue(lang)[code].text) <= {name for name, value in values.items() if value is not None}
        assert "–" not in explain(code, values, lang).sentence.replace("ชื่อ–นามสกุล", "")


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("th", "แถว 3 คอลัมน์ รหัสบุคลากร รหัส A001 ซ้ำกับแถว 2"),
        ("en", "Row 3 column รหัสบุคลากร: the code A001 stands in row 2 already."),
    ],
)
def test_an_error_reads_as_a_sentence(lang: Lang, words: str) -> None:
    """Row, column and value stand where a person looks for them."""
    (issue,) = read_roster(ERRORS["duplicate_code"][0], "").errors
    assert explain(issue.code, issue.values, lang).sentence == words


def test_an_issue_without_a_place_leaves_it_out() -> None:
    """The words of an issue about a file have no hole where row and column would be."""
    assert Issue(code="roster.part_assumed", params={"count": 2}).values == {"count": 2, "row": None, "column": None}


def test_the_page_names_every_written_column() -> None:
    """docs/rosters.md has a row for each heading of an export, in both languages."""
    page = (ROOT / "docs" / "rosters.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|`]+) \| ([^|]+) \| (?:ใช่|ไม่) ", page, re.MULTILINE)
    row = RosterRow(code="A", name="ก", unit_code="U", unit_name="ก")
    headings = [list(read_roster(write_xlsx([row], lang=lang), "a.xlsx").columns.values()) for lang in LANGS]
    assert [list(words) for words in zip(*rows, strict=True)] == headings
