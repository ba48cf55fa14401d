"""Faults of an agency as data: what a script may say, and which of its steps acts now.

A script is a list of steps ``{"t": 5, "mode": "latency", "ms": 3000, "after": 2}``: ``t`` counts seconds from the start
signal, a step acts until the next one begins, and the last one until the agency is healed. ``after`` lets that many
requests pass unharmed before the step begins to act. Before the first step an agency is well.
"""

import difflib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["rest", "door"]
"""What stands in front of the data: a REST agency, or the TCP door of a database."""

MAX_STEPS = 100
MAX_SECONDS = 3_600
MAX_AFTER = 100_000


class FaultInvalid(ValueError):
    """A script that cannot be played; ``where`` is the place in it, such as ``script[1].ms``."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where, self.problem = where, problem


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What acts on a request. Which parameters count depends on the mode; the others are None.

    ``ms`` milliseconds, ``status`` an HTTP status, ``retry_after`` seconds, ``rows`` a number of rows.
    """

    mode: str = "ok"
    after: int = 0
    ms: int | None = None
    status: int | None = None
    retry_after: int | None = None
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """A fault and the seconds from the start signal at which it begins."""

    t: float
    fault: Fault


WELL = Fault()


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A whole number that a mode takes; ``default`` is used when it is left out, unless it is ``needed``."""

    minimum: int
    maximum: int
    default: int | None = None
    needed: bool = False


@dataclass(frozen=True, kw_only=True)
class _Mode:
    kinds: frozenset[Kind]
    numbers: Mapping[str, _Number] = field(default_factory=dict)


_BOTH: frozenset[Kind] = frozenset({"rest", "door"})
_REST: frozenset[Kind] = frozenset({"rest"})
_DOOR: frozenset[Kind] = frozenset({"door"})
_RETRY_AFTER = _Number(minimum=0, maximum=MAX_SECONDS)

MODES: Mapping[str, _Mode] = {
    "ok": _Mode(kinds=_BOTH),
    "latency": _Mode(kinds=_BOTH, numbers={"ms": _Number(minimum=0, maximum=60_000, needed=True)}),
    "unreachable": _Mode(kinds=_BOTH),
    "pause": _Mode(kinds=_DOOR),
    "cut": _Mode(kinds=_DOOR),
    "status": _Mode(
        kinds=_REST,
        numbers={"status": _Number(minimum=400, maximum=599, needed=True), "retry_after": _RETRY_AFTER},
    ),
    "rate_limit": _Mode(kinds=_REST, numbers={"retry_after": _Number(minimum=0, maximum=MAX_SECONDS, needed=True)}),
    "cut_body": _Mode(kinds=_REST),
    "html_200": _Mode(kinds=_REST),
    "shape_change": _Mode(kinds=_REST),
    "row_cap": _Mode(kinds=_REST, numbers={"rows": _Number(minimum=0, maximum=1_000_000, default=1_000)}),
    "short_answer": _Mode(kinds=_REST, numbers={"rows": _Number(minimum=1, maximum=1_000_000, default=1)}),
    "stale": _Mode(kinds=_REST),
    "timeout_after_effect": _Mode(kinds=_REST),
}
"""Every mode with the kinds of agency that have it and the numbers that it takes."""


def modes_of(kind: Kind) -> tuple[str, ...]:
    """The modes that an agency of this kind can be told to have."""
    return tuple(name for name, mode in MODES.items() if kind in mode.kinds)


def read_script(raw: Any, kind: Kind) -> tuple[Step, ...]:
    """The steps that a parsed JSON ``raw`` describes, for an agency of ``kind``.

    Raises:
        FaultInvalid: with the place, for anything that is not understood to the letter.
    """
    if not isinstance(raw, list) or not raw or len(raw) > MAX_STEPS:
        raise FaultInvalid("script", f"a script is a list of 1 to {MAX_STEPS} steps")
    steps: list[Step] = []
    for number, one in enumerate(raw):
        where = f"script[{number}]"
        if not isinstance(one, dict):
            raise FaultInvalid(where, 'a step is an object such as {"t": 0, "mode": "ok"}')
        values = dict(one)
        t = values.pop("t", None)
        if isinstance(t, bool) or not isinstance(t, int | float) or not 0 <= t <= MAX_SECONDS:
            raise FaultInvalid(f"{where}.t", f"t is a number of seconds from 0 to {MAX_SECONDS}")
        if steps and t <= steps[-1].t:
            raise FaultInvalid(f"{where}.t", "each step begins later than the one before it")
        steps.append(Step(t=float(t), fault=_read_fault(values, kind, where)))
    return tuple(steps)


def _read_fault(values: dict[str, Any], kind: Kind, where: str) -> Fault:
    name = values.pop("mode", None)
    known = modes_of(kind)
    if not isinstance(name, str) or name not in known:
        raise FaultInvalid(f"{where}.mode", f"{name!r} is no mode of this agency{_nearest(str(name), known)}")
    after = _whole(values.pop("after", 0), _Number(minimum=0, maximum=MAX_AFTER), f"{where}.after")
    wanted = MODES[name].numbers
    for key in values:
        if key not in wanted:
            raise FaultInvalid(f"{where}.{key}", f"{name} takes no {key}{_nearest(key, ('t', 'after', *wanted))}")
    found = {}
    for key, number in wanted.items():
        if key in values:
            found[key] = _whole(values[key], number, f"{where}.{key}")
        elif number.needed:
            raise FaultInvalid(f"{where}.{key}", f"{name} needs {key}")
        elif number.default is not None:
            found[key] = number.default
    return Fault(mode=name, after=after, **found)


def _whole(value: Any, number: _Number, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not number.minimum <= value <= number.maximum:
        raise FaultInvalid(where, f"{value!r} is no whole number from {number.minimum} to {number.maximum}")
    return value


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; write {near[0]}" if near else f"; there are: {', '.join(known)}"


class FaultClock:
    """Which fault acts now. Not for several threads: its owner is one event loop."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """``now`` gives seconds that never go back."""
        self._now = now
        self._steps: tuple[Step, ...] = ()
        self._started = 0.0
        self._index = -1
        self._taken = 0

    def play(self, script: tuple[Step, ...]) -> None:
        """Begin this script now, in place of any other."""
        self._steps, self._started = script, self._now()
        self._index, self._taken = -1, 0

    def heal(self) -> None:
        """Be well from now on."""
        self.play(())

    def current(self) -> Fault:
        """What would act on a request that came now; looking counts nothing."""
        fault = self._step()
        return fault if self._taken >= fault.after else WELL

    def take(self) -> Fault:
        """What acts on the request (at a door: the question) that just came; counts it for ``after``."""
        fault = self.current()
        self._taken += 1
        return fault

    def changes_in(self) -> float | None:
        """Seconds until the next step begins; None when none is left."""
        passed = self._now() - self._started
        return next((step.t - passed for step in self._steps if step.t > passed), None)

    def _step(self) -> Fault:
        passed = self._now() - self._started
        index = sum(step.t <= passed for step in self._steps) - 1
        if index != self._index:
            self._index, self._taken = index, 0
        return self._steps[index].fault if index >= 0 else WELL
