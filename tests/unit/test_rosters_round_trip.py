"""What is written and read again is the same, in both formats and both languages, whatever people typed."""

import io
import zipfile
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from grader.kpi import Part as KpiPart
from grader.rosters import HEADINGS, Lang, Part, RosterRow, read_roster, write_csv, write_xlsx
from grader.rosters.checking import FORMULA_ERRORS
from grader.rosters.citizen import holds_citizen_number
from grader.rosters.days import FIRST_YEAR, LAST_YEAR
from grader.rosters.tidying import tidy_line

LANGS: tuple[Lang, ...] = ("th", "en")
FORMULA = "=cmd|' /C calc'!A0"

_TYPED = st.text(
    st.sampled_from("กขค่้ิีำ\u0e4d\u0e32เแ =+-@'\",;\t|%ab19é\u0301😀_x\u200b\ufeff\xa0") | st.characters(), max_size=20
)
_WORDS = _TYPED | st.sampled_from([FORMULA, "'=1", "''-x", "_x0041_", '"', '","', "#1", "-", "1.50", "001", "TRUE"])


def _is_line(text: str) -> bool:
    return bool(tidy_line(text)) and _is_kept(text)


def _is_kept(text: str) -> bool:
    """Not what every reading refuses: a citizen number, or what a spreadsheet shows for a formula that failed."""
    line = tidy_line(text)
    return not holds_citizen_number(line) and line not in FORMULA_ERRORS


_LINES = _WORDS.filter(_is_line)
_CODES = _LINES.map(lambda text: "".join(tidy_line(text).split())).filter(_is_line)
_NOTES = st.lists(_WORDS, max_size=4).map("\n".join).filter(_is_kept)
_ROWS = st.builds(
    RosterRow,
    code=_CODES,
    name=_LINES,
    unit_code=_CODES,
    unit_name=_LINES,
    email=st.sampled_from(["", "somchai@moph.example", "+tag@moph.example", "=x@moph.example"]),
    part=st.sampled_from(["trainee", "external", "observer"]),
    registered_on=st.none() | st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)),
    note=_NOTES,
)
_ROSTERS = st.lists(_ROWS, max_size=4, unique_by=lambda row: row.code.casefold()).map(tuple)

ROWS = (
    RosterRow(
        code="-001",
        name='นางสาวน้ำผึ้ง "ผึ้ง" ทดสอบ',
        unit_code="กผ.01",
        unit_name="กองแผนงาน, กรมอนามัย",
        email="a@moph.example",
        part="external",
        registered_on=date(2026, 11, 22),
        note=f"บรรทัดหนึ่ง\n{FORMULA}",
    ),
    RosterRow(code="0012", name=FORMULA, unit_code="2", unit_name="@unit", note="'=1"),
)


@settings(deadline=None)
@given(_ROSTERS, st.sampled_from(LANGS))
def test_csv_gives_back_what_was_written(rows: tuple[RosterRow, ...], lang: Lang) -> None:
    """Export, then import: the same rows and no error."""
    preview = read_roster(write_csv(rows, lang=lang), "roster.csv")
    assert preview.errors == ()
    assert preview.rows == rows


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(_ROSTERS, min_size=1, max_size=6), st.sampled_from(LANGS))
def test_xlsx_gives_back_what_was_written(rosters: list[tuple[RosterRow, ...]], lang: Lang) -> None:
    """The same for workbooks; several rosters go into one file, because each opening costs a process."""
    rows = tuple({row.code.casefold(): row for roster in rosters for row in roster}.values())
    preview = read_roster(write_xlsx(rows, lang=lang), "roster.xlsx")
    assert preview.errors == ()
    assert preview.rows == rows


@pytest.mark.parametrize("lang", LANGS)
def test_an_export_has_nothing_to_warn_of(lang: Lang) -> None:
    """Every written heading and part is known, in both languages and formats, and dates are not in doubt."""
    for data, name in ((write_csv(ROWS, lang=lang), "a.csv"), (write_xlsx(ROWS, lang=lang), "a.xlsx")):
        preview = read_roster(data, name)
        assert (preview.rows, preview.errors, preview.warnings) == (ROWS, (), ())
        assert preview.columns["registered_on"] == HEADINGS["registered_on"][lang]


def test_no_cell_of_a_csv_is_a_formula() -> None:
    """What a spreadsheet opens begins with no sign of a formula, and the file with a byte order mark."""
    data = write_csv(ROWS)
    assert data.startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig")
    assert f",'{FORMULA}," in text
    assert text.splitlines()[1].startswith("'-001,")
    assert "2026-11-22" in text


def test_no_cell_of_a_workbook_is_a_formula() -> None:
    """Text is stored as text: the workbook holds no formula and no link."""
    with zipfile.ZipFile(io.BytesIO(write_xlsx(ROWS))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        strings = book.read("xl/sharedStrings.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert FORMULA in strings


def test_days_of_a_workbook_are_days_in_the_buddhist_era() -> None:
    """The cell holds a real day and the format shows its year as 2569."""
    data = write_xlsx(ROWS)
    cells = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    assert cells[1][6] == date(2026, 11, 22)
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert "[$-107041E]d mmm yyyy;@" in book.read("xl/styles.xml").decode()
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert 'state="frozen"' in sheet
    assert "<cols>" in sheet


def test_the_same_rows_give_the_same_bytes() -> None:
    """Neither format holds the moment at which it was written."""
    assert write_xlsx(ROWS) == write_xlsx(ROWS)
    assert write_csv(ROWS) == write_csv(ROWS)


@pytest.mark.parametrize("lang", LANGS)
def test_without_rows_a_file_is_a_form(lang: Lang) -> None:
    """Headings only, in both formats; reading it says that nobody is in it."""
    for data, name in ((write_csv([], lang=lang), "form.csv"), (write_xlsx([], lang=lang), "form.xlsx")):
        preview = read_roster(data, name)
        assert preview.rows == ()
        assert [issue.code for issue in preview.warnings] == ["roster.no_rows"]


def test_a_text_that_no_cell_can_hold_is_not_lost() -> None:
    """A workbook would drop it without a word."""
    row = RosterRow(code="1", name="ก" * 32_768, unit_code="1", unit_name="ก")
    with pytest.raises(ValueError, match="32768"):
        write_xlsx([row])


def test_parts_are_those_of_the_indicator() -> None:
    """Both packages name the same parts, and neither knows the other."""
    assert Part == KpiPart
