"""The document of a snapshot: its fields in order, what is judged, what is hidden, and what always stays visible."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from grader.errors import UsageProblem
from grader.kpi import KEYS, Replaces, Rules, certify, draft, submit
from grader.reports import LANGS, Lang
from grader.reports.kpi import EvidenceItem, KpiDocument, Narrative, explain_rows, file_name
from grader.reports.kpi.settings import setting_words
from tests.fixtures.kpi_documents import (
    AFTER,
    CALENDAR,
    LEVELS,
    OVERRIDE,
    absent_and_waiting,
    document,
    named,
    normal,
    particulars,
    people,
    seat,
    snapshot,
)

TARGET = {"kpi.target": "80"}
ORDER = [
    "indicator",
    "fiscal_year",
    "round",
    "as_of",
    "a",
    "b",
    "percent",
    "target",
    "gap",
    "score",
    "weighted_score",
    "results",
    "problems",
    "suggestions",
    "evidence",
    "reporter",
    "certifier",
]


def texts(of: KpiDocument) -> dict[str, str]:
    """The fields as people read them."""
    return {line.key: line.text for line in of.fields}


def judged(a: int, b: int, **facts: Any) -> KpiDocument:
    """A figure against a target of 80 that somebody confirmed."""
    return document(snapshot(people(a, b), TARGET, confirmed=["kpi.target"], **facts))


# -- the fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_the_fields_stand_in_the_order_of_the_department(lang: Lang) -> None:
    """From the indicator to who certifies; the score is there only when levels are set."""
    with_levels = document(snapshot(people(22, 30), LEVELS | {"kpi.weight": "20"}), lang)
    assert [line.key for line in with_levels.fields] == ORDER
    assert [line.key for line in normal(lang).fields] == [one for one in ORDER if "score" not in one]
    assert [line.label for line in with_levels.fields if not line.label] == []


@pytest.mark.parametrize(
    ("a", "b", "percent", "score"),
    [
        (22, 30, "73.33", "3.6660"),
        (23, 30, "76.67", "4.3340"),
        (24, 30, "80.00", "5.0000"),
        (8, 11, "72.73", "3.5460"),
        (12, 20, "60.00", "1.0000"),
        (11, 20, "55.00", "1.0000"),
        (39, 49, "79.59", "4.9180"),
        (0, 0, "ไม่มีข้อมูล (N/A)", "–"),
    ],
)
def test_worked_examples_are_printed_as_they_are_judged(a: int, b: int, percent: str, score: str) -> None:
    """Percentage and score of the examples of the definition; B = 0 is no data and has no score."""
    of = document(snapshot(people(a, b), LEVELS))
    told = texts(of)
    assert (told["a"], told["b"], told["percent"], told["score"]) == (str(a), str(b), percent, score)
    assert (of.field("percent").value is None) == (b == 0)


def test_the_weighted_score_is_printed_with_the_weight() -> None:
    """3.6660 with a weight of 20 is 0.7332."""
    assert texts(document(snapshot(people(22, 30), LEVELS | {"kpi.weight": "20"})))["weighted_score"] == "0.7332"


def test_words_are_those_of_the_reader() -> None:
    """Thai with the Buddhist era and the clock of Bangkok, English with the common era."""
    thai, english = texts(normal()), texts(normal("en"))
    assert (thai["round"], thai["as_of"]) == ("รอบ 5 เดือนแรก", "10 มี.ค. 2570 10:00 น.")
    assert (english["round"], english["as_of"]) == ("first 5 months", "10 Mar 2027 10:00 (Bangkok)")
    assert normal().title == "รายงานผลตัวชี้วัด ปีงบประมาณ พ.ศ. 2570 · รอบ 5 เดือนแรก"


def test_what_the_office_calls_a_round_wins_over_our_words() -> None:
    """The label of the records, then that of the round, then our words for its code, then the code."""
    own = CALENDAR[0].model_copy(update={"label": "รอบแรก"})
    odd = CALENDAR[0].model_copy(update={"code": "x9"})
    assert texts(document(snapshot(people(1, 1)), round_label="รอบ ก"))["round"] == "รอบ ก"
    assert texts(document(snapshot(people(1, 1), round_=own)))["round"] == "รอบแรก"
    assert texts(document(snapshot(people(1, 1), round_=odd)))["round"] == "x9"


def test_what_nobody_wrote_is_said_to_be_missing() -> None:
    """An empty text is no empty field."""
    told = texts(document(snapshot([]), narrative=Narrative(), evidence=(), prepared_by=""))
    assert (told["results"], told["evidence"], told["certifier"]) == ("ไม่ได้ระบุ", "ไม่มี", "ยังไม่รับรอง")
    assert told["reporter"] == "เจ้าหน้าที่"


def test_texts_of_people_are_made_safe_and_keep_their_lines() -> None:
    """Control characters and direction marks go, lines stay; evidence is a list."""
    told = document(
        snapshot([]),
        narrative=Narrative(results="หนึ่ง\x1b[2J\nสอง\u202e"),
        evidence=(EvidenceItem(title="ก\n", reference="1"), EvidenceItem(title="ข")),
    )
    assert told.field("results").text == "หนึ่ง\nสอง"
    assert told.field("evidence").items == ("ก · 1", "ข")


# -- what is judged ---------------------------------------------------------------------------------------------------


def test_below_the_target_says_by_how_much_and_how_many_must_pass() -> None:
    """The gap in points with its sign, and the smallest number of further passes."""
    of = judged(22, 30)
    assert (of.headline.percent, of.headline.of) == ("ร้อยละ 73.33", "22 จาก 30 คน (A/B)")
    assert (of.headline.standing, of.headline.judgement, of.headline.needed) == (
        "below",
        "ต่ำกว่าเป้า 6.67 จุด",
        "ต้องผ่านอีก 2 คน",
    )
    assert texts(of)["gap"] == "−6.67 จุด"
    assert {line.key: line.text for line in of.beside}["needed"] == "ต้องผ่านอีก 2 คน"
    assert "จึงจะถึงค่าเป้าหมาย" in of.beside[-1].note


def test_a_reached_target_asks_for_nothing_more() -> None:
    """Exactly at the target is reached, and nobody has to pass any more."""
    of = judged(24, 30)
    assert (of.headline.judgement, of.headline.needed, texts(of)["gap"]) == ("ถึงเป้า", "", "0.00 จุด")
    assert of.beside[-1].text == "0"


def test_a_target_that_nobody_confirmed_gets_no_judgement() -> None:
    """The numbers are marked as unconfirmed, and no word says how the figure stands."""
    of = document(snapshot(people(22, 30), TARGET))
    assert (of.headline.judgement, of.headline.needed) == ("ยังไม่ยืนยันค่าเป้าหมาย", "")
    assert [line.key for line in (*of.fields, *of.beside) if line.unconfirmed] == ["target", "gap", "needed"]


def test_without_a_target_there_is_no_gap() -> None:
    """The default: no target, nothing to be near or far from."""
    of = document(snapshot(people(22, 30)))
    assert (of.headline.judgement, texts(of)["target"], texts(of)["gap"]) == ("ยังไม่ตั้งเป้า", "ยังไม่กำหนด", "–")
    assert of.beside[-1].text == "–"


def test_a_round_that_still_runs_is_not_judged() -> None:
    """Data from before the cut-off get a notice instead of a judgement."""
    of = judged(22, 30, as_of=datetime(2027, 2, 20, tzinfo=UTC))
    assert of.headline.judgement == "ยังไม่ครบรอบ"
    assert of.notices == ("ข้อมูลชุดนี้ทำก่อนวันตัดยอด ยอดยังเปลี่ยนได้",)


def test_nobody_in_b_is_no_data_even_with_a_confirmed_target() -> None:
    """0/0 is neither 0 nor 100 and stands neither above nor below anything."""
    of = judged(0, 0)
    assert (of.headline.percent, of.headline.judgement, texts(of)["gap"]) == ("ไม่มีข้อมูล (N/A)", "ไม่มีข้อมูล", "–")


def test_seats_are_not_called_people() -> None:
    """Where seats are counted, the words say so."""
    of = document(snapshot(people(1, 4), TARGET | {"membership.count_by": "seat"}, confirmed=["kpi.target"]))
    assert (of.headline.of, of.headline.needed) == ("1 จาก 4 ครั้ง (A/B)", "ต้องผ่านอีก 3 ครั้ง")


# -- what stands beside the figure ------------------------------------------------------------------------------------


def test_what_a_figure_could_hide_stands_beside_it() -> None:
    """No-shows, exclusions, who is still being graded and our faults; all reasons add up to the roster."""
    of = normal()
    assert [(line.label, line.value) for line in of.beside[:4]] == [
        ("ไม่มารายงานตัว", 1),
        ("ยกเว้นโดยได้รับอนุมัติ", 1),
        ("อยู่ระหว่างตรวจ", 1),
        ("ตรวจไม่สำเร็จ (ระบบ)", 1),
    ]
    numbers = {line.key: line.value for line in of.counts}
    assert sum(int(str(value)) for key, value in numbers.items() if key != "roster") == numbers["roster"] == 32
    assert len(of.notices) == 2


@pytest.mark.parametrize("lang", LANGS)
def test_every_setting_that_nobody_confirmed_is_listed_with_its_value(lang: Lang) -> None:
    """All of them by default, and one less when one is confirmed."""
    everything = document(snapshot(people(1, 2)), lang).unconfirmed
    assert [line.key for line in everything] == list(KEYS)
    assert all(line.label and line.text for line in everything)
    assert [line.key for line in normal(lang).unconfirmed] == [key for key in KEYS if key != "kpi.target"]


@pytest.mark.parametrize("lang", LANGS)
def test_every_value_of_a_setting_has_words(lang: Lang) -> None:
    """Both answers of each choice are worded, and never as a code."""
    choices = (
        Rules(),
        Rules(
            kpi_target=Decimal("80.5"),
            kpi_scoring="five_level_linear",
            kpi_level_thresholds=tuple(Decimal(one) for one in (60, 65, 70, 75, 80)),
            kpi_cumulative=False,
            rounds_preset="quarters",
            membership_count_by="seat",
            membership_withdrew=False,
            membership_passed_late="same_year",
        ),
        Rules(rounds_preset="three_six_nine_twelve"),
    )
    words = {key: {setting_words(key, rules, lang) for rules in choices} for key in KEYS}
    assert len(words["rounds.preset"]) == 3
    assert {key for key, told in words.items() for one in told if "_" in one or one in {"True", "False", ""}} == set()
    if lang == "th":
        assert words["kpi.target"] == {"ยังไม่กำหนด", "ร้อยละ 80.5"}
        assert words["kpi.level_thresholds"] == {"ยังไม่กำหนด", "60 / 65 / 70 / 75 / 80"}
        assert words["course.pass_rule"] == {"ครบทุกข้อของ e1, e2, e3, e4, e5 และ อย่างน้อย 1 ข้อของ e6, e7"}


# -- units, people, overrides -----------------------------------------------------------------------------------------


def test_units_stand_in_the_order_of_a_dictionary_and_numbers_in_theirs() -> None:
    """By the names that people read; the second office stands before the tenth, and the total at the end."""
    of = normal()
    assert [row.name.removesuffix(" จังหวัดสาธิต") for row in of.units] == [
        "กองทดสอบ",
        "ศูนย์ทดสอบที่ 2",
        "ศูนย์ทดสอบที่ 10",
        "สำนักส่งเสริมการทดสอบและน้ำสะอาด",
    ]
    assert (of.total.a, of.total.b, of.total.percent) == (22, 31, Decimal("70.97"))


def test_small_units_are_hidden_with_the_reason() -> None:
    """A unit with fewer people than the setting tells no number, and neither does the one that would betray it."""
    small = [*people(8, 10), *(seat(f"q{one}", "pass", unit="u2") for one in range(2))]
    rows = {
        row.key: row
        for row in document(snapshot([*small, seat("r", "pass", unit="u3", check_ins=(), attempts=())])).units
    }
    assert (rows["u2"].b_text, rows["u2"].hidden, rows["u2"].b) == ("n<5", "small", None)
    assert (rows["u1"].b_text, rows["u1"].hidden, rows["u1"].a) == ("ปกปิด", "protects", None)
    assert (rows["u3"].b, rows["u3"].percent_text) == (0, "ไม่มีข้อมูล (N/A)")


def test_people_are_listed_only_for_a_reader_who_may_see_names() -> None:
    """Without names there is no list at all; with names it is in the order of units and names."""
    of = snapshot(people(2, 4, 2))
    assert document(of).people is None
    listed = document(of, names=named(of)).people
    assert listed is not None
    assert [row.key for row in listed] == ["p003", "p001", "p000", "p002"]


def test_rows_explain_each_person_in_words() -> None:
    """Status, result, reason with a sentence, in or out of B and A; the key stands for a name that is not shown."""
    of = snapshot([*people(1, 2), *absent_and_waiting()])
    rows = {row.key: row for row in explain_rows(of, particulars(), "th")}
    assert set(rows) == {member.key for member in of.members}
    passed, absent = rows["p000"], rows["absent"]
    assert (passed.shown, passed.name, passed.status_word, passed.result_word) == (
        "p000",
        "",
        "เข้ารับการอบรม",
        "ผ่านเกณฑ์",
    )
    assert (passed.in_b, passed.in_a, absent.in_b, absent.in_a) == (True, True, False, False)
    assert (absent.result, absent.result_word, absent.reason_word) == (None, "–", "ไม่มารายงานตัว")
    assert absent.why.startswith("ลงทะเบียนแล้วแต่ไม่มา")
    known = {row.key: row.shown for row in explain_rows(of, particulars(names=named(of)), "en")}
    assert known["p001"] == "นายน้ำใจ ป้องปก"


def test_every_override_stays_visible_and_names_only_where_they_may_be_seen() -> None:
    """Who, when, why, from what to what, in the order of time; the attempt stands for the person."""
    of = snapshot(people(2, 4))
    later = OVERRIDE.model_copy(update={"at": AFTER.replace(hour=9), "attempt": "attempt-0043"})
    rows = document(of, overrides=(later, OVERRIDE)).overrides
    assert [row.about for row in rows] == ["attempt-0042", "attempt-0043"]
    assert (rows[0].at_text, rows[0].by, rows[0].change, rows[0].reason) == (
        "10 มี.ค. 2570 10:00 น.",
        "วิทยากร ทดสอบ",
        "ไม่ผ่าน → ผ่าน",
        "ตรวจซ้ำด้วยมือแล้วถูกต้อง",
    )
    assert document(of, overrides=(OVERRIDE,), names=named(of)).overrides[0].about == "นายน้ำใจ ป้องปก · attempt-0042"


# -- where it comes from ----------------------------------------------------------------------------------------------


def test_the_source_names_the_snapshot_and_what_it_replaces() -> None:
    """The whole digest, and of a correction the one that it replaces with the reason."""
    first = snapshot(people(1, 2))
    second = snapshot(people(2, 2), replaces=Replaces(sha256=first.sha256, reason="ผลตรวจซ้ำ"))
    told = {line.key: line.text for line in document(second).source}
    assert (told["sha256"], told["replaces"], told["replaces_reason"]) == (second.sha256, first.sha256, "ผลตรวจซ้ำ")
    assert (told["cutoff"], told["period"]) == ("28 ก.พ. 2570 23:59 น.", "1 ต.ค. 2569 ถึง 28 ก.พ. 2570")
    assert "replaces" not in {line.key for line in document(first).source}


def test_a_certified_report_says_who_when_and_in_spite_of_what() -> None:
    """The name, the moment, what stood against certifying and the reason of the certifier."""
    of = snapshot([*people(1, 2), seat("waiting", "grading")])
    waiting = submit(draft(of, by="เจ้าหน้าที่"), at=AFTER)
    done = certify(waiting, of, by="c1", at=AFTER, certifiers={"c1"}, overrode=set(), reason="ครบกำหนดส่ง")
    told = document(of, report=done, certified_by="นางสาวรับรอง ทดสอบ")
    assert (told.state_word, told.field("certifier").text) == (
        "รับรองแล้ว",
        "นางสาวรับรอง ทดสอบ · รับรองเมื่อ 10 มี.ค. 2570 10:00 น.",
    )
    source = {line.key: line.text for line in told.source}
    assert (source["despite"], source["reason"]) == ("มีผลงานที่ยังตรวจไม่เสร็จ 1 คน", "ครบกำหนดส่ง")


def test_a_report_of_another_snapshot_is_refused() -> None:
    """Figures and signatures that do not belong together never get onto one page."""
    with pytest.raises(UsageProblem) as problem:
        document(snapshot(people(1, 2)), report=draft(snapshot(people(2, 2)), by="x"))
    assert problem.value.code == "kpi.other_snapshot"


def test_the_name_of_a_file_tells_year_round_and_day() -> None:
    """In the Buddhist era, and without anything of a code that a file system could take amiss."""
    assert file_name(normal(), "xlsx") == "kpi_2570-r1_asof-25700310.xlsx"
    odd = snapshot([], round_=CALENDAR[0].model_copy(update={"code": "../ร1"}))
    assert file_name(document(odd), "pdf") == "kpi_2570-----1_asof-25700310.pdf"
