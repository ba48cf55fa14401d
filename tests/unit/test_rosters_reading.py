"""Files as offices send them: encodings, separators, titles, headings, sheets, and names in two columns."""

import io
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from grader.packs.world import synthetic_cid
from grader.rosters import MAX_ROWS, RosterRow, read_roster
from grader.rosters.columns import PART_WORDS
from grader.rosters.limits import HEADER_ROWS
from grader.rosters.tidying import key

COLUMNS = Path(__file__).parents[2] / "grader" / "rosters" / "columns.toml"
CID = synthetic_cid(2, 1234)
HEAD = "รหัสบุคลากร,ชื่อ-สกุล,รหัสหน่วยงาน,หน่วยงาน"
PERSON = "A001,นายหนึ่ง ทดสอบ,U1,กองแผนงาน"
ROW = RosterRow(code="A001", name="นายหนึ่ง ทดสอบ", unit_code="U1", unit_name="กองแผนงาน")


def csv_of(*lines: str) -> bytes:
    """Lines of a CSV file in UTF-8."""
    return "\r\n".join(lines).encode()


def workbook(sheets: dict[str, Sequence[Sequence[Any]]], *, hidden: Sequence[str] = ()) -> bytes:
    """A workbook as Excel makes it: numbers, days and text as such; the hidden sheets are hidden."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        day = book.add_format({"num_format": "d/m/yyyy"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for line, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, date):
                        sheet.write_datetime(line, column, cell, day)
                    elif cell != "":
                        sheet.write(line, column, cell)
        for name in hidden:
            book.get_worksheet_by_name(name).hide()
        book.worksheets_objs[[name not in hidden for name in sheets].index(True)].activate()
    return out.getvalue()


def codes(data: bytes, name: str = "roster.csv") -> list[str]:
    """The codes of all warnings except those about columns that are not there."""
    usual = {"roster.part_assumed", "roster.registration_unknown"}
    return [issue.code for issue in read_roster(data, name).warnings if issue.code not in usual]


# -- text files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "encoding", "warned"),
    [
        ("utf-8", "utf-8", []),
        ("utf-8-sig", "utf-8", []),
        ("utf-16", "utf-16", []),
        ("cp874", "cp874", ["roster.encoding_guessed"]),
    ],
)
def test_a_text_file_is_read_in_its_encoding(codec: str, encoding: str, warned: list[str]) -> None:
    """What Excel saves in Thailand; a guess is told, because only a person can see whether it is right."""
    data = f"{HEAD}\r\n{PERSON}\r\n".encode(codec)
    preview = read_roster(data, "รายชื่อ.csv")
    assert preview.rows == (ROW,)
    assert preview.encoding == encoding
    assert codes(data) == warned


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_separator_is_the_one_that_shows_headings(delimiter: str) -> None:
    """Other separators in the cells do not mislead, even when there are more of them."""
    note = '"ก, ข; ค, ง;;;;,,,,"'
    lines = [delimiter.join([*HEAD.split(","), "หมายเหตุ"]), delimiter.join([*PERSON.split(","), note])]
    (row,) = read_roster(csv_of(*lines), "a.txt").rows
    assert row.name == ROW.name
    assert row.note == note.strip('"')


def test_the_line_that_names_the_separator_is_no_row() -> None:
    """Excel does not count it, so no error may point one row below."""
    preview = read_roster(csv_of("sep=;", HEAD.replace(",", ";"), PERSON.replace(",", ";")), "a.csv")
    assert preview.rows == (ROW,)
    assert (preview.header_row, preview.row_numbers) == (1, (2,))


def test_cells_of_a_csv_may_hold_lines_quotes_and_apostrophes() -> None:
    """A cell with line breaks is one row, and a spreadsheet's apostrophe before a formula is no text."""
    person = PERSON.replace("กองแผนงาน", '"กอง ""แผน"" งาน"')
    preview = read_roster(csv_of(f"{HEAD},หมายเหตุ", f'{person},"หนึ่ง\nสอง"', "", "A002,'=ข,U2,'กอง,'-"), "a.csv")
    assert [row.note for row in preview.rows] == ["หนึ่ง\nสอง", "-"]
    assert [row.unit_name for row in preview.rows] == ['กอง "แผน" งาน', "'กอง"]
    assert preview.rows[1].name == "=ข"
    assert preview.row_numbers == (2, 4)


# -- the header -------------------------------------------------------------------------------------------------------


def test_the_header_is_found_below_the_titles() -> None:
    """Printed lists begin with the project, and with lines that look a little like a header."""
    titles = ["โครงการอบรมนักวิทยาศาสตร์ข้อมูล,,,", "หน่วยงาน,กองแผนงาน,,", "", "ระหว่างวันที่ 2-4 ก.พ. 2570,,,"]
    preview = read_roster(csv_of(*titles, HEAD, PERSON), "a.csv")
    assert preview.rows == (ROW,)
    assert (preview.header_row, preview.row_numbers) == (5, (6,))


def test_the_header_may_be_the_last_row_that_is_looked_at() -> None:
    """Twenty rows are twenty."""
    assert read_roster(csv_of(*[""] * (HEADER_ROWS - 1), HEAD, PERSON), "a.csv").header_row == HEADER_ROWS


@pytest.mark.parametrize(
    "head",
    [
        "Person code,Name,Unit code,Unit",
        "CODE, full NAME ,unit-code,Department",
        "\u200bรหัส,ชื่อ – นามสกุล *,รหัส หน่วยงาน,สังกัด",
        "รหัสพนักงาน,ชื่อ,รหัสหน่วยงาน (ถ้ามี),ชื่อหน่วยงาน",
        "ชื่อผู้ใช้,ชื่อและนามสกุล,รหัสสังกัด,หน่วยงานต้นสังกัด",
    ],
)
def test_headings_have_many_forms(head: str) -> None:
    """Thai or English, with signs, blanks, capitals, remarks and what cannot be seen."""
    assert read_roster(csv_of(head, PERSON), "a.csv").rows == (ROW,)


def test_columns_stand_in_any_order() -> None:
    """A column is what its heading says; running numbers are expected, other columns are named and not read."""
    preview = read_roster(
        csv_of(
            "ลำดับ,หน่วยงาน,ตำแหน่ง,วันที่ลงทะเบียน,ประเภท,อีเมล,ชื่อ-สกุล,หมายเหตุ,รหัสหน่วยงาน,รหัส",
            "1,กองแผนงาน,นักวิชาการ,22 พ.ย. 2569,วิทยากร,a@moph.example,นายหนึ่ง ทดสอบ,ก,U1,A001",
        ),
        "a.csv",
    )
    assert preview.rows == (
        RosterRow(
            code="A001",
            name="นายหนึ่ง ทดสอบ",
            unit_code="U1",
            unit_name="กองแผนงาน",
            email="a@moph.example",
            part="observer",
            registered_on=date(2026, 11, 22),
            note="ก",
        ),
    )
    assert [(issue.code, issue.column) for issue in preview.warnings] == [("roster.column_ignored", "ตำแหน่ง")]
    assert preview.columns["code"] == "รหัส"
    assert "number" not in preview.columns


@pytest.mark.parametrize(
    ("head", "cells", "name"),
    [
        ("ชื่อ,สกุล", "หนึ่ง,ทดสอบ", "หนึ่ง ทดสอบ"),
        ("คำนำหน้า,ชื่อ,นามสกุล", "นางสาว,หนึ่ง,ทดสอบ", "นางสาวหนึ่ง ทดสอบ"),
        ("คำนำหน้า,ชื่อ,นามสกุล", ",หนึ่ง,", "หนึ่ง"),
        ("คำนำหน้า,ชื่อ-สกุล", "ดร.,หนึ่ง ทดสอบ", "ดร.หนึ่ง ทดสอบ"),
        ("คำนำหน้า,ชื่อ-สกุล", "นาย,นายหนึ่ง ทดสอบ", "นายหนึ่ง ทดสอบ"),
        ("Title,First name,Last name", "Mr,One,Test", "Mr One Test"),
        ("ชื่อ-สกุล,ชื่อ,สกุล", "หนึ่ง ทดสอบ,One,Test", "หนึ่ง ทดสอบ"),
    ],
)
def test_names_in_parts_are_joined(head: str, cells: str, name: str) -> None:
    """Title, name and surname in columns of their own are the common form of an office."""
    data = csv_of(f"รหัส,{head},รหัสหน่วยงาน,หน่วยงาน", f"A001,{cells},U1,กองแผนงาน")
    assert [row.name for row in read_roster(data, "a.csv").rows] == [name]


@pytest.mark.parametrize("part", PART_WORDS)
def test_parts_are_known_by_word_and_by_key(part: str) -> None:
    """In Thai, in English, or as programs write them."""
    words = [*PART_WORDS[part].values(), part, part.upper()]  # type: ignore[index]
    lines = [f"A{number},ก{number},U1,กอง,{word}" for number, word in enumerate(words)]
    assert [row.part for row in read_roster(csv_of(f"{HEAD},ประเภท", *lines), "a.csv").rows] == [part] * len(words)


def test_a_dash_means_nothing_where_it_can_mean_nothing_else() -> None:
    """Lists say "-" for none: no address, not registered, nothing particular; a note is kept as it was typed."""
    data = csv_of(f"{HEAD},อีเมล,ประเภท,วันที่ลงทะเบียน,หมายเหตุ", f"{PERSON},-,-,–,-")
    preview = read_roster(data, "a.csv")
    assert preview.rows == (RosterRow(code="A001", name=ROW.name, unit_code="U1", unit_name="กองแผนงาน", note="-"),)
    assert [(issue.code, issue.params) for issue in preview.warnings] == [("roster.part_assumed", {"count": 1})]


def test_lines_of_a_form_that_nobody_filled_in_are_no_people() -> None:
    """Numbers of lines say nothing; a line with other text outside of the known columns is told."""
    preview = read_roster(
        csv_of(f"ลำดับ,{HEAD},อื่น ๆ", f"1,{PERSON},", "2,,,,,", ",,,,,จบรายชื่อ", " , , ,\u200b,,"), "a.csv"
    )
    assert preview.rows == (ROW,)
    assert preview.errors == ()
    assert [(issue.code, issue.row) for issue in preview.warnings if issue.row != 1] == [
        ("roster.part_assumed", None),
        ("roster.registration_unknown", None),
        ("roster.row_ignored", 4),
    ]


def test_a_row_with_an_error_does_not_hide_the_others() -> None:
    """Every error of every row is told, from above and from left to right, and the good rows are there."""
    preview = read_roster(
        csv_of(
            f"{HEAD},อีเมล,วันที่ลงทะเบียน",
            "A 1,,U1,กอง,ไม่มี,31/2/2569",
            f"{PERSON},,",
            ",ข,,กอง,,",
        ),
        "a.csv",
    )
    assert [(issue.row, issue.column, issue.code) for issue in preview.errors] == [
        (2, "รหัสบุคลากร", "roster.code_blank"),
        (2, "ชื่อ-สกุล", "roster.cell_empty"),
        (2, "อีเมล", "roster.email"),
        (2, "วันที่ลงทะเบียน", "roster.day"),
        (4, "รหัสบุคลากร", "roster.cell_empty"),
        (4, "รหัสหน่วยงาน", "roster.cell_empty"),
    ]
    assert not preview.ok
    assert (preview.rows, preview.row_numbers) == ((ROW,), (3,))


def test_somebody_twice_is_an_error_that_names_both_rows() -> None:
    """Capitals and Thai digits make no other person, and a third row points to the first as well."""
    preview = read_roster(csv_of(HEAD, PERSON, "a001,ข,U1,กองแผนงาน", "A๐๐๑,ค,U1,กองแผนงาน"), "a.csv")
    assert [(issue.code, issue.row, issue.column, issue.params) for issue in preview.errors] == [
        ("roster.duplicate_code", 3, "รหัสบุคลากร", {"value": "a001", "first_row": 2}),
        ("roster.duplicate_code", 4, "รหัสบุคลากร", {"value": "A001", "first_row": 2}),
    ]
    assert preview.row_numbers == (2,)


# -- citizen numbers --------------------------------------------------------------------------------------------------


def test_a_citizen_number_is_refused_wherever_it_stands_and_never_repeated() -> None:
    """Titles, headings, known and unknown columns, in pieces and twice: row and column, and no digit of it."""
    dashed = f"{CID[0]}-{CID[1:5]}-{CID[5:10]}-{CID[10:12]}-{CID[12]}"
    data = csv_of(
        f"ผู้ประสานงาน {CID},,,,,",
        f"{HEAD},อีเมล,เลข {CID}",
        f"{CID},ก,U1,กอง,,",
        f"A1,ก {dashed},U1,กอง,{CID} ไม่ใช่อีเมล,",
        f"A2,ก,U1,กอง,,{CID}",
        f"{CID},ข,U1,กอง,,",
        f",,,,,{CID}",
    )
    preview = read_roster(data, "a.csv")
    assert [(issue.row, issue.column) for issue in preview.errors if issue.code == "roster.citizen_number"] == [
        (1, "A"),
        (2, "F"),
        (3, "รหัสบุคลากร"),
        (4, "ชื่อ-สกุล"),
        (4, "อีเมล"),
        (5, "เลข ▮▮▮"),
        (6, "รหัสบุคลากร"),
        (7, "เลข ▮▮▮"),
    ]
    assert {issue.code for issue in preview.errors} == {"roster.citizen_number"}
    assert CID not in repr(preview)
    assert dashed not in repr(preview)
    assert preview.rows == ()


def test_a_citizen_number_in_a_workbook_is_refused_as_number_and_in_names_of_sheets() -> None:
    """A cell with a number, and the sheet's own name."""
    data = workbook({f"แผ่น {CID}": [HEAD.split(","), [int(CID), "ก", "U1", "กอง"]], CID: [["x"]]})
    preview = read_roster(data, "a.xlsx")
    assert [(issue.code, issue.row) for issue in preview.errors] == [("roster.citizen_number", 2)]
    assert preview.sheet == "แผ่น ▮▮▮"
    assert CID not in repr(preview)


# -- workbooks --------------------------------------------------------------------------------------------------------


def test_cells_of_a_workbook_are_what_a_person_sees() -> None:
    """Numbers without decimals, days with and without time, days in the Buddhist era, results of formulas."""
    head = [*HEAD.split(","), "วันที่ลงทะเบียน", "หมายเหตุ"]
    rows = [
        [1001, "ก", "U1", "กอง", date(2026, 11, 22), 1.5],
        [1002, "ข", "U1", "กอง", datetime(2026, 11, 22, 23, 59), True],  # noqa: DTZ001 - a workbook knows no zones
        [1003, "ค", "U1", "กอง", date(2569, 11, 22), date(2026, 1, 2)],
        [1004, "ง", "U1", "กอง", "๒๒ พ.ย. ๒๕๖๙", '="a"&"b"'],
    ]
    preview = read_roster(workbook({"รายชื่อ": [["ชื่อโครงการ"], [], head, *rows]}), "a.xlsx")
    assert [row.code for row in preview.rows] == ["1001", "1002", "1003", "1004"]
    assert {row.registered_on for row in preview.rows} == {date(2026, 11, 22)}
    assert [row.note for row in preview.rows] == ["1.5", "TRUE", "2026-01-02", "0"]
    assert preview.row_numbers == (4, 5, 6, 7)
    assert (preview.sheet, preview.encoding) == ("รายชื่อ", None)


def test_the_first_visible_sheet_with_a_header_is_read_and_the_others_are_named() -> None:
    """What is hidden is not read, even when it comes first and looks as it should."""
    people = [HEAD.split(","), PERSON.split(",")]
    data = workbook({"ซ่อน": people, "ปก": [["โครงการ"]], "รุ่น 1": people, "รุ่น 2": people}, hidden=["ซ่อน"])
    preview = read_roster(data, "a.xlsx")
    assert preview.rows == (ROW,)
    (other,) = (issue for issue in preview.warnings if issue.code == "roster.other_sheets")
    assert other.params == {"sheet": "รุ่น 1", "others": "ปก, รุ่น 2"}


def test_formatted_cells_without_content_are_no_rows() -> None:
    """A form prepared down to row 5 000 has as many people as were typed."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet, frame = book.add_worksheet(), book.add_format({"border": 1})
        for line, row in enumerate([HEAD.split(","), PERSON.split(",")]):
            sheet.write_row(line, 0, row)
        for line in range(2, 5_000):
            sheet.write_blank(line, 3, None, frame)
    preview = read_roster(out.getvalue(), "a.xlsx")
    assert preview.rows == (ROW,)
    assert preview.errors == ()


def test_the_largest_roster_is_read() -> None:
    """The limit itself is allowed."""
    lines = (f"A{number},ก{number},U1,กอง" for number in range(MAX_ROWS))
    assert len(read_roster(csv_of(HEAD, *lines), "a.csv").rows) == MAX_ROWS


def test_a_file_is_what_its_bytes_say() -> None:
    """A workbook that somebody renamed, or that came without a name, is a workbook."""
    data = workbook({"a": [HEAD.split(","), PERSON.split(",")]})
    assert read_roster(data, "a.csv").rows == read_roster(data, "").rows == (ROW,)


def test_a_word_means_one_thing() -> None:
    """No heading belongs to two columns and no word to two parts, however it is written."""
    data = tomllib.loads(COLUMNS.read_text("utf-8"))
    for entries in data.values():
        words = [{key(word) for word in (one["th"], one["en"], *one["also"])} for one in entries.values()]
        assert sum(map(len, words)) == len(set().union(*words))
