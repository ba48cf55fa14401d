"""What a person reads on a terminal: order, width, marks with words, and nothing of a hostile answer's tricks."""

import io
import re
import unicodedata

import pytest
from rich.cells import cell_len
from rich.console import Console

from grader.packs import Pack
from grader.reports import LANGS, RENDERERS, Lang, label
from grader.reports.terminal import render, text
from grader.reports.wrapping import wrap
from grader.verdict import Verdict

COMMANDS = re.compile(r"^\s*(?:curl|grader check) ")
"""Lines that are meant to be copied whole, so they are never broken."""


@pytest.mark.parametrize("lang", LANGS)
def test_eighty_columns_are_enough(failed: Verdict, faults: dict[str, Verdict], pack: Pack, lang: Lang) -> None:
    """No line but a command to copy is wider than the terminal."""
    for verdict in (failed, *faults.values()):
        wide = [
            line for line in text(verdict, pack, lang).splitlines() if cell_len(line) > 80 and not COMMANDS.match(line)
        ]
        assert wide == []


def test_the_band_comes_first_and_the_result_last(failed: Verdict, pack: Pack) -> None:
    """The first and the last thing to read is the outcome with its points; the rule is marked unconfirmed."""
    lines = text(failed, pack, "th").rstrip().splitlines()
    assert "✗ ไม่ผ่าน" in lines[1]
    assert "55 / 100 คะแนน" in lines[1]
    assert "เกณฑ์ผ่าน 80 · ยังไม่ยืนยัน" in lines[1]
    assert lines[-1].startswith("✗ ไม่ผ่าน   55 / 100 คะแนน")


def test_sections_stand_in_the_order_to_read(failed: Verdict, pack: Pack) -> None:
    """Groups, what to mend, seen once, not run, what was noticed, time."""
    shown = text(failed, pack, "en")
    places = [
        shown.index(words)
        for words in (
            *("Points by group", "What to mend (3)", "Seen only once", "Not run (1)"),
            *("Noticed when it was received (2)", "Time"),
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("lang", "words"), [("th", "ไฟล์ lock ไม่ตรงกับไลบรารีที่ระบุ"), ("en", "The lock file does not fit the listed libraries")]
)
def test_what_was_noticed_is_shown_whatever_the_outcome(
    passed: Verdict, faults: dict[str, Verdict], pack: Pack, lang: Lang, words: str
) -> None:
    """On the terminal and on the page, with what to do about it; without notes there is no such section."""
    silent = passed.model_copy(update={"facts": passed.facts.model_copy(update={"notes": ()})})
    for name in ("terminal", "html"):
        for verdict in (passed, *faults.values()):
            shown = RENDERERS[name](verdict, pack, lang)
            assert words in " ".join(shown.split())
            assert "npm install" in shown
        assert label("notes", lang) not in RENDERERS[name](silent, pack, lang)


def test_a_shared_cause_is_one_card(failed: Verdict, pack: Pack) -> None:
    """The crash that two checks saw is shown once, with both checks and all their points."""
    shown = text(failed, pack, "en")
    assert shown.count("The service fails inside") == 1
    assert "one cause in 2 checks  −14 points" in shown
    assert "--only C --only U1 --seed 4711" in shown
    assert "requests with the same result: 37 more" in shown


def test_only_differing_fields_are_compared(failed: Verdict, pack: Pack) -> None:
    """A code that became a number is shown with its quotes; the equal type is not shown."""
    shown = text(failed, pack, "en")
    assert re.search(r'data\.hoscode\n\s+− Expected\s+"00712"\n\s+\+ Received\s+712\n', shown)
    assert "data.type" not in shown


def test_the_hint_and_the_steps_are_there(failed: Verdict, pack: Pack) -> None:
    """The card has the steps with the failing one marked, the hint and the command to repeat."""
    shown = text(failed, pack, "th")
    assert "✓ ขอหน่วยบริการ 00712" in shown
    assert "✗ ขอหน่วยบริการ 712 ซึ่งไม่มีอยู่" in shown
    assert "คำแนะนำเพื่อแก้ไข: อย่าแปลงรหัสเป็นตัวเลข" in shown
    assert "grader check . --exercise e1 --only E1-S1 --seed 4711" in shown


def test_log_and_request_stand_on_the_card(failed: Verdict, pack: Pack) -> None:
    """The request, a command for the reader's own machine and the log window are shown."""
    shown = text(failed, pack, "en")
    assert "http://localhost:8080/facilities?limit=x" in shown
    assert "app:8080" not in shown
    assert "lines 118–121" in shown
    assert "ValueError: invalid literal" in shown


def test_untrusted_text_cannot_control_the_terminal(failed: Verdict, faults: dict[str, Verdict], pack: Pack) -> None:
    """No control or direction mark leaves, and markup of a body is printed as it is."""
    for verdict in (failed, *faults.values()):
        shown = text(verdict, pack, "th")
        assert {char for char in shown if unicodedata.category(char) in {"Cc", "Cf"}} <= {"\n"}
    assert "[bold red]x[/]" in text(failed, pack, "th")


def test_colour_only_where_it_is_wanted(failed: Verdict, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colour, NO_COLOR and a pipe get none, and the words are the same."""
    shown = {}
    for name, terminal, no_color in (("terminal", True, ""), ("no_color", True, "1"), ("pipe", False, "")):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setenv("TERM", "xterm-256color")
        out = io.StringIO()
        render(failed, pack, "th", Console(file=out, width=80, force_terminal=terminal))
        shown[name] = out.getvalue()
    colour = re.compile(r"\x1b\[[0-9;]*3[0-7]m|\x1b\[[0-9;]*3[0-7];")
    assert colour.search(shown["terminal"])
    assert not colour.search(shown["no_color"])
    assert "\x1b" not in shown["pipe"]
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown["terminal"]) == shown["pipe"]


def test_a_pass_has_nothing_to_mend(passed: Verdict, pack: Pack) -> None:
    """A pass shows its points and no card."""
    shown = text(passed, pack, "th")
    assert "✓ ผ่าน   100 / 100 คะแนน" in shown
    assert "สิ่งที่ต้องแก้" not in shown


def test_a_stopped_grading_says_why_and_what_to_do(faults: dict[str, Verdict], pack: Pack) -> None:
    """Each kind of fault has its word, its sentence, its next step and the end of its log."""
    build = text(faults["build_failed"], pack, "th")
    assert "✗ สร้างไม่สำเร็จ" in build
    assert "ไม่พบไลบรารี flask-restt ในแหล่งไลบรารี (requirements.txt บรรทัด 3)" in build
    assert "ERROR: No matching distribution found" in build
    assert "สิ่งที่ควรทำ: ตรวจตัวสะกด" in build
    assert "✗ เริ่มระบบไม่สำเร็จ" in text(faults["start_failed"], pack, "th")
    assert "⚠ ระบบตรวจขัดข้อง (ไม่นับครั้ง)" in text(faults["infrastructure"], pack, "th")


def test_the_reason_of_a_stop_is_also_the_last_thing_to_read(faults: dict[str, Verdict], pack: Pack) -> None:
    """Checks that did not run are named on few lines, and the sentence and the next step stand below the result."""
    lines = text(faults["start_failed"], pack, "en").rstrip().splitlines()
    last = [line for line in lines if line.startswith("✗ Start failed")]
    below = " ".join(lines[lines.index(last[-1]) + 1 :])
    assert "The service was started, but GET /healthz did not answer 200 within 60 s." in " ".join(below.split())
    assert "What to do:" in below
    assert any("E1-S1★ E1-S2★ E1-S6 C U1★ U3★ U5" in line for line in lines)


def test_a_number_stays_with_its_unit() -> None:
    """A no-break space holds words together that a person reads as one."""
    assert wrap("รวม\N{NO-BREAK SPACE}24.5\N{NO-BREAK SPACE}s", 8)[0].startswith("รวม")
    assert wrap("one 24.5\N{NO-BREAK SPACE}s", 9) == ["one", "24.5\N{NO-BREAK SPACE}s"]


@pytest.mark.parametrize("width", [20, 37, 80])
def test_wrapping_keeps_every_letter_and_the_width(width: int) -> None:
    """Thai without spaces is broken at the width, nothing is lost, and no mark is parted from its letter."""
    words = "เริ่มบริการเป็นโปรแกรมหลักและไม่ดักสัญญาณไว้เฉยๆพื้นที่ดิสก์เหลือน้อย https://localhost/" + "x" * 90
    lines = wrap(words, width)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)
    assert not any(unicodedata.category(line[0]) == "Mn" or line[0] in "ะาำ" for line in lines if line)
    assert not any(line.endswith(tuple("เแโใไ")) for line in lines)


def test_wrapping_breaks_before_a_linking_word() -> None:
    """Where it can, a line ends at a word's edge."""
    assert wrap("ดูบันทึกของบริการแล้วแก้ให้ถูกต้อง", 15) == ["ดูบันทึกของบริการ", "แล้วแก้ให้ถูกต้อง"]
