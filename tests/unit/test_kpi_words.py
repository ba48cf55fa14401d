"""Every code of the indicator has words in both languages, and docs/kpi.md says the same as the program."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from grader.kpi import KEYS, PRESETS, REASONS, KpiSettings, Move, Result, Standing, State, Status
from grader.kpi.publishing import ObstacleCode
from grader.reports.catalogue import LANGS, Lang, catalogue, labels

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kpi.md").read_text("utf-8")
TEXTS = ROOT / "grader" / "reports" / "texts"
SHOWN = {
    *(f"membership.{one}" for one in (*REASONS, *get_args(Status), *get_args(Result))),
    *KEYS,
    *get_args(ObstacleCode),
}


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading this is: code to the cells after it."""
    table = PAGE[PAGE.index(f"| {heading} |") :].partition("\n\n")[0]
    cells = [[cell.strip("` ") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize("lang", LANGS)
def test_every_code_has_words(lang: Lang) -> None:
    """Statuses, results, reasons, settings and obstacles."""
    assert {code for code in SHOWN if code not in catalogue(lang)} == set()


def test_no_words_are_left_over() -> None:
    """A text of these families that belongs to no code would never be read."""
    folders = (ROOT / "grader" / "kpi", ROOT / "grader" / "services" / "indicator")
    source = "".join(path.read_text("utf-8") for folder in folders for path in sorted(folder.glob("*.py")))
    families = {
        family: tomllib.loads((TEXTS / f"{family}.toml").read_text("utf-8"))
        for family in ("kpi", "membership", "course", "rounds")
    }
    codes = {f"{family}.{name}" for family, entries in families.items() for name in entries}
    assert {code for code in codes if code not in SHOWN and f'"{code}"' not in source} == set()


def test_every_fixed_word_is_there() -> None:
    """States, standings, moves, presets and the rounds of the presets."""
    wanted = {
        *(f"value_state_{one}" for one in get_args(State)),
        *(f"kpi_standing_{one}" for one in get_args(Standing)),
        *(f"kpi_move_{one}" for one in get_args(Move)),
        *(f"kpi_preset_{one}" for one in PRESETS),
        *(f"kpi_round_{span.code}" for spans in PRESETS.values() for span in spans),
        *(f"kpi_hidden_{one}" for one in ("small", "protects")),
    }
    assert wanted - labels().keys() == set()


@pytest.mark.parametrize(("heading", "codes"), [("status", get_args(Status)), ("result", get_args(Result))])
def test_the_tables_of_statuses_and_results_are_complete(heading: str, codes: tuple[str, ...]) -> None:
    """docs/kpi.md has each status and result with the words that reports use."""
    words = {lang: catalogue(lang) for lang in LANGS}
    expected = {one: [words[lang][f"membership.{one}"].title for lang in ("th", "en")] for one in codes}
    assert {code: cells[:2] for code, cells in rows(heading).items()} == expected


def test_the_table_of_settings_is_complete() -> None:
    """docs/kpi.md has each setting with its default and the state that it is shipped in."""
    documented = rows("setting")
    assert list(documented) == list(KEYS)
    for key, (default, state, *_) in documented.items():
        setting = KpiSettings().setting(key)
        assert state == ("confirmed" if setting.confirmed else "ยังไม่ยืนยัน"), key
        if key != "course.pass_rule":  # a rule is told in words
            assert default == {"None": "none", "True": "yes", "False": "no"}.get(str(setting.value), str(setting.value))


def test_every_refusal_is_documented() -> None:
    """docs/kpi.md lists what stands against certifying."""
    assert set(rows("obstacle")) == set(get_args(ObstacleCode))


def test_thai_words_are_those_of_the_office() -> None:
    """The statuses of the glossary, word by word."""
    words = catalogue("th")
    assert [words[f"membership.{one}"].title for one in ("no_show", "withdrew", "excluded", "grading", "repeat")] == [
        "ไม่มารายงานตัว",
        "ถอนตัวระหว่างอบรม",
        "ยกเว้นโดยได้รับอนุมัติ",
        "อยู่ระหว่างตรวจ",
        "อบรมซ้ำ",
    ]
    assert not any(re.search("สอบตก", f"{one.title}{one.text}{one.todo}") for one in words.values())
