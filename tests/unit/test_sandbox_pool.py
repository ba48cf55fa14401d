"""Sets that wait: each is used once, by one, and none is left."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from grader.errors import InfrastructureFault
from grader.sandbox.agency_set import Agencies, AgencySet, images_of
from grader.sandbox.pool import LONGEST_WAIT, WarmSets

ONE = {"facility": "postgres"}
OTHER = {"hdc": "mariadb", "dopa": "http"}


@dataclass
class Waiting:
    """Stands for a set of agencies."""

    agencies: Agencies
    fails: bool = False
    age: float = 0.0
    running: bool = True
    log: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Start, or fail as told."""
        self.log.append("start")
        if self.fails:
            raise InfrastructureFault("infrastructure.engine")

    def alive(self) -> bool:
        """As told."""
        return self.running

    def close(self) -> None:
        """Remember it."""
        self.log.append("close")


def test_a_set_is_made_of_the_probe_and_of_each_kind_of_agency_once() -> None:
    """An exercise without agencies has the probe; two agencies of one engine have one image."""
    assert images_of({}) == ("probe",)
    assert images_of({"a": "http", "b": "mariadb", "c": "http"}) == ("probe", "agency-http", "agency-mariadb")


class Maker:
    """Makes sets and remembers them."""

    def __init__(self, **fields: float) -> None:
        self.made: list[Waiting] = []
        self._fields = fields

    def __call__(self, agencies: Agencies) -> AgencySet:
        """A set that is not started."""
        self.made.append(Waiting(agencies, **self._fields))  # type: ignore[arg-type]
        return cast("AgencySet", self.made[-1])

    @property
    def logs(self) -> list[list[str]]:
        """What became of each."""
        return [one.log for one in self.made]


@contextmanager
def warm(maker: Maker, *, ahead: bool = False) -> Iterator[WarmSets]:
    """A pool that is closed afterwards."""
    pool = WarmSets(maker, ahead=ahead)
    try:
        yield pool
    finally:
        pool.close()


def test_an_expected_set_is_started_once_and_claimed_once() -> None:
    """The second who asks gets none, and who claimed it has to close it."""
    maker = Maker()
    with warm(maker) as pool, pool.expect(ONE):
        assert pool.claim(ONE) is not None
        assert pool.claim(ONE) is None
    assert maker.logs == [["start"]]


def test_a_set_that_nobody_claimed_is_destroyed() -> None:
    """A submission that could not be built leaves no agencies behind."""
    maker = Maker()
    with warm(maker) as pool:
        with pool.expect(ONE):
            pass
        assert maker.logs in ([["start", "close"]], [])


def test_only_a_set_with_the_same_agencies_fits() -> None:
    """Another exercise's agencies are of no use."""
    with warm(Maker()) as pool, pool.expect(ONE):
        assert pool.claim(OTHER) is None
        found = pool.claim(dict(ONE))
        assert found is not None
        assert found.agencies == ONE


def test_nothing_waits_unless_asked_to() -> None:
    """One grading alone makes no set for another."""
    maker = Maker()
    with warm(maker) as pool:
        pool.refill(ONE)
        assert pool.claim(ONE) is None
    assert maker.made == []


def test_ahead_keeps_exactly_one_waiting_and_leaves_none() -> None:
    """It is begun once, survives an unused expectation, and is gone when the pool is closed."""
    maker = Maker()
    with warm(maker, ahead=True) as pool:
        pool.refill(ONE)
        pool.refill(ONE)
        with pool.expect(ONE):
            pass
        assert pool.claim(ONE) is not None
        pool.refill(ONE)
    first, *more = maker.logs
    assert first == ["start"]
    assert more in ([["start", "close"]], [])


@pytest.mark.parametrize("broken", [{"age": LONGEST_WAIT + 1}, {"running": False}])
def test_a_set_that_waited_too_long_or_died_is_replaced(broken: dict[str, float]) -> None:
    """It is removed, and the caller makes another."""
    maker = Maker(**broken)
    with warm(maker) as pool, pool.expect(ONE):
        assert pool.claim(ONE) is None
    assert maker.logs == [["start", "close"]]


def test_a_set_that_did_not_start_is_removed_and_told_later() -> None:
    """Whoever wanted it starts one himself, and there the failure is told."""
    maker = Maker(fails=True)
    with warm(maker) as pool, pool.expect(ONE):
        assert pool.claim(ONE) is None
    assert maker.logs == [["start", "close"]]
