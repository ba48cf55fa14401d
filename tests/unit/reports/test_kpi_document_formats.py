"""The document on a terminal, as CSV, as a workbook and as JSON: the same words and numbers, safe to open anywhere."""

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from python_calamine import CalamineWorkbook
from rich.cells import cell_len

from grader.reports import LANGS, Lang
from grader.reports.kpi import (
    KpiDocument,
    Narrative,
    explain_rows,
    people_to_csv,
    to_csv,
    to_json,
    to_terminal,
    to_xlsx,
    units_to_csv,
)
from grader.reports.kpi.csv import safe
from grader.reports.kpi.lines import Line
from tests.fixtures.kpi_documents import OVERRIDE, document, named, normal, particulars, people, seat, snapshot

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "－1")


def table(content: bytes) -> list[list[str]]:
    """The rows of a CSV file, which begins with a byte order mark."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheets(content: bytes) -> dict[str, list[list[Any]]]:
    """The sheets of a workbook, as another program reads them."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def full(lang: Lang = "th") -> KpiDocument:
    """A round with everything: names, an override, texts that look like formulas."""
    of = normal(lang).snapshot
    told = particulars()
    return document(
        of,
        lang,
        names=named(of),
        overrides=(OVERRIDE,),
        units={**told.units, "u2": "=cmd|' /C calc'!A0"},
        narrative=Narrative(results="@ดีมาก", problems="-", suggestions="บรรทัดหนึ่ง\nบรรทัดสอง"),
    )


# -- terminal ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("of", [normal, full])
def test_eighty_columns_are_enough(of: Any, lang: Lang) -> None:
    """No line is wider than the terminal, in the cells that Thai really takes."""
    told: KpiDocument = of(lang)
    shown = to_terminal(told, explain=explain_rows(told.snapshot, particulars(), lang))
    assert [line for line in shown.splitlines() if cell_len(line) > 80] == []


@pytest.mark.parametrize("lang", LANGS)
def test_nothing_of_the_document_is_lost_on_the_terminal(lang: Lang) -> None:
    """Every label, value, unit, notice and override is there, wherever its lines break."""
    of = full(lang)
    shown = "".join(to_terminal(of, width=96).split())
    lines = (*of.fields, *of.beside, *of.counts, *of.unconfirmed, *of.definition, *of.source)
    wanted = [*of.notices, of.overrides[0].reason, of.headline.judgement]
    wanted += [line.text for line in lines if "\n" not in line.text]
    assert [words for words in wanted if "".join(words.split()) not in shown] == []
    assert [row.name for row in of.units if "".join(row.name.split()) not in shown] == []


def test_a_person_is_explained_in_three_lines() -> None:
    """Who, in or out of B and A with the words of status and result, and why."""
    of = snapshot(people(0, 1))
    shown = to_terminal(document(of), explain=explain_rows(of, particulars(), "th"))
    assert shown.rstrip().splitlines()[-3:] == [
        "  p000 · ศูนย์ทดสอบที่ 10 จังหวัดสาธิต",
        "    B: นับ · A: ไม่นับ · เข้ารับการอบรม · ไม่ผ่านเกณฑ์",
        "    เข้ารับการอบรมและส่งผลงานแล้ว แต่ยังไม่ผ่านเกณฑ์ ณ วันตัดยอดข้อมูล จึงนับเฉพาะใน B",
    ]


def test_hidden_units_are_explained_below_the_table() -> None:
    """What stands in the column of B instead of a number is said at length below."""
    shown = to_terminal(document(snapshot(people(2, 6, 2))))
    assert shown.count("n<5") == 3
    assert "n<5: ปกปิดค่าจำนวนน้อย (น้อยกว่า 5)" in shown
    protected = to_terminal(document(snapshot([*people(3, 7), seat("q", "pass", unit="u2")]), "en"))
    assert re.search(r" – +withheld +–$", protected, re.MULTILINE)


# -- CSV --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_the_long_table_is_one_rectangle_with_the_same_keys_in_both_languages(lang: Lang) -> None:
    """Five columns in every row, keys that are unique, and values that a program can read."""
    rows = table(to_csv(full(lang)))
    assert rows[0] == ["section", "key", "label", "value", "text"]
    assert {len(row) for row in rows} == {5}
    keys = [tuple(row[:2]) for row in rows[1:]]
    assert len(keys) == len(set(keys))
    assert keys == [tuple(row[:2]) for row in table(to_csv(full()))[1:]]
    values = {(row[0], row[1]): row[3] for row in rows}
    assert (values["field", "percent"], values["field", "gap"], values["field", "as_of"]) == (
        "70.97",
        "-9.03",
        "2027-03-10T10:00:00+07:00",
    )
    assert (values["unit", "u1.b"], values["total", "a"], values["report", "standing"]) == ("10", "22", "below")


def test_the_table_of_units_has_a_row_a_unit_and_the_total() -> None:
    """A hidden number is an empty cell and not a zero."""
    rows = table(units_to_csv(document(snapshot(people(2, 6, 2)))))
    assert rows[0] == ["รหัสหน่วยงาน", "หน่วยงาน", "ตัวตั้ง (A)", "ตัวหาร (B)", "ร้อยละ", "หมายเหตุ"]
    assert [row[2:5] for row in rows[1:]] == [["", "", ""], ["", "", ""], ["2", "6", "33.33"]]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_begins_a_formula_is_no_formula(text: str) -> None:
    """An apostrophe in front makes a spreadsheet show it as it is."""
    assert safe(text) == f"'{text}"


def test_no_cell_of_any_table_begins_a_formula() -> None:
    """Names of people and units, reasons and texts; numbers of ours may be below zero."""
    of = full()
    tables = (to_csv(of), units_to_csv(of), people_to_csv(of.people or (), "th"))
    cells = [cell for content in tables for row in table(content) for cell in row]
    found = [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert found == ["-9.03"]
    assert '\'=HYPERLINK("http://x")' in cells
    assert safe("นางสาวปลอดภัย") == "นางสาวปลอดภัย"


# -- workbook ---------------------------------------------------------------------------------------------------------


def test_the_sheets_are_those_of_the_office() -> None:
    """People have a sheet only for a reader who may see names."""
    names = ["สรุป", "รายหน่วยงาน", "รายบุคคล", "คำนิยาม", "ที่มาของข้อมูล"]
    assert list(sheets(to_xlsx(full()))) == names
    assert list(sheets(to_xlsx(normal()))) == [name for name in names if name != "รายบุคคล"]
    assert list(sheets(to_xlsx(full("en")))) == ["Summary", "Units", "People", "Definition", "Source of the data"]


@pytest.mark.parametrize("lang", LANGS)
def test_numbers_are_numbers_and_moments_are_moments(lang: Lang) -> None:
    """Another program reads a percentage as a part of one, a gap below zero, and the day of the data."""
    rows = {row[0]: row[1] for row in sheets(to_xlsx(normal(lang)))["สรุป" if lang == "th" else "Summary"]}
    told = {line.key: line.label for line in normal(lang).fields}
    assert rows[told["percent"]] == pytest.approx(0.7097)
    assert rows[told["target"]] == pytest.approx(0.8)
    assert rows[told["gap"]] == pytest.approx(-9.03)
    assert (rows[told["a"]], rows[told["b"]]) == (22, 31)
    assert rows[told["as_of"]] == datetime(2027, 3, 10, 10)  # noqa: DTZ001 - a workbook knows no zones


def test_days_are_real_days_shown_in_the_buddhist_era() -> None:
    """The cell holds the day of the common era; only its format adds 543."""
    of = normal()
    due = Line(key="due", label="กำหนดส่ง", text="22 พ.ย. 2569", value=date(2026, 11, 22), kind="day")
    content = to_xlsx(of.model_copy(update={"definition": (due,)}))
    assert sheets(content)["คำนิยาม"][1][:2] == ["กำหนดส่ง", date(2026, 11, 22)]
    styles = _part(content, "xl/styles.xml")
    assert "[$-107041E]d mmm yyyy;@" in styles
    assert "[$-107041E]d mmm yyyy hh:mm" in styles


def test_a_cell_shows_as_many_decimals_as_the_report_prints() -> None:
    """A target of 80.5 is never shown as 81, whatever the decimals of the percentage are."""
    values = {"kpi.decimals": 0, "kpi.target": "80.5"}
    content = to_xlsx(document(snapshot(people(22, 30), values)))
    formats = re.findall(r'formatCode="([^"]*)"', _part(content, "xl/styles.xml"))
    assert {"0.0%", "+0.0;−0.0;0.0"} <= set(formats)


def test_names_that_look_like_formulas_stay_text() -> None:
    """No cell of the workbook is a formula."""
    content = to_xlsx(full())
    people_sheet = sheets(content)["รายบุคคล"]
    assert '=HYPERLINK("http://x")' in [row[0] for row in people_sheet]
    assert "=cmd|' /C calc'!A0" in [row[0] for row in sheets(content)["รายหน่วยงาน"]]
    assert "<f>" not in "".join(_part(content, f"xl/worksheets/sheet{number}.xml") for number in range(1, 6))


def test_units_without_a_number_have_words_in_its_place() -> None:
    """Hidden and empty units keep their row; the total stands at the end."""
    rows = sheets(to_xlsx(document(snapshot(people(2, 6, 2)))))["รายหน่วยงาน"]
    assert [row[2] for row in rows] == ["ตัวหาร (B)", "n<5", "n<5", 6]
    assert rows[3][3] == pytest.approx(0.3333)
    empty = sheets(to_xlsx(document(snapshot([]))))
    assert empty["รายหน่วยงาน"][1][1:4] == [0, 0, "ไม่มีข้อมูล (N/A)"]
    assert ["ร้อยละ", "ไม่มีข้อมูล (N/A)"] in [row[:2] for row in empty["สรุป"]]


def _part(content: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name).decode()


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_the_document_holds_the_snapshot_that_was_stored() -> None:
    """Its keys in order and without blanks it has the digest that is printed on the report."""
    of = full()
    told = json.loads(to_json(of))
    stored = json.dumps(told["snapshot"], ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(stored).hexdigest() == told["sha256"] == of.snapshot.sha256
    assert (told["format"], told["lang"], told["state"]) == ("kpi-report/1", "th", "draft")
    fields = {line["key"]: line for line in told["fields"]}
    assert (fields["percent"]["value"], fields["percent"]["text"]) == ("70.97", "70.97")


def test_without_the_right_to_names_no_format_has_one() -> None:
    """The list of people is absent, and overrides name the attempt alone."""
    of = normal(overrides=(OVERRIDE,))
    assert json.loads(to_json(of))["people"] is None
    for shown in (to_json(of), to_terminal(of), to_csv(of).decode(), str(sheets(to_xlsx(of)))):
        assert "น้ำใจ" not in shown
        assert "attempt-0042" in shown


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("write", [to_json, to_csv, units_to_csv, to_xlsx, to_terminal])
def test_the_same_document_gives_the_same_file(write: Any, lang: Lang) -> None:
    """Nothing of the moment of writing is in it."""
    with time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC)):
        later = write(full(lang))
    assert write(full(lang)) == later


def test_a_command_that_prints_no_report_loads_no_library_of_documents() -> None:
    """Importing the reports of the indicator must not make every command wait."""
    slow = ("weasyprint", "fontTools", "xlsxwriter")
    source = f"import sys, grader.reports.kpi; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
