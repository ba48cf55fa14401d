"""Two hundred people watch the live page of their work while fifty hand theirs in, and pages are still answered.

``python -m tests.bench.portal``. The portal is the program itself, on loopback, on embedded records; nobody grades, so
that everybody waits. Watchers arrive first, all at once, as after a restart; then the others come. What is measured is
compared with ``/healthz``, which asks nothing of anything, in the same run.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from grader.records import Person, Records, Seat, Submission, Unit, create_records, new_id
from grader.services import rounds, standings
from grader.services.accounts import people, sessions
from grader.services.receiving import submit
from tests.crash.fakes import project_zip
from tests.fixtures.portal import PACK
from tests.fixtures.serving import running

WATCHERS = 200
SENDERS = 50
SECONDS = 30.0
READERS = 4
"""Who read pages all the time, one after another."""
TARGET_MS = 300.0
ARRIVE_SECONDS = 30
ROUND = "bench"


@dataclass
class Seen:
    """Milliseconds of each kind of answer, and what was not as it should be."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    streams: int = 0
    """Live pages that were still open in the end."""

    def add(self, kind: str, begun: float) -> None:
        """One answer that began then."""
        self.ms.setdefault(kind, []).append((time.perf_counter() - begun) * 1000)


def furnish(records: Records) -> tuple[str, list[tuple[str, str]]]:
    """A round with an account for everybody; gives the assignment, and for each a session and a submission or ""."""
    rounds.create_round(records, code=ROUND, name="รุ่นวัดความเร็ว", by="bench")
    assignment = rounds.assign(records, round_code=ROUND, pack=PACK, by="bench").id
    who = []
    with records.change(by="bench") as change:
        unit = Unit(id=new_id("unt"), code="97001", name="หน่วยสาธิต")
        change.session.add(unit)
        change.session.flush()
        made = rounds.round_of(change.session, ROUND).id
        for number in range(WATCHERS + SENDERS):
            person = Person(
                id=new_id("per"), code=f"b{number:04}", name=f"ผู้เรียน {number}", unit_id=unit.id, created_at=change.at
            )
            change.session.add(person)
            change.session.flush()
            seat = Seat(id=new_id("sea"), round_id=made, person_id=person.id, unit_id=unit.id, created_at=change.at)
            change.session.add(seat)
            change.session.flush()
            standings.refresh(change.session, seat.id)
            account = people.add(change, login=person.code, name=person.name, person=person.id)
            who.append((account.id, seat.id))
        change.audit("roster.imported", made, after={"seats": len(who)})
    found = []
    for number, (account, seat) in enumerate(who):
        submission = ""
        if number < WATCHERS:
            submission = submit(
                records, seat=seat, assignment=assignment, filename="w.zip", chunks=[project_zip(number)], by="bench"
            ).submission
        found.append((sessions.open(records, account=account, agent="bench"), submission))
    return assignment, found


async def watch(client: httpx.AsyncClient, secret: str, submission: str, seen: Seen) -> None:
    """Keep a live page open until it is taken away; what comes first is the state."""
    headers = {"Cookie": f"__Host-sid={secret}"}
    begun = time.perf_counter()
    async with client.stream("GET", f"/submissions/{submission}/events", headers=headers) as answer:
        first = True
        async for line in answer.aiter_lines():
            if first and line.startswith("data:"):
                seen.add("all at once: first state", begun)
                first = False


async def hand_in(client: httpx.AsyncClient, secret: str, assignment: str, seen: Seen, due: float) -> None:
    """One upload at its moment."""
    await asyncio.sleep(max(0.0, due - time.perf_counter()))
    begun = time.perf_counter()
    answer = await client.post(
        f"/assignments/{assignment}/submit",
        headers={"Cookie": f"__Host-sid={secret}", "Sec-Fetch-Site": "same-origin"},
        files={"work": ("w.zip", project_zip(int(due * 1000)), "application/zip")},
    )
    seen.add("upload", begun)
    if answer.status_code != 303:
        seen.wrong.append(f"upload: {answer.status_code}")


async def read(client: httpx.AsyncClient, paths: Sequence[tuple[str, str, str]], seen: Seen, until: float) -> None:
    """Pages, one after another."""
    while time.perf_counter() < until:
        for kind, path, secret in paths:
            begun = time.perf_counter()
            answer = await client.get(path, headers={"Cookie": f"__Host-sid={secret}"})
            seen.add(kind, begun)
            if answer.status_code != 200:
                seen.wrong.append(f"{path}: {answer.status_code}")
            await asyncio.sleep(0.05)


async def crowd(address: str, assignment: str, who: Sequence[tuple[str, str]]) -> Seen:
    """All of them at once."""
    seen = Seen()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits, trust_env=False) as client:
        watchers = [asyncio.create_task(watch(client, *one, seen)) for one in who[:WATCHERS]]
        for _ in range(ARRIVE_SECONDS * 10):
            if len(seen.ms.get("all at once: first state", ())) == WATCHERS:
                break
            await asyncio.sleep(0.1)
        begun = time.perf_counter()
        until = begun + SECONDS
        mine = who[0]
        pages = [
            ("healthz (baseline)", "/healthz", ""),
            ("first page", "/", mine[0]),
            ("exercise", f"/assignments/{assignment}", mine[0]),
            ("live page", f"/submissions/{mine[1]}/live", mine[0]),
        ]
        work: list[Awaitable[None]] = [
            hand_in(client, secret, assignment, seen, begun + (SECONDS - 5) * number / SENDERS)
            for number, (secret, _) in enumerate(who[WATCHERS:])
        ]
        await asyncio.gather(*work, *(read(client, pages, seen, until) for _ in range(READERS)))
        seen.streams = sum(not one.done() for one in watchers)
        for one in watchers:
            one.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    return seen


def table(seen: Seen) -> Table:
    """Percentiles of each kind, and how many times the baseline the p95 is."""
    percentile: Callable[[list[float], int], float] = lambda ms, n: statistics.quantiles(ms, n=100)[n - 1]  # noqa: E731
    base = percentile(seen.ms["healthz (baseline)"], 95)
    shown = Table(box=None)
    for heading in ("ms", "answers", "p50", "p95", "p99", "p95 / baseline"):
        shown.add_column(heading, justify="right" if heading != "ms" else "left")
    for kind, ms in seen.ms.items():
        values = [percentile(ms, n) for n in (50, 95, 99)]
        shown.add_row(kind, str(len(ms)), *(f"{value:.1f}" for value in values), f"{values[1] / base:.1f}")
    return shown


def main() -> int:
    """Measure and print; 1 when something was lost or the aim was missed."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-portal-") as name:
        folder = Path(name) / "data"
        with closing(create_records(folder)) as records:
            assignment, who = furnish(records)
            with running(folder, Path(name)) as portal:
                seen = asyncio.run(crowd(f"http://127.0.0.1:{portal.port}", assignment, who))
            with records.reading() as session:
                kept = session.scalar(select(func.count()).select_from(Submission)) or 0
    console.print(table(seen))
    accepted = len(seen.ms["upload"]) - sum(one.startswith("upload") for one in seen.wrong)
    lost = WATCHERS + accepted - kept
    pages = [ms for kind in ("first page", "exercise", "live page") for ms in seen.ms[kind]]
    p95 = statistics.quantiles(pages, n=100)[94]
    met = p95 <= TARGET_MS and not lost and not seen.wrong and seen.streams == WATCHERS
    console.print(
        f"{seen.streams} streams, {accepted} uploads accepted, {lost} lost, wrong: {seen.wrong[:5] or 'nothing'}"
    )
    console.print(f"target, p95 of pages of at most {TARGET_MS:.0f} ms: {p95:.0f} ms, {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
