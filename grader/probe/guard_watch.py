"""The guard's watch: people of the world in the answers that the app gives to anyone.

Each answer is looked at whole and at once, before the tester is told: nothing waits in a queue, so nothing is ever
dropped, and the time it takes is never part of what is measured (``elapsed_ms`` ends at the answer's last byte).
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from grader.errors import InfrastructureFault
from grader.evidence import Exchange
from grader.people import Kind, People, excerpt
from grader.probe import exchanges
from grader.probe.guard_upstream import Headers, Question, Reply

Where: TypeAlias = Literal["body", "header", "status"]

GIVEN_BACK = "privacy.person_in_answer"
"""A person whom the caller named in a header comes back."""
SHOWN = "privacy.person_shown"
"""A person of the data, whom the caller had not named."""

MAX_KEPT = 20
"""Requests that are remembered, to be sent again."""
MAX_KEPT_BYTES = 32_768
"""The largest request that is remembered: target and body."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Leak:
    """People in the answers to one operation, at one place. Everything in it may be shown.

    ``operation`` is empty for a request that is no operation of the contract. ``excerpt`` is what stands around the
    first person that was seen, ``exchange`` the request that showed it, ``count`` how many answers did.
    """

    code: str
    operation: str
    where: Where
    kind: Kind
    excerpt: str
    exchange: Exchange
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A request whose answer showed people: never shown, only sent again. ``path`` includes the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Watch:
    """What was seen since it was last asked, and the requests that showed it, for as long as the guard lives."""

    def __init__(self, people: People) -> None:
        self.people = people
        self._lock = threading.Lock()
        self._leaks: dict[tuple[str, str, str, str], Leak] = {}
        self._kept: dict[tuple[str, str, str, str], Kept] = {}
        self._failed = ""

    def saw(self, question: Question, reply: Reply, *, operation: str, elapsed_ms: float, at: float) -> None:
        """Look at one answer. Never raises: a bug here must not look like an app that does not answer."""
        try:
            texts = _texts(reply)
            if found := self._found(question, texts):
                self._note(found, texts, _Seen(question, reply, operation, elapsed_ms, at))
        except Exception as problem:  # noqa: BLE001 - told by take(), as our own fault
            _log.error("the watch failed", exc_info=problem)
            self._failed = type(problem).__name__

    def take(self) -> tuple[Leak, ...]:
        """Everything seen since the last call; raises InfrastructureFault when an answer could not be looked at."""
        if self._failed:
            raise InfrastructureFault("infrastructure.watch_failed", problem=self._failed)
        with self._lock:
            leaks, self._leaks = self._leaks, {}
        return tuple(leaks[key] for key in sorted(leaks))

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The first request of each leak, at most MAX_KEPT; those of earlier apps too."""
        with self._lock:
            return tuple(self._kept.values())

    def _found(self, question: Question, texts: Mapping[Where, str]) -> list[tuple[str, Where, Kind]]:
        """What is to blame in an answer: code, place and kind; usually nothing."""
        seen = {where: people for where, text in texts.items() if (people := self.people.sightings(text))}
        if not seen:
            return []
        # Who asks for a person by number, in the path, the query or the body, is told nothing new by hearing it again.
        asked = self.people.sightings(readable(question.target)) | self.people.sightings(readable(question.body))
        named = self.people.sightings(_lines(question.headers))
        found: list[tuple[str, Where, Kind]] = []
        for where, people in seen.items():
            for kind in sorted({one.kind for one in people - asked}):
                of_kind = {one for one in people - asked if one.kind == kind}
                found.append((GIVEN_BACK if of_kind <= named else SHOWN, where, kind))
        return found

    def _note(self, found: list[tuple[str, Where, Kind]], texts: Mapping[Where, str], seen: "_Seen") -> None:
        with self._lock:
            for code, where, kind in found:
                key = code, seen.operation, where, kind
                known = self._leaks.get(key)
                # The lowest status stands for all, so that the fingerprint does not depend on who came first.
                if known is None or seen.reply.status < _status(known):
                    leak = seen.leak(code, where, kind, self.people, texts)
                else:
                    leak = known
                self._leaks[key] = replace(leak, count=known.count + 1 if known else 1)
                if key not in self._kept and len(self._kept) < MAX_KEPT and _can_be_kept(seen.question):
                    self._kept[key] = _kept(seen.question)


@dataclass(frozen=True)
class _Seen:
    """One answer that shows people, before anything of it was masked."""

    question: Question
    reply: Reply
    operation: str
    elapsed_ms: float
    at: float

    def leak(self, code: str, where: Where, kind: Kind, people: People, texts: Mapping[Where, str]) -> Leak:
        """The answer as it may be shown, masked before it is cut: half a number would still tell."""
        masked, question = people.masked, self.question
        shown = {place: masked(text) for place, text in texts.items()}
        told = exchanges.response(
            self.reply.status,
            headers=[(name, masked(value)) for name, value in _pairs(self.reply.headers)],
            body=shown["body"].encode(),
            elapsed_ms=self.elapsed_ms,
        )
        exchange = exchanges.exchange(
            question.method.decode("ascii"),
            masked(readable(question.target)),
            headers=[(name, masked(value)) for name, value in _pairs(question.headers)],
            body=masked(readable(question.body)).encode(),
            response=told.model_copy(update={"size": len(self.reply.body)}),
            at=self.at,
        )
        return Leak(
            code=code,
            operation=self.operation,
            where=where,
            kind=kind,
            excerpt=exchanges.printable(excerpt(shown[where])),
            exchange=exchange,
        )


def _texts(reply: Reply) -> dict[Where, str]:
    return {"body": readable(reply.body), "header": _lines(reply.headers), "status": readable(reply.reason)}


def _status(leak: Leak) -> int:
    return leak.exchange.response.status if leak.exchange.response else 0


def _can_be_kept(question: Question) -> bool:
    """Whether a request is small, and its target a path: others exist, but our own client does not send them."""
    return len(question.body) + len(question.target) <= MAX_KEPT_BYTES and question.target.startswith(b"/")


def _kept(question: Question) -> Kept:
    # Headers that are no plain text were made by a tester to be refused; an app that leaks does so without them.
    pairs = {name: value for name, value in _pairs(question.headers) if value.isascii() and value.isprintable()}
    target = question.target.decode("ascii")
    return Kept(method=question.method.decode("ascii"), path=target, headers=pairs, body=question.body)


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return [(readable(name), readable(value)) for name, value in headers]


def _lines(headers: Headers) -> str:
    return "\n".join(f"{name}: {value}" for name, value in _pairs(headers))


def readable(data: bytes) -> str:
    """Bytes as text: UTF-8, else as the older Thai encoding would read them, in which names are names too."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"{data.decode('utf-8', 'replace')}\n{data.decode('cp874', 'replace')}"
