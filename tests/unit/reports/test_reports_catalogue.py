"""Every code has words in both languages, and no value can break a sentence."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from grader.reports.catalogue import LANGS, Lang, catalogue, explain, fill, label, labels, placeholders, sentence

SOURCE = Path(__file__).parents[3] / "grader"
TEXTS = SOURCE / "reports" / "texts"
FAMILIES = "|".join(sorted(path.stem for path in TEXTS.glob("*.toml")))
CODE = re.compile(rf"(?:{FAMILIES})\.[a-z][a-z0-9_]*[a-z0-9]")
FILE_NAMES = re.compile(
    r".*\.(?:py|js|php|toml|json|md|txt|yaml|css|csv|xml|html|sql|sqlite3|jsonl|log|lock|sock|tar|pid)"
)
NAMING_CALLS = frozenset({"audit", "say", "word", "reached", "ForeignKey", "ForeignKeyConstraint"})
"""Calls whose first value is a name of another kind: of an audit entry, a word of the command, a point, a column."""
NAMING_FILES = ("cli/words.py", "faultpoints.py", "records/migrations/")
"""Where nothing but such names stands."""
PROMISED = re.findall(
    r"\S+",
    """
    response.status response.value response.missing_field response.not_json response.shape
    response.unexpected_shape response.too_large response.too_deep response.slow response.headers_too_large
    response.protocol response.encoded response.redirect list.duplicate list.missing list.unexpected list.order
    list.page_size list.endless count.value agency.too_many_statements app.no_answer app.crashed
    contract.server_error contract.undocumented_status contract.content_type contract.schema
    contract.accepts_invalid contract.rejects_valid contract.headers contract.operation_missing
    contract.example_refused contract.not_tested error.not_problem_json error.problem_body
    privacy.secret_in_source privacy.cid_in_source privacy.person_in_log repeat.differs latency.slow
    latency.too_big stop.ignored_sigterm scenario.assertion build.package_not_found build.no_wheel
    build.version_not_found build.conflict build.timeout build.too_large build.index_unreachable build.failed
    start.not_ready start.unhealthy start.exited start.syntax_error start.no_listener start.wrong_interface
    start.out_of_memory run.crashed run.out_of_memory environment.engine_missing environment.engine_not_running
    environment.image_missing environment.image_build_failed environment.disk_full environment.not_root
    environment.subnet_exhausted
    """,
)


def _codes_in(source: str, actions: frozenset[str] = frozenset()) -> Iterator[str]:
    """Whole string literals that are codes; file names, modules that exist and places in a pack are none.

    Neither are names of another kind, which are told by the call that they stand in, or are values of a type; of
    ``actions``, names of audit entries, also elsewhere. What is raised is always a code.
    """
    tree = ast.parse(source)
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    others = {id(keyword.value) for keyword in keywords if keyword.arg == "where"}
    others |= {id(node) for call, names in _named(tree) for node in names if call in NAMING_CALLS}
    others |= {id(node) for one in ast.walk(tree) if _is_type(one) for node in ast.walk(one)}
    raised = {id(node) for one in ast.walk(tree) if isinstance(one, ast.Raise) for node in ast.walk(one)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            module = SOURCE.joinpath(*node.value.split("."))
            is_file = FILE_NAMES.fullmatch(node.value) or module.exists() or module.with_suffix(".py").exists()
            is_action = node.value in actions and id(node) not in raised
            if not is_file and not is_action and id(node) not in others:
                yield node.value


def _is_type(node: ast.AST) -> bool:
    """Whether this says which values there are, and uses none."""
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal"


def _named(tree: ast.AST) -> Iterator[tuple[str, list[ast.Constant]]]:
    """Each call by the last part of its name, with the literals of its first value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, [one for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]


@cache
def _sources() -> dict[str, str]:
    """The modules that may hold codes, by their path below the package."""
    found = {path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py")}
    return {name: text for name, text in found.items() if not name.startswith(NAMING_FILES)}


@cache
def _actions() -> frozenset[str]:
    """The names of all audit entries."""
    trees = (ast.parse(text) for text in _sources().values())
    calls = (names for tree in trees for call, names in _named(tree) if call == "audit")
    return frozenset(str(one.value) for names in calls for one in names)


def _used() -> dict[str, str]:
    """Every code of the source, and a module that it stands in."""
    return {code: name for name, text in _sources().items() for code in _codes_in(text, _actions())}


GENERAL = ("pack.", "infrastructure.")
"""Families whose codes may share one wording, because their reader acts on the params."""


def _explained(code: str, lang: Lang) -> bool:
    words = catalogue(lang)
    return code in words or (code.startswith(GENERAL) and f"{code.partition('.')[0]}.any" in words)


def test_scan_finds_codes_and_only_codes() -> None:
    """The scan below sees a code in a call and passes over file names."""
    assert list(_codes_in('raise BuildFailed("build.no_wheel", file="pack.toml", where="contract.seed")')) == [
        "build.no_wheel"
    ]
    others = """
change.audit("round.created", made, after={"state": "round.unknown"})
say("roster.planned" if dry else "worker.started", language, hint="queue.wrong_state")
_EVENTS = ((Submission.id, "submission.received"), "records.sqlite3", ForeignKey("regrade.id"), "regrade.nothing")
Scope: TypeAlias = Literal["kpi.read"]
raise UsageProblem("submission.received")
"""
    assert sorted(_codes_in(others, frozenset({"submission.received"}))) == [
        "queue.wrong_state",
        "regrade.nothing",
        "round.unknown",
        "submission.received",
    ]


def test_every_code_of_the_source_is_explained() -> None:
    """A code that the grader can report without words in both languages is a bug."""
    used = _used()
    assert used, "the scan found no code at all"
    unexplained = {lang: {code: path for code, path in used.items() if not _explained(code, lang)} for lang in LANGS}
    assert unexplained == {lang: {} for lang in LANGS}


def test_every_note_of_a_receipt_can_be_given() -> None:
    """Its words are few enough to be held to the code in both directions: none is there for a note that is no more."""
    assert {code for code in catalogue("en") if code.startswith("receipt.")} == {
        code for code in _used() if code.startswith("receipt.")
    }


@pytest.mark.parametrize("lang", LANGS)
def test_every_promised_code_is_explained(lang: Lang) -> None:
    """The codes of the design are in the catalogue even before a module reports them."""
    assert [code for code in PROMISED if code not in catalogue(lang)] == []


@pytest.mark.parametrize("lang", LANGS)
def test_templates_use_named_values_and_close_their_brackets(lang: Lang) -> None:
    """A placeholder is a lower-case name, and no bracket or brace is left over after filling."""
    for code, wording in catalogue(lang).items():
        for template in wording.templates():
            values = dict.fromkeys(placeholders(template), "v")
            assert not re.search(r"[{}|]", fill(template, values)), (code, template)
            assert not re.search(r"[{}|]", fill(template, {})), (code, template)
            assert template.count("[") == template.count("]"), (code, template)


def test_both_languages_use_the_same_values() -> None:
    """A translation that drops a value would hide something from half of the readers."""
    english = catalogue("en")
    unlike = {
        code: (wording.text, english[code].text)
        for code, wording in catalogue("th").items()
        if placeholders(wording.text) != placeholders(english[code].text)
    }
    assert unlike == {}


def test_thai_and_english_are_written_in_their_own_script() -> None:
    """Thai texts hold Thai letters and English texts hold none."""
    thai = re.compile(r"[\u0e00-\u0e7f]")
    for lang in LANGS:
        for code, wording in catalogue(lang).items():
            filled = [fill(template, {"fix": "แก้" if lang == "th" else "mend"}) for template in wording.templates()]
            assert all(bool(thai.search(words)) == (lang == "th") for words in filled if words), (code, filled)


@pytest.mark.parametrize("lang", LANGS)
def test_sentences_survive_missing_values(lang: Lang) -> None:
    """Without any value every sentence is still words, without a hole, a double blank or a placeholder."""
    for code in catalogue(lang):
        words = sentence(code, {}, lang)
        assert words.strip(" .–"), code
        assert "  " not in words, code
        assert not re.search(r" [.,;:](?!\.)", words), code
        if code != "verdict.unknown":
            assert "–" not in words, code


@pytest.mark.parametrize("lang", LANGS)
def test_an_unknown_code_gets_a_sentence_that_shows_it(lang: Lang) -> None:
    """A code from a newer grader never breaks a report."""
    words = explain("quantum.flux", {"anything": 1}, lang)
    assert "quantum.flux" in words.sentence
    assert words.next_step


def test_optional_parts_and_alternatives() -> None:
    """A part in brackets disappears or changes its wording when a value is unknown; double brackets are plain."""
    template = "a[ {x}| none][ and {y}] b[[c]]"
    assert fill(template, {"x": 1, "y": 2}) == "a 1 and 2 b[c]"
    assert fill(template, {"x": None, "y": ""}) == "a none b[c]"
    assert fill("{x}", {}) == "–"


def test_values_are_data_and_never_templates() -> None:
    """A hostile value is cleaned, cut, put on one line and not filled again."""
    shown = fill("[{path}]", {"path": "{code}[x]\x1b[2J\u202e\n" + "y" * 500, "code": "no"})
    assert shown.startswith("{code}[x] yyy")
    assert len(shown) == 120


def test_status_sentence_names_request_and_both_statuses() -> None:
    """The most frequent finding says what was sent, what came and what was asked for."""
    values = {"method": "GET", "path": "/facilities/712", "got": "200 OK", "expected": "404 Not Found"}
    assert sentence("response.status", values, "th") == (
        "ส่ง GET /facilities/712 แล้วบริการตอบ 200 OK แต่โจทย์กำหนดให้ตอบ 404 Not Found"
    )
    assert sentence("response.status", values, "en") == (
        "GET /facilities/712: the service answered 200 OK, but the exercise asks for 404 Not Found."
    )


def test_labels_exist_in_both_languages() -> None:
    """Every fixed word has both languages and the same values in them."""
    for name, words in labels().items():
        assert set(words) == set(LANGS), name
        assert placeholders(words["th"]) == placeholders(words["en"]), name


def test_a_missing_label_is_a_bug() -> None:
    """Labels are ours: a wrong name fails loudly instead of printing nothing."""
    with pytest.raises(KeyError):
        label("no_such_label", "th")


def test_a_family_of_our_own_faults_has_general_words() -> None:
    """A code of ours or of the author without words of its own keeps its code and is still explained."""
    words = explain("infrastructure.brand_new", {"detail": "x"}, "en")
    assert words.code == "infrastructure.brand_new"
    assert "(x)" in words.sentence
    assert "not your fault" in words.sentence


def test_infrastructure_never_blames_the_trainee() -> None:
    """Each sentence of our own faults says so in both languages."""
    for code in catalogue("th"):
        if code.startswith("infrastructure."):
            assert "ไม่ใช่ความผิดของท่าน" in sentence(code, {}, "th"), code
            assert "not your fault" in sentence(code, {}, "en"), code
