"""The pure parts of the universal family: the raw ``data`` member, and the stopwatch that noise cannot fool."""

from itertools import repeat as forever

import pytest

from grader.evidence import Exchange, Request
from grader.probe.calls import Call
from grader.probe.jsontext import UnreadableJson
from grader.probe.universal.latency import LIMIT_MS, REQUESTS, ROUNDS, Watched, percentile
from grader.probe.universal.repeat import member

EXCHANGE = Exchange(method="GET", path="/x", request=Request(method="GET", path="/x"))


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'{"data": [1, 2] , "meta": {}}', b"[1, 2]"),
        (b'{"meta":{"data":0},"data":{"b":1,"a":2}}', b'{"b":1,"a":2}'),
        (b' {\n "data" : "\\u0e01" }\n', b'"\\u0e01"'),
        (b'{"meta": {}}', None),
        (b"{}", None),
        (b"[1]", None),
    ],
)
def test_the_data_member_is_taken_as_it_was_sent(body: bytes, data: bytes | None) -> None:
    """Spacing, order of keys and escapes inside ``data`` are kept, and only the outermost member counts."""
    assert member(body, "data") == data


def test_no_json_is_no_member() -> None:
    """A body that is no JSON raises instead of comparing equal."""
    with pytest.raises(UnreadableJson):
        member(b"{", "data")


def watched(*rounds: list[float]) -> Watched:
    """An operation that was measured in these rounds."""
    one = Watched(operation_id="x", calls=forever(Call(operation_id="x", method="GET", path="/x")))
    for samples in rounds:
        for sample in samples:
            if not one.round_is_over:
                one.take(sample, 10, EXCHANGE)
        one.close_round()
    return one


QUICK, SLOW = [10.0] * REQUESTS, [LIMIT_MS + 1] * REQUESTS


def test_one_quick_round_clears_an_operation() -> None:
    """Noise in all rounds but one cannot fail an honest app."""
    one = watched(*[SLOW] * (ROUNDS - 1), QUICK)
    assert one.decided
    assert not one.slow


def test_slow_in_every_round_is_slow() -> None:
    """A truly slow operation is slow however often it is measured, and its rounds are cut short."""
    one = watched(*[SLOW] * ROUNDS)
    assert one.slow
    assert not one.decided
    assert one.rounds == [LIMIT_MS + 1] * ROUNDS


def test_time_running_out_decides_only_against_an_app_that_was_never_quick() -> None:
    """With fewer rounds than planned, one quick answer is enough for the benefit of the doubt."""
    assert watched(SLOW).slow
    assert not watched([10.0, *SLOW]).slow
    assert not watched().slow


def test_one_outlier_in_a_round_is_allowed() -> None:
    """The 95th percentile of a round ignores its one slowest answer, but not two."""
    assert watched([*QUICK[1:], 9_000.0]).decided
    assert not watched([*QUICK[2:], 9_000.0, 9_000.0]).decided
    assert percentile([float(one) for one in range(1, 21)], 0.95) == 19.0
