"""The civil registry: many people in few calls."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config import BANGKOK, dopa_token, dopa_url

BATCH_SIZE = 100
TIMEOUT_SECONDS = 5.0
KEEP_SECONDS = 60.0
CALLS_AT_ONCE = 4

BuddhistDate = Annotated[str, Field(pattern="^[0-9]{8}$")]


class RegistryUnavailable(Exception):
    """The registry did not answer in full; a part of its answer would only give a wrong number.

    Its text is the kind of failure only: errors of libraries quote what was sent and received, and that is people.
    """


class Registered(BaseModel):
    """A person as the registry describes one."""

    model_config = ConfigDict(frozen=True, strict=True)

    cid: str
    sex: Literal["1", "2"]
    birth_be: BuddhistDate
    status: Literal["alive", "dead", "moved"]
    areacode8: Annotated[str, Field(pattern="^[0-9]{8}$")]
    event_date_be: BuddhistDate | None


class BatchAnswer(BaseModel):
    """What POST /v1/persons:batch promises: people it does not know are left out."""

    model_config = ConfigDict(strict=True)

    data: list[Registered]


@dataclass(frozen=True, kw_only=True)
class Census:
    """People by citizen number, and when the oldest of these answers was given."""

    people: dict[str, Registered]
    fetched_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Kept:
    person: Registered | None
    asked: float
    fetched_at: datetime


class Registry:
    """Asks the registry and keeps each answer for a minute, in memory only."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._kept: dict[str, _Kept] = {}
        self._asking = threading.Lock()

    def look_up(self, cids: Iterable[str]) -> Census:
        """Everybody of these whom the registry knows."""
        wanted = sorted(set(cids))
        with self._asking:  # requests that come together share one round of calls
            oldest = time.monotonic() - KEEP_SECONDS
            fresh = {cid: kept for cid, kept in self._kept.items() if kept.asked > oldest}
            fresh |= self._ask([cid for cid in wanted if cid not in fresh])
            self._kept = fresh
        answers = [fresh[cid] for cid in wanted if cid in fresh]
        return Census(
            people={answer.person.cid: answer.person for answer in answers if answer.person},
            fetched_at=min((answer.fetched_at for answer in answers), default=datetime.now(BANGKOK)),
        )

    def _ask(self, cids: list[str]) -> dict[str, _Kept]:
        asked, fetched_at = time.monotonic(), datetime.now(BANGKOK)
        batches = [cids[start : start + BATCH_SIZE] for start in range(0, len(cids), BATCH_SIZE)]

        def call(batch: list[str]) -> dict[str, Registered | None]:
            try:
                found = {person.cid: person for person in self._batch(batch).data}
            except RegistryUnavailable:
                return {}  # nothing is kept of it, so that it is asked again next time
            return {cid: found.get(cid) for cid in batch}

        with ThreadPoolExecutor(max_workers=CALLS_AT_ONCE) as pool:
            answers = list(pool.map(call, batches))
        return {
            cid: _Kept(person=person, asked=asked, fetched_at=fetched_at)
            for answer in answers
            for cid, person in answer.items()
        }

    def _batch(self, cids: list[str]) -> BatchAnswer:
        try:
            answer = self._client.post("/v1/persons:batch", json={"cids": cids})
            if answer.status_code != httpx.codes.OK:
                raise RegistryUnavailable(f"status {answer.status_code}")
            return BatchAnswer.model_validate_json(answer.content)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(type(error).__name__) from None
        except ValidationError:
            raise RegistryUnavailable("an answer of another shape") from None


def client() -> httpx.Client:
    """A door to the registry; nothing is asked yet."""
    return httpx.Client(
        base_url=dopa_url(),
        headers={"Authorization": f"Bearer {dopa_token()}"},
        timeout=TIMEOUT_SECONDS,
        # Calls come once a minute; a connection kept that long may be dead, and would cost a caller the answer.
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
    )
