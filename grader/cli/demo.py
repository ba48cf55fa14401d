"""``grader demo``: a whole training round of people who do not exist, with gradings that are real.

Thirty trainees of four units, some of whom never come, withdraw or hand in nothing. The others hand in the sample
submissions of the first exercise; workers grade them in containers; an instructor overrides one result; then the
indicator is counted, and everything that was kept is verified. The records stay in a folder of their own, to look at.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import func, select

from grader.cli.cohort import compare
from grader.cli.console import ERRORS
from grader.cli.kpi import print_figure
from grader.cli.options import Jobs, Language, build_settings, settings_for
from grader.cli.words import word
from grader.errors import EXIT_CHECKS_FAILED, UsageProblem
from grader.intake import as_archive
from grader.kpi.fiscal import bangkok_date, fiscal_year
from grader.packs import Pack, Sample, list_packs, samples, submission_of
from grader.packs.synthetic import generator, people
from grader.queue import outlook
from grader.records import Grading, Job, Records, Seat, create_records
from grader.records.blobs import CHUNK
from grader.records.store import SQLITE_FILE
from grader.reports.catalogue import sentence
from grader.rosters import RosterRow
from grader.sandbox.docker import DockerDriver
from grader.services import indicator, overriding, receiving, rostering, rounds
from grader.services.verifying import verify
from grader.settings import Settings
from grader.verdict import Verdict
from grader.worker import Slot, fitness

PEOPLE: Final = 30
UNITS: Final = (
    ("97001", "ศูนย์อนามัยสาธิตที่ 1"),
    ("97002", "ศูนย์อนามัยสาธิตที่ 2"),
    ("97003", "สำนักข้อมูลสาธิต"),
    ("97004", "กองแผนงานสาธิต"),
)
ROUND: Final = "demo"
SEED: Final = 2570
AWAY: Final = {27: "declined", 28: "no_show", 29: "external"}
"""Whom the indicator does not count, by their place in the roster."""
SILENT: Final = frozenset({23, 24, 25})
"""Who came and handed in nothing."""
WITHDRAWS: Final = 22
CHILD: Final = ("ด.ช.", "ด.ญ.", "เด็ก")
"""How the names of children begin; nobody of the staff is one."""
_WAIT_SECONDS: Final = 0.2


def demo(lang: Language = "", jobs: Jobs = 2) -> None:
    """สาธิตทั้งกระบวนการ · A demonstration round, from roster to indicator.

    ผู้เข้าอบรมเป็นข้อมูลสังเคราะห์ การตรวจเป็นของจริง ข้อมูลอยู่ในโฟลเดอร์ demo

    The trainees are made up, the gradings are real; the records stay in the folder demo.
    """
    settings, language = settings_for(lang)
    pack = list_packs(settings.exercises)[0]
    driver = DockerDriver.on_this_machine(settings.sandboxes, build_settings(settings), ahead=True)
    driver.require_images()
    with closing(fresh_records(settings.home / "demo")) as records, closing(driver):
        seats = open_round(records, pack)
        handed_in = hand_in(records, pack, seats)
        _grade_all(records, driver, settings, language, jobs=jobs)
        wrong = _print_results(records, handed_in, language)
        _decide(records, seats, handed_in)
        print_figure(records, language)
        promises = verify(records)
    console = Console(highlight=False)
    console.print(f"\n{word('demo.kept', language)}: {records.folder}", markup=False)
    console.print(word("demo.note", language), style="dim", markup=False)
    if wrong or not all(promise.holds for promise in promises):
        raise typer.Exit(EXIT_CHECKS_FAILED)


def fresh_records(folder: Path) -> Records:
    """Empty records; those of an earlier demonstration are replaced, and nothing else is.

    Raises:
        UsageProblem: ``usage.bad_setting``: the folder holds something that no demonstration made.
    """
    if folder.exists():
        if any(folder.iterdir()) and not (folder / SQLITE_FILE).is_file():
            raise UsageProblem("usage.bad_setting", setting="GRADER_HOME/demo", value=str(folder))
        shutil.rmtree(folder)
    return create_records(folder)


def open_round(records: Records, pack: Pack) -> list[str]:
    """A round that began a week ago, with its roster and who came; gives the seats in the order of the roster."""
    today = bangkok_date(datetime.now(UTC))
    begun = today - timedelta(days=7)
    rounds.create_round(records, code=ROUND, name="รุ่นสาธิต", by="demo", starts_on=begun, ends_on=today, sessions=1)
    rounds.assign(records, round_code=ROUND, pack=pack, by="demo")
    grown = (one.name for one in people(generator("demo", SEED), 4 * PEOPLE) if not one.name.startswith(CHILD))
    names = [name for name, _ in zip(grown, range(PEOPLE), strict=False)]
    roster = [
        RosterRow(
            code=f"demo{place + 1:02}",
            name=name,
            unit_code=UNITS[place % len(UNITS)][0],
            unit_name=UNITS[place % len(UNITS)][1],
            part="external" if AWAY.get(place) == "external" else "trainee",
            registered_on=begun - timedelta(days=3),
        )
        for place, name in enumerate(names)
    ]
    rostering.import_roster(records, round_code=ROUND, rows=roster, by="demo")
    with records.reading() as session:
        seats = [rostering.seat_of(session, round_code=ROUND, person_code=row.code).id for row in roster]
    week_ago = datetime.now(UTC) - timedelta(days=7)
    for place, seat in enumerate(seats):
        if AWAY.get(place) == "declined":
            before = week_ago - timedelta(days=2)
            rounds.note(records, seat=seat, kind="declined", by="demo", at=before, reason="ติดราชการ")
        elif place not in AWAY:
            rounds.note(records, seat=seat, kind="check_in", by="demo", at=week_ago, session_number=1)
    # The demonstration has one exercise; which ones the course asks for is for the office to confirm.
    rule = {"groups": [{"at_least": 1, "of": [pack.exercise.id]}]}
    indicator.revise(records, {"course.pass_rule": rule}, by="demo")
    indicator.propose_rounds(records, fiscal_year(today), by="demo")
    return seats


def hand_in(records: Records, pack: Pack, seats: Sequence[str]) -> dict[str, Sample]:
    """Each of those who hand something in has one sample, the good ones first; gives submission → sample."""
    ready = sorted(samples(pack), key=lambda sample: (sample.outcome != "pass", sample.name))
    with records.reading() as session:
        assignment = rounds.assignment_of(session, ROUND, pack.exercise.id).id
    handed_in = {}
    working = [seat for place, seat in enumerate(seats) if place not in AWAY and place not in SILENT]
    for place, seat in enumerate(working):
        sample = ready[place % len(ready)]
        with submission_of(sample) as source, as_archive(source) as archive:
            receipt = receiving.submit(
                records,
                seat=seat,
                assignment=assignment,
                filename=f"{sample.name}.zip",
                chunks=iter(lambda archive=archive: archive.read(CHUNK), b""),  # type: ignore[misc]
                by="demo",
            )
        handed_in[receipt.submission] = sample
    return handed_in


def _grade_all(records: Records, driver: DockerDriver, settings: Settings, language: str, *, jobs: int) -> None:
    """Let slots of this process grade until nothing waits; a line for each result."""
    stop = threading.Event()
    threads = [
        threading.Thread(
            target=Slot(
                records,
                driver,
                exercises=settings.exercises,
                name=f"demo/{number}",
                fit=lambda: fitness().problem,
                tidy=lambda: None,
                stop=stop,
            ).run
        )
        for number in range(jobs)
    ]
    for thread in threads:
        thread.start()
    try:
        _wait(records, threads, language)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _wait(records: Records, threads: Sequence[threading.Thread], language: str) -> None:
    begun = time.monotonic()
    shown: tuple[int, tuple[str, ...]] = (-1, ())
    while True:
        with records.reading() as session:
            seen = outlook(session, records.database.now(session))
            done = session.scalar(select(func.count()).select_from(Grading)) or 0
            total = session.scalar(select(func.count()).select_from(Job)) or 0
        if (done, seen.held_back) != shown:
            shown = (done, seen.held_back)
            spent = f"{time.monotonic() - begun:.0f} {word('seconds', language)}"
            ERRORS.print(f"· {word('graded', language)} {done}/{total} · {spent}", markup=False)
            for code in seen.held_back:
                ERRORS.print(f"  {sentence(code, {}, 'en' if language == 'en' else 'th')}", markup=False)
        if not seen.waiting and not seen.running:
            return
        if not any(thread.is_alive() for thread in threads):
            raise UsageProblem("worker.ended")
        time.sleep(_WAIT_SECONDS)


def _print_results(records: Records, handed_in: dict[str, Sample], language: str) -> int:
    """The table of what was expected and got; gives how many differ."""
    table = Table(box=None, pad_edge=False)
    for heading in ("sample", "expected", "got", "points"):
        table.add_column(word(heading, language), overflow="fold")
    table.add_column("")
    wrong = 0
    with records.reading() as session:
        gradings = {one.submission_id: one for one in session.scalars(select(Grading))}
    for submission, sample in handed_in.items():
        grading = gradings.get(submission)
        same = grading is not None and not compare(sample, Verdict.from_json(grading.verdict))
        wrong += not same
        got = word(f"outcome.{grading.outcome}", language) if grading else "–"
        table.add_row(
            Text(sample.name),
            Text(word(f"outcome.{sample.outcome}", language)),
            Text(got),
            str(grading.points) if grading else "–",
            Text(word("matches" if same else "differs", language)),
        )
    Console(highlight=False).print(table)
    return wrong


def _decide(records: Records, seats: Sequence[str], handed_in: dict[str, Sample]) -> None:
    """One override, and one trainee who withdraws after the work was handed in."""
    with records.reading() as session:
        failed = [one for one in handed_in if overriding.result_of(session, one) == "fail"]
        count = session.scalar(select(func.count()).select_from(Seat))
    assert count == PEOPLE
    if failed:
        overriding.override(records, submission=failed[0], to="pass", by="instructor", reason="โจทย์ข้อนี้กำกวม (สาธิต)")
    rounds.note(records, seat=seats[WITHDRAWS], kind="withdrew", by="demo", reason="ย้ายงาน (สาธิต)")
