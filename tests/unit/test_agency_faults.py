"""Faults as data and the ledger: what a script may say, which step acts when, and that counts never lie."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from grader.agency.faults import MODES, WELL, Fault, FaultClock, FaultInvalid, Kind, Step, modes_of, read_script
from grader.agency.ledger import MAX_HEADER_VALUE, MAX_HEADERS, MAX_PATH, Ledger

NEEDED: dict[str, dict[str, int]] = {
    "latency": {"ms": 3000},
    "status": {"status": 503},
    "rate_limit": {"retry_after": 5},
}
"""Parameters that a mode does not do without."""


@dataclass
class Time:
    """A clock that goes when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        """Seconds that never go back."""
        return self.now


def clock_with(*script: dict[str, Any], kind: Kind = "rest") -> tuple[FaultClock, Time]:
    """A clock that plays this script, and its time."""
    time = Time()
    clock = FaultClock(now=time)
    clock.play(read_script(list(script), kind))
    return clock, time


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_played_where_it_exists(mode: str) -> None:
    """A step with what the mode needs is read; without that it is not, and neither is another kind's mode."""
    kinds: tuple[Kind, ...] = ("rest", "door")
    for kind in kinds:
        raw = [{"t": 0, "mode": mode, **NEEDED.get(mode, {})}]
        if mode in modes_of(kind):
            assert read_script(raw, kind)[0].fault.mode == mode
            if mode in NEEDED:
                with pytest.raises(FaultInvalid, match="needs"):
                    read_script([{"t": 0, "mode": mode}], kind)
        else:
            with pytest.raises(FaultInvalid, match="no mode"):
                read_script(raw, kind)


def test_the_kinds_have_the_modes_of_the_specification() -> None:
    """What a REST agency and a database's door can be told to have."""
    assert modes_of("door") == ("ok", "latency", "unreachable", "pause", "cut")
    assert set(modes_of("rest")) == set(MODES) - {"pause", "cut"}


def test_parameters_have_their_defaults() -> None:
    """1,000 rows for the silent cap, one row fewer for the short answer, no Retry-After unless it is asked for."""
    steps = read_script(
        [{"t": 0, "mode": "row_cap"}, {"t": 1, "mode": "short_answer"}, {"t": 2, "mode": "status", "status": 502}],
        "rest",
    )
    assert [step.fault for step in steps] == [
        Fault(mode="row_cap", rows=1_000),
        Fault(mode="short_answer", rows=1),
        Fault(mode="status", status=502),
    ]
    assert steps[1] == Step(t=1.0, fault=Fault(mode="short_answer", rows=1))


@pytest.mark.parametrize(
    ("script", "where", "word"),
    [
        (None, "script", "list"),
        ([], "script", "list"),
        ({"t": 0}, "script", "list"),
        ([{"t": n, "mode": "ok"} for n in range(101)], "script", "100"),
        (["ok"], "script[0]", "object"),
        ([{"mode": "ok"}], "script[0].t", "seconds"),
        ([{"t": -1, "mode": "ok"}], "script[0].t", "seconds"),
        ([{"t": True, "mode": "ok"}], "script[0].t", "seconds"),
        ([{"t": float("nan"), "mode": "ok"}], "script[0].t", "seconds"),
        ([{"t": "0", "mode": "ok"}], "script[0].t", "seconds"),
        ([{"t": 1, "mode": "ok"}, {"t": 1, "mode": "ok"}], "script[1].t", "later"),
        ([{"t": 0}], "script[0].mode", "no mode"),
        ([{"t": 0, "mode": ["ok"]}], "script[0].mode", "no mode"),
        ([{"t": 0, "mode": "latancy", "ms": 1}], "script[0].mode", "write latency"),
        ([{"t": 0, "mode": "latency", "seconds": 1}], "script[0].seconds", "takes no seconds"),
        ([{"t": 0, "mode": "latency", "ms": 1, "afer": 1}], "script[0].afer", "write after"),
        ([{"t": 0, "mode": "latency", "ms": "1"}], "script[0].ms", "whole number"),
        ([{"t": 0, "mode": "latency", "ms": 1.5}], "script[0].ms", "whole number"),
        ([{"t": 0, "mode": "latency", "ms": 60_001}], "script[0].ms", "60000"),
        ([{"t": 0, "mode": "status", "status": 200}], "script[0].status", "400"),
        ([{"t": 0, "mode": "ok", "after": -1}], "script[0].after", "whole number"),
        ([{"t": 0, "mode": "ok", "status": 500}], "script[0].status", "takes no status"),
    ],
)
def test_a_script_is_read_to_the_letter(script: Any, where: str, word: str) -> None:
    """Whatever is not understood is refused with its place, and a misspelling with the nearest word."""
    with pytest.raises(FaultInvalid, match=word) as caught:
        read_script(script, "rest")
    assert caught.value.where == where


def test_steps_follow_each_other_in_time() -> None:
    """A step acts from its second on until the next one; before the first the agency is well; the last one stays."""
    clock, time = clock_with({"t": 1, "mode": "html_200"}, {"t": 5, "mode": "stale"}, {"t": 6, "mode": "ok"})
    seen = []
    for seconds in (0.0, 0.99, 1.0, 4.99, 5.0, 6.0, 1_000.0):
        time.now = 100.0 + seconds
        seen.append((clock.current().mode, clock.take().mode))
    assert seen == [(mode, mode) for mode in ("ok", "ok", "html_200", "html_200", "stale", "ok", "ok")]


def test_the_next_change_is_known() -> None:
    """Seconds until a step begins, and None when none is left."""
    clock, time = clock_with({"t": 0, "mode": "stale"}, {"t": 5, "mode": "ok"})
    assert clock.changes_in() == 5.0
    time.now += 2
    assert clock.changes_in() == 3.0
    time.now += 3
    assert clock.changes_in() is None
    assert FaultClock(now=time).changes_in() is None


def test_after_lets_requests_pass_from_the_start_of_its_step() -> None:
    """Requests before the step do not count, looking does not count, and each step counts from 0."""
    clock, time = clock_with(
        {"t": 1, "mode": "status", "status": 503, "after": 2}, {"t": 5, "mode": "status", "status": 500, "after": 1}
    )
    assert [clock.take().mode for _ in range(3)] == ["ok", "ok", "ok"]
    time.now += 1
    assert clock.current() is WELL
    assert [clock.take().status for _ in range(4)] == [None, None, 503, 503]
    assert clock.current().status == 503
    time.now += 4
    assert [clock.take().status for _ in range(2)] == [None, 500]


@pytest.mark.parametrize(
    "end", [FaultClock.heal, lambda clock: clock.play(read_script([{"t": 0, "mode": "ok"}], "rest"))]
)
def test_a_script_ends_when_it_is_healed_or_replaced(end: Callable[[FaultClock], None]) -> None:
    """Nothing of the old script acts any more, at no time."""
    clock, time = clock_with({"t": 0, "mode": "stale", "after": 1}, {"t": 9, "mode": "html_200"})
    clock.take()
    assert clock.current().mode == "stale"
    end(clock)
    assert clock.changes_in() is None
    for _ in range(3):
        time.now += 9
        assert clock.take().mode == "ok"


def test_the_ledger_counts_exactly_what_it_no_longer_keeps() -> None:
    """Counts by route go on when single requests are dropped, and it says how many were."""
    ledger = Ledger(now=lambda: 1.5, keep=3)
    for number in range(10):
        ledger.asked("GET", f"/p/{number}", route="one" if number % 2 else "")
        ledger.connected()
    told = ledger.as_json()
    assert (told["connections"], told["counts"], told["dropped"]) == (10, {"": 5, "one": 5}, 7)
    assert [one["path"] for one in told["requests"]] == ["/p/7", "/p/8", "/p/9"]
    assert (ledger.requests, ledger.connections) == (10, 10)
    ledger.forget()
    assert ledger.as_json() == {"connections": 0, "counts": {}, "requests": [], "dropped": 0}


def test_a_record_holds_a_request_and_what_became_of_it() -> None:
    """Time, method, path, route and headers when its head came; the status when it was answered."""
    ledger = Ledger(now=lambda: 1_700_000_000.123456789)
    record = ledger.asked("POST", "/rights?x=1", route="rights", headers=[("X-Purpose", "a"), ("x-purpose", "b")])
    told = {
        "at": 1_700_000_000.123457,
        "method": "POST",
        "path": "/rights?x=1",
        "route": "rights",
        "status": None,
        "headers": {"x-purpose": "a, b"},
    }
    assert ledger.as_json()["requests"] == [told]
    record.status = 200
    assert ledger.as_json()["requests"] == [{**told, "status": 200}]


def test_what_the_app_sends_does_not_make_the_ledger_large() -> None:
    """Paths, methods, names, values and the number of headers are bounded."""
    ledger = Ledger()
    headers = [(f"h{number}" * 1_000, "v" * 100_000) for number in range(1_000)]
    ledger.asked("M" * 100_000, "/" * 100_000, route="", headers=headers)
    (told,) = ledger.as_json()["requests"]
    assert len(told["path"]) == MAX_PATH
    assert len(told["method"]) <= 60
    assert len(told["headers"]) <= MAX_HEADERS
    assert all(len(name) <= 60 and len(value) <= MAX_HEADER_VALUE for name, value in told["headers"].items())
