"""What single cells mean: days, citizen numbers, tidy text and cells that are no formula."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.packs.world import synthetic_cid
from grader.rosters import RosterRow
from grader.rosters.citizen import MASK, holds_citizen_number, masked
from grader.rosters.days import BE_OFFSET, FIRST_YEAR, LAST_YEAR, read_day
from grader.rosters.delimited import harmless, original
from grader.rosters.table import letters
from grader.rosters.tidying import key, tidy_line, tidy_text

DAYS = st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31))
THAI_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
MONTHS = ["ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.", "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค."]
NUMBER = synthetic_cid(1, 4711)
SIGNS = st.text(st.sampled_from("ก่ำี้ \t\r\n\u200b\ufeff\u0e4d\u0e32'=+-@aé\u0301\x00\ud800\uffff\xa0"))


# -- days -------------------------------------------------------------------------------------------------------------


@given(DAYS)
def test_every_way_to_write_a_day_means_that_day(day: date) -> None:
    """ISO, day first, Thai months, both eras and Thai digits all say the same."""
    buddhist = day.year + BE_OFFSET
    forms = [
        day.isoformat(),
        f"{day.day}/{day.month}/{buddhist}",
        f"{day.day:02}-{day.month:02}-{day.year}",
        f"{day.day}.{day.month}.{buddhist}".translate(THAI_DIGITS),
        f"{day.day} {MONTHS[day.month - 1]} {buddhist}",
        f"{day.day} {MONTHS[day.month - 1].replace('.', '')} {day.year}",
        f"{buddhist}-{day.month:02}-{day.day:02}",
        f"{day.day} {day:%B} {day.year}",
    ]
    assert [read_day(one) for one in forms] == [day] * len(forms)


@pytest.mark.parametrize(
    "text",
    [
        "22 พฤศจิกายน พ.ศ. 2569",
        "วันอาทิตย์ที่ 22 พฤศจิกายน พ.ศ.2569",
        "วันที่ ๒๒ พ.ย. ๒๕๖๙",
        "22-พ.ย.-2569",
        "22พ.ย.2569",
        "22 Nov 2026",
        "22 พ.ย. ค.ศ. 2026",
        "22/11/2569 14:30:05",
        "22/11/2026, 9:05",
        "22 พ.ย. 2569 14.30 น.",
        "2026-11-22T14:30",
        " 22 / 11 / 2569 ".replace(" / ", "/"),
    ],
)
def test_forms_that_people_use_are_read(text: str) -> None:
    """Official letters, forms on the web and spreadsheets write the same day in their own ways."""
    assert read_day(text) == date(2026, 11, 22)


@pytest.mark.parametrize(
    "text",
    [
        "22/11/69",
        "11/22/2026",
        "31/4/2569",
        "29 ก.พ. 2568",
        "22 พ.ย. พ.ศ. 2026",
        "22 พ.ย. ค.ศ. 2569",
        "22 ไม่ใช่เดือน 2569",
        "22/11-2569",
        "1/1/2300",
        "1/1/1999",
        "46348",
        "พ.ย. 2569",
        "2026-11-22T14:30+07:00",
        "22/11/2569 หรือ 23/11/2569",
    ],
)
def test_a_day_in_doubt_is_not_read(text: str) -> None:
    """Two digits of a year, a day that is not there, another year than anybody registers in: never a guess."""
    assert read_day(text) is None


def test_a_day_that_a_workbook_put_into_the_year_2569_is_read_as_meant() -> None:
    """Excel takes 22/11/2569 for a day 543 years ahead, and keeps what it cannot take as text."""
    assert read_day(date(2569, 11, 22)) == date(2026, 11, 22)
    assert read_day("29/2/2571") == date(2028, 2, 29)
    assert read_day(date(2568, 2, 29)) is None


# -- citizen numbers --------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 99),
    st.integers(0, 9_999_999),
    st.sampled_from(["{}{}{}{}{}", "{}-{}-{}-{}-{}", "{} {} {} {} {}", "{}–{}–{}–{}–{}", "{} {}-{}-{}.{}"]),
    st.sampled_from(["", "เลข ", "id:", "12 ", "02-590-4000 "]),
    st.sampled_from(["0123456789", "๐๑๒๓๔๕๖๗๘๙"]),
)
def test_a_citizen_number_is_found_and_blotted_out(
    office: int, running: int, shape: str, before: str, digits: str
) -> None:
    """In one piece or grouped as on the card, in either kind of digits, and with other words around it."""
    number = synthetic_cid(office, running)
    text = shape.format(number[0], number[1:5], number[5:10], number[10:12], number[12])
    text = before + text.translate(str.maketrans("0123456789", digits)) + " จบ"
    assert holds_citizen_number(text)
    shown = masked(text)
    assert MASK in shown
    assert not holds_citizen_number(shown)
    assert shown.endswith(" จบ")


def test_a_citizen_number_grouped_in_another_way_is_found() -> None:
    """Whoever groups digits by hand does not follow the card."""
    assert holds_citizen_number(f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:9]} {NUMBER[9:]}")


@pytest.mark.parametrize(
    "text",
    [
        NUMBER[:12] + str((int(NUMBER[12]) + 1) % 10),
        NUMBER[:12],
        "1" + NUMBER,
        NUMBER + "1",
        "2569-11-22 10.30",
        "02-590-4000 ต่อ 12345",
        "0812345678",
        "",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    """A wrong check digit, another length, days and telephone numbers are no citizen number."""
    assert not holds_citizen_number(text)
    assert masked(text) == text


def test_a_telephone_number_with_an_extension_is_no_citizen_number() -> None:
    """Thirteen digits that begin with 0 and have a fitting check digit are refused in one piece only."""
    phone = next(
        f"0812345678 {extension}" for extension in range(100, 999) if holds_citizen_number(f"0812345678{extension}")
    )
    assert not holds_citizen_number(phone)


# -- text -------------------------------------------------------------------------------------------------------------


@given(SIGNS | st.text())
def test_tidy_text_is_tidy(text: str) -> None:
    """Tidying twice is tidying once, and what is left can be seen and written."""
    line, lines = tidy_line(text), tidy_text(text)
    assert tidy_line(line) == line
    assert tidy_text(lines) == lines
    assert line.isprintable()
    assert all(one.isprintable() for one in lines.split("\n"))
    assert lines.encode().decode() == lines


def test_tidy_text_keeps_what_is_seen() -> None:
    """Thai vowels and tone marks stay, in the order of the standard; what is hidden between them goes."""
    assert tidy_line("\ufeff นาย\u200bก่ำ\xa0 ทดสอบ\t") == "นายก่ำ ทดสอบ"
    assert tidy_text("\n หนึ่ง\r\nสอง\x00 \u2028สาม\n") == "หนึ่ง\nสอง\nสาม"
    assert tidy_line("e\u0301") == "é"


def test_headings_are_compared_without_signs() -> None:
    """Blanks, dashes, stars, remarks and the two ways to type ำ make no difference; other letters do."""
    assert {key(one) for one in ("ชื่อ-สกุล", "ชื่อ – สกุล *", " ชื่อ\u200bสกุล (ภาษาไทย)")} == {key("ชื่อสกุล")}
    assert key("ลำดับ") == key("ล\u0e4d\u0e32ดับ")
    assert key("E-Mail [if any]") == key("email")
    assert key("ชื่อ") != key("สกุล")


def test_a_row_is_the_same_however_it_was_typed() -> None:
    """Rows are values: hidden characters and Thai digits in a code make no other person."""
    typed = RosterRow(code="\ufeff๐๐๑ ", name=" นาย  ก ", unit_code="๑๒", unit_name="กอง\u200bหนึ่ง", note="\na\r\nb ")
    assert typed == RosterRow(code="001", name="นาย ก", unit_code="12", unit_name="กองหนึ่ง", note="a\nb")


# -- formulas ---------------------------------------------------------------------------------------------------------


@given(SIGNS | st.text())
def test_harmless_text_is_no_formula_and_gives_the_original(text: str) -> None:
    """Whatever was typed: no cell begins as a formula does, and the apostrophe that was added is known again."""
    safe = harmless(text)
    assert not safe.lstrip().startswith(tuple("=+-@＝＋－＠"))
    assert not safe.startswith(("\t", "\r"))
    assert original(safe) == text


@pytest.mark.parametrize("text", ["=1+1", "+66 2 590 4000", "-", "@somebody", "\tx", "\rx", " =1", "'=1", "＝1"])
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text: str) -> None:
    """Each of the signs that begin a formula, also behind blanks and apostrophes."""
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["กอง", "a=b", "'quoted'", "", "2026-11-22"])
def test_other_text_stays_as_it_is(text: str) -> None:
    """An apostrophe before plain text is what somebody typed."""
    assert harmless(text) == text
    assert original(text) == text


@pytest.mark.parametrize(
    ("place", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16383, "XFD")]
)
def test_columns_are_called_as_in_a_spreadsheet(place: int, name: str) -> None:
    """There is no zero in these numbers."""
    assert letters(place) == name
