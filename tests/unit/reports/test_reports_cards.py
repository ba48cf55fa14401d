"""What stands on a card: steps, types, commands that run anywhere, and logs that tell something."""

import shlex

import pytest

from grader.evidence import CheckEvidence, Evidence, Exchange, Finding, LogWindow, Request, Response
from grader.packs import Pack
from grader.reports.cards import Card, failure_cards
from grader.reports.curl import local_curl
from grader.reports.logs import readable
from grader.verdict import RunFacts, judge

TRACE = (
    "Traceback (most recent call last):",
    '  File "/opt/venv/lib/python3.11/site-packages/flask/cli.py", line 245, in locate_app',
    "    __import__(module_name)",
    '  File "<frozen runpy>", line 88, in _run_code',
    '  File "/app/answers.py", line 63',
    "    def broken(:",
    "               ^",
    "SyntaxError: invalid syntax",
)
STARTED = LogWindow(start=1, end=2, lines=("INFO:     Started server process [7]", "INFO:     startup complete."))


def asked(path: str, status: int, *, method: str = "GET", body: str = "") -> Exchange:
    """One exchange."""
    return Exchange(
        method=method,
        path=path,
        request=Request(method=method, path=path, headers={"Accept": "text/plain; q=1"} if body else {}, body=body),
        response=Response(status=status, body="{}", size=2, elapsed_ms=1.0),
        curl="",
    )


def cards_of(pack: Pack, facts: RunFacts, *findings: Finding) -> tuple[Card, ...]:
    """The English cards of one failed check."""
    failed = CheckEvidence(check=findings[0].check, outcome="fail", findings=findings)
    evidence = Evidence(checks={failed.check: failed})
    return failure_cards(judge(evidence, pack, facts=facts), pack, "en")


def test_the_step_of_the_findings_own_request_is_the_failed_one(pack: Pack, facts: RunFacts) -> None:
    """A list that is wrong on its first page does not blame the last page that was read."""
    steps = ("all pages", "GET /facilities?limit=2 200", "GET /facilities?limit=2&cursor=x 200")
    finding = Finding(check="E1-S2", code="list.order", steps=steps, exchange=asked("/facilities?limit=2", 200))
    (card,) = cards_of(pack, facts, finding)
    assert [(step.text, step.failed) for step in card.steps] == [
        ("all pages", False),
        ("GET /facilities?limit=2 → 200", True),
        ("GET /facilities?limit=2&cursor=x → 200", False),
    ]


def test_a_wrong_type_is_shown_with_both_types(pack: Pack, facts: RunFacts) -> None:
    """A number where text belongs looks right until its type stands beside it."""
    finding = Finding(
        check="U1",
        code="contract.schema",
        operation="list",
        at="data[].postcode",
        params={"rule": "type"},
        expected=["null", "string"],
        got=97100,
        exchange=asked("/facilities", 200),
    )
    (card,) = cards_of(pack, facts, finding)
    (unlike,) = card.differences
    assert (unlike.expected, unlike.got) == ("type null | string", "97100  (integer)")
    assert card.explanation.sentence.endswith("at data[].postcode (wrong type).")


def test_the_same_code_at_another_place_is_marked(pack: Pack, facts: RunFacts) -> None:
    """Two operations with one mistake: the second card refers to what the first one says."""
    first, second, other = (
        Finding(check="C", code=code, operation=operation, exchange=asked(f"/{operation}", 200))
        for code, operation in (("contract.headers", "a"), ("contract.headers", "b"), ("contract.rejects_valid", "b"))
    )
    cards = cards_of(pack, facts, first, second, other)
    assert [(card.again, card.alike) for card in cards] == [(False, False), (True, True), (True, False)]


@pytest.mark.parametrize(
    ("status", "lines", "shown"),
    [
        (200, STARTED.lines, False),
        (500, STARTED.lines, True),
        (404, ("ERROR: relation does not exist",), True),
    ],
)
def test_a_log_is_shown_where_it_tells_something(
    pack: Pack, facts: RunFacts, status: int, lines: tuple[str, ...], *, shown: bool
) -> None:
    """Start-up lines beside a wrong value are noise; beside a 5xx, or with an error in them, they are evidence."""
    log = LogWindow(start=1, end=len(lines), lines=lines)
    finding = Finding(check="C", code="contract.schema", operation="a", exchange=asked("/a", status), log=log)
    (card,) = cards_of(pack, facts, finding)
    assert bool(card.log) is shown


def test_frames_of_libraries_are_left_out() -> None:
    """A traceback keeps its indentation and the trainee's own lines; what libraries did is counted."""
    assert readable(TRACE, "en") == (TRACE[0], "  … (2 calls inside libraries left out)", *TRACE[4:])
    node = ("TypeError: x", "    at serve (/app/index.js:3:7)", "    at next (/app/node_modules/router/i.js:9:1)", "")
    assert readable(node, "en") == (*node[:2], "    … (1 calls inside libraries left out)", "")


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/facilities/00712", "http://localhost:8080/facilities/00712"),
        ("/facilities?q=%27&limit=1", '"http://localhost:8080/facilities?q=%27&limit=1"'),
        ("/x?a[]=1", '--globoff "http://localhost:8080/x?a[]=1"'),
        ("/x?q=$(id)", "'http://localhost:8080/x?q=$(id)'"),
        ('/x?q="', "'http://localhost:8080/x?q=\"'"),
    ],
)
def test_commands_run_in_every_shell(path: str, written: str) -> None:
    """An address is quoted as sh, PowerShell and cmd understand it, and never so that a shell runs a part of it."""
    command = local_curl(asked(path, 200))
    assert command == f"curl -sS -i {written}"
    assert shlex.split(command)[-1] == f"http://localhost:8080{path}"


def test_a_body_is_sent_as_it_was() -> None:
    """Quotes in a body survive the shell."""
    command = local_curl(asked("/reports", 201, method="POST", body='{"note": "it\'s"}'))
    words = shlex.split(command)
    assert words[words.index("--data-binary") + 1] == '{"note": "it\'s"}'
    assert words[words.index("-H") + 1] == "Accept: text/plain; q=1"
