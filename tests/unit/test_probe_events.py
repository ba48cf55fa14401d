"""The lines that leave the probe: bounded, printable, masked, and one finding for each cause."""

import json
import os
from typing import Any

import pytest

from grader.evidence import CheckEvidence, Exchange, Finding, Request, Response
from grader.packs.world import synthetic_cid
from grader.probe.events import (
    MAX_EVENT_BYTES,
    Done,
    EventStream,
    EventTooLarge,
    Failed,
    Progress,
    Result,
    merged,
    presentable,
)


def sent(*events: Done | Failed | Progress | Result) -> list[dict[str, Any]]:
    """What a reader of the stream gets."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as lines:
        # A pipe holds 64 kB: a child writes, so that long events cannot block the test.
        if os.fork() == 0:
            for event in events:
                EventStream(writing).send(event)
            os._exit(0)
        os.close(writing)
        read = lines.read()
    os.wait()
    assert all(len(line) <= MAX_EVENT_BYTES for line in read.splitlines())
    return [json.loads(line) for line in read.splitlines()]


def finding(**values: Any) -> Finding:
    """A finding of T-S1."""
    return Finding(**{"check": "T-S1", "code": "response.value", **values})


def test_each_event_is_one_line() -> None:
    """Every kind of event names itself and is read back as it was."""
    events = sent(
        Progress(phase="contract", done=1, total=2),
        Done(command="seed", seconds=1.5, cpu_seconds=0.5, data={"rows": 3}),
        Failed(command="load", kind="pack", code="pack.world_raises", params={"where": "บรรทัด\n3"}),
    )
    assert [event["event"] for event in events] == ["progress", "done", "failed"]
    assert events[1]["data"] == {"rows": 3}
    assert events[2]["params"] == {"where": "บรรทัด\n3"}


def test_a_result_that_is_too_large_keeps_its_first_findings() -> None:
    """A verdict is never lost, only its last pieces of evidence."""
    many = tuple(finding(at=f"data[{n}]", got=["x" * 300] * 300) for n in range(40))
    (event,) = sent(Result(result=CheckEvidence(check="T-S1", outcome="fail", findings=many)))
    kept = event["result"]["findings"]
    assert event["result"]["outcome"] == "fail"
    assert 0 < len(kept) < 40
    assert [one["at"] for one in kept] == [f"data[{n}]" for n in range(len(kept))]


def test_a_single_giant_finding_keeps_its_code() -> None:
    """When even one finding is too large its evidence goes and its identity stays."""
    (event,) = sent(
        Result(result=CheckEvidence(check="T-S1", outcome="fail", findings=(finding(at="a", got="x" * 2_000_000),)))
    )
    assert event["result"]["findings"][0]["code"] == "response.value"
    assert event["result"]["findings"][0]["got"] is None


def test_another_event_that_is_too_large_is_a_bug() -> None:
    """Only findings can be left out."""
    with pytest.raises(EventTooLarge):
        EventStream(2).send(Done(command="x", seconds=0, cpu_seconds=0, data={"a": "x" * MAX_EVENT_BYTES}))


def test_citizen_numbers_are_masked_wherever_they_stand() -> None:
    """Valid numbers of 13 digits, plain or with hyphens, are masked in every text; other long numbers stay."""
    cid = synthetic_cid(1, 1)
    dashed = f"{cid[0]}-{cid[1:5]}-{cid[5:10]}-{cid[10:12]}-{cid[12]}"
    other = cid[:12] + str((int(cid[12]) + 1) % 10)
    exchange = Exchange(
        method="GET",
        path=f"/people/{cid}",
        request=Request(method="GET", path=f"/people/{cid}"),
        response=Response(status=200, body=f'{{"cid":"{cid}"}}'),
        curl=f"curl http://localhost:8000/people/{cid}",
    )
    seen = presentable(
        CheckEvidence(
            check="T-S1",
            outcome="fail",
            findings=(finding(got={"cid": cid, "ids": [dashed, other]}, params={"of": cid}, exchange=exchange),),
        )
    )
    text = seen.model_dump_json()
    assert cid not in text
    assert dashed not in text
    assert other in text
    assert f"{cid[:3]}xxxxxxxx{cid[11:]}" in text


def test_text_that_no_reader_can_take_becomes_visible() -> None:
    """Lone surrogates and control characters are escaped before they break somebody's parser or terminal."""
    (event,) = sent(
        Result(result=CheckEvidence(check="T-S1", outcome="fail", findings=(finding(got="a\ud800b\x1b[2J"),)))
    )
    assert event["result"]["findings"][0]["got"] == "a\\ud800b\\x1b[2J"


def test_equal_causes_are_one_finding() -> None:
    """The first exchange is kept and the counts add up; another place is another cause."""
    found = merged([finding(at="a", got=1), finding(at="b"), finding(at="a", got=2, count=3)])
    assert [(one.at, one.got, one.count) for one in found] == [("a", 1, 4), ("b", None, 1)]
