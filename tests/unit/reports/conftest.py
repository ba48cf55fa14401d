"""A small exercise through the real models, and verdicts of every kind made by the real judge."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.errors import BuildFailed, InfrastructureFault, StartFailed, SubmissionRejected
from grader.evidence import (
    CheckEvidence,
    Evidence,
    Exchange,
    Finding,
    LogWindow,
    Phase,
    Request,
    Response,
)
from grader.packs import Check, Exercise, Pack, PassRule, Text, Weights
from grader.packs.model import Family
from grader.verdict import Note, RunFacts, Verdict, judge, judge_fault

HOSTILE = "<script>alert(1)</script> [bold red]x[/] \x1b[2J\x1b]0;title\x07 \u202eevil\u2066 & 'q'"
"""What a hostile service may answer: markup, terminal escapes, direction marks."""


def _check(
    check: str, family: Family, points: int, th: str, en: str, *, mandatory: bool = False, hint: str = ""
) -> Check:
    return Check(
        id=check,
        family=family,
        mandatory=mandatory,
        points=points,
        title=Text(th=th, en=en),
        hint=Text(th=hint, en="Codes are text, not numbers.") if hint else None,
        task="1" if "-S" in check else "",
    )


@pytest.fixture
def pack() -> Pack:
    """An exercise with three scenarios, the contract and three universal checks; 100 points."""
    checks = (
        _check(
            "E1-S1",
            "scenario",
            30,
            "รหัสหน่วยบริการเป็นข้อความ เลขศูนย์นำหน้าไม่หาย",
            "Facility codes keep their leading zeros",
            mandatory=True,
            hint="อย่าแปลงรหัสเป็นตัวเลข ใช้ชนิดข้อความตลอดทาง",
        ),
        _check(
            "E1-S2", "scenario", 20, "ทุกหน้ารวมกันครบ ไม่ซ้ำ เรียงถูกต้อง", "All pages hold each facility once", mandatory=True
        ),
        _check("E1-S6", "scenario", 10, "จำนวนเตียงที่ไม่ใช่ตัวเลขเป็น null", "bed is null when it is no number"),
        _check("C", "contract", 35, "คำสั่ง API ครบตามสัญญา", "The operations follow the contract"),
        _check(
            "U1", "contract", 2, "ไม่มีคำตอบ 5xx และคำตอบตรงตามสัญญา API", "No 5xx and no broken answer", mandatory=True
        ),
        _check("U3", "privacy", 2, "บันทึกการทำงานไม่มีข้อมูลส่วนบุคคล", "No personal data in logs", mandatory=True),
        _check("U5", "resilience", 1, "หยุดภายใน 10 วินาทีเมื่อได้รับ SIGTERM", "SIGTERM stops within 10 s"),
    )
    return Pack(
        root=Path("e1"),
        exercise=Exercise(
            schema=1,
            id="e1",
            version="1.0.0",
            level="beginner",
            hours=3,
            runtimes=("python",),
            title=Text(th="สมุดหน่วยบริการ", en="Facility book"),
            summary=Text(th="อ่านทะเบียนหน่วยบริการ", en="Read the facility register"),
            pass_rule=PassRule(points=80, confirmed=False),
            weights=Weights(universal=5, contract=35, scenario=60),
        ),
        checks={check.id: check for check in checks},
        contract={},
        operations=(),
        digest="sha256:" + "ab" * 32,
    )


@pytest.fixture
def facts() -> RunFacts:
    """One run, started at a moment that is another day in Bangkok."""
    return RunFacts(
        submission="sha256:" + "cd" * 32,
        notes=(
            Note(code="receipt.left_out", params={"names": f".git, {HOSTILE}"}),
            Note(code="receipt.lock_ignored"),
        ),
        grader_version="0.1.0",
        images={"probe": "sha256:" + "ef" * 32, "app": "sha256:" + "12" * 32},
        seed=4711,
        started_at=datetime(2026, 11, 21, 18, 5, tzinfo=timezone(timedelta(0))),
        phases=(
            Phase(name="intake", seconds=0.4),
            Phase(name="build", seconds=11.25),
            Phase(name="start", seconds=1.2),
            Phase(name="contract", seconds=9.1),
            Phase(name="scenarios", seconds=6.3),
        ),
    )


def exchange(path: str, status: int | None, body: str = "", *, method: str = "GET", sent: str = "") -> Exchange:
    """One request with its answer; ``status`` None means that none came."""
    answer = None if status is None else Response(status=status, body=body, size=len(body.encode()), elapsed_ms=12.5)
    return Exchange(
        method=method,
        path=path,
        request=Request(method=method, path=path, headers={"Accept": "application/json", "User-Agent": "x"}, body=sent),
        response=answer,
        curl=f"curl http://app:8080{path}",
    )


def broken_evidence() -> Evidence:
    """A service with a wrong code, a lost row, a crash on bad input (seen by two checks) and hostile answers."""
    crash = Finding(
        check="C",
        code="contract.server_error",
        operation="listFacilities",
        params={"status": 500},
        exchange=exchange("/facilities?limit=x&q=%27%20OR%201%3D1%20--", 500, HOSTILE + "\n\tTraceback …"),
        log=LogWindow(
            start=118,
            end=121,
            lines=(
                "INFO request GET /facilities?limit=x",
                'File "/app/main.py", line 41, in list_facilities',
                "ValueError: invalid literal for int() with base 10: 'x'",
                HOSTILE,
            ),
        ),
        count=38,
    )
    return Evidence(
        checks={
            "E1-S1": CheckEvidence(
                check="E1-S1",
                outcome="fail",
                findings=(
                    Finding(
                        check="E1-S1",
                        code="response.status",
                        operation="getFacility",
                        at="$.status",
                        expected=404,
                        got=200,
                        exchange=exchange("/facilities/712", 200, '{"data": {"hoscode": 712, "name": "รพ.สต.สาธิต"}}'),
                        steps=("ขอหน่วยบริการ 00712", "ขอหน่วยบริการ 712 ซึ่งไม่มีอยู่"),
                    ),
                    Finding(
                        check="E1-S1",
                        code="response.value",
                        operation="getFacility",
                        at="data",
                        expected={"hoscode": "00712", "type": {"code": "05", "name": "รพ.สต."}},
                        got={"hoscode": 712, "type": {"code": "05", "name": "รพ.สต."}, "name": "รพ.สต.สาธิต"},
                        exchange=exchange("/facilities/00712", 200, '{"data": {"hoscode": 712}}'),
                    ),
                ),
            ),
            "E1-S2": CheckEvidence(check="E1-S2", outcome="pass"),
            "E1-S6": CheckEvidence(
                check="E1-S6",
                outcome="pass",
                intermittent=(
                    Finding(
                        check="E1-S6",
                        code="response.slow",
                        operation="getFacility",
                        exchange=exchange("/facilities/00712", None),
                    ),
                ),
            ),
            "C": CheckEvidence(check="C", outcome="fail", share=(2, 3), findings=(crash,)),
            "U1": CheckEvidence(check="U1", outcome="fail", findings=(crash.model_copy(update={"check": "U1"}),)),
            "U3": CheckEvidence(check="U3", outcome="pass"),
        }
    )


@pytest.fixture
def failed(pack: Pack, facts: RunFacts) -> Verdict:
    """A verdict with shared causes, several causes of one check, an intermittent one and a check that did not run."""
    return judge(broken_evidence(), pack, facts=facts)


@pytest.fixture
def passed(pack: Pack, facts: RunFacts) -> Verdict:
    """A full pass."""
    evidence = {check: CheckEvidence(check=check, outcome="pass") for check in pack.checks}
    evidence["C"] = CheckEvidence(check="C", outcome="pass", share=(3, 3))
    return judge(Evidence(checks=evidence), pack, facts=facts)


@pytest.fixture
def faults(pack: Pack, facts: RunFacts) -> dict[str, Verdict]:
    """A verdict of each kind of grading that stopped early, by outcome."""
    log = ("Collecting flask-restt==9", "ERROR: No matching distribution found", HOSTILE)
    errors = (
        SubmissionRejected("archive.path_traversal", name="../" + HOSTILE),
        BuildFailed("build.package_not_found", package="flask-restt", file="requirements.txt", line=3, log=log),
        StartFailed("start.not_ready", seconds=60, log=log),
        InfrastructureFault("infrastructure.probe_failed", phase="contract"),
    )
    return {verdict.outcome: verdict for verdict in (judge_fault(error, pack, facts) for error in errors)}
