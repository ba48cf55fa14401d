"""``grader submit``, ``worker`` and ``queue …``: work comes in, waits and is graded."""

import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from grader.cli.office import By, Reason, actor, opened, say, show
from grader.cli.options import AsJson, Language, build_settings, settings_for
from grader.cli.remote import ServerAddress, submit_to
from grader.errors import EXIT_CHECKS_FAILED, EXIT_OK, UsageProblem
from grader.intake import as_archive
from grader.queue import fetches_under_way, outlook, place
from grader.records import Grading, Job, Records
from grader.records.blobs import CHUNK
from grader.sandbox import labels, reaper
from grader.sandbox.docker import DockerDriver
from grader.sandbox.engine import connect
from grader.services import operating, receiving, rostering, rounds
from grader.settings import Settings
from grader.worker import Fetcher, Slot, Source, fitness, supervise
from grader.worker.fitness import default_slots

queue_app = typer.Typer(no_args_is_help=True, help="คิวตรวจ · What waits, what runs, and what needs somebody.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="รหัสในคิว · id of the job")]
WAIT_SECONDS = 0.5


def submit(
    exercise: Annotated[str, typer.Option("--exercise", metavar="ID", help="รหัสแบบฝึกหัด · exercise id")],
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="โฟลเดอร์หรือไฟล์ .zip ของงาน · folder or .zip")
    ] = None,
    server: ServerAddress = "",
    git_url: Annotated[
        str, typer.Option("--git", metavar="URL", help="ที่อยู่ git แทนไฟล์ · git address instead", show_default=False)
    ] = "",
    git_ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="commit หรือ branch · commit or branch", show_default=False)
    ] = "",
    code: Annotated[
        str, typer.Option("--round", metavar="ROUND", help="รหัสรุ่น · code of the round", show_default=False)
    ] = "",
    person: Annotated[
        str, typer.Option("--person", metavar="PERSON", help="รหัสบุคลากร · code of the person", show_default=False)
    ] = "",
    key: Annotated[str, typer.Option("--key", metavar="TEXT", help="รหัสกันส่งซ้ำ · idempotency key")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="รอจนได้ผล · wait for the result")] = False,
    by: By = "",
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ส่งงานเข้าระบบ แล้วพิมพ์ผล · Hand work in: to a server, or to the records of this machine.

    ด้วย --server จะติดตามการตรวจและพิมพ์ผลเหมือน grader check ถ้าไม่ระบุ งานจะเข้าระบบบนเครื่องนี้ ซึ่งต้องมี --round และ --person

    With --server the grading is followed and its verdict printed as grader check does. Without it the work goes to
    the records of this machine, which needs --round and --person; the receipt comes when it is kept, never before.
    """
    settings, language = settings_for(lang)
    if (path is None) != bool(git_url) or (git_ref and not git_url) or (git_url and not server):
        raise UsageProblem("usage.one_source")
    if server:
        submit_to(
            server,
            path=path,
            git_url=git_url,
            git_ref=git_ref,
            exercise=exercise,
            round_code=code,
            key=key,
            settings=settings,
            language=language,
            as_json=as_json,
        )
        return
    if path is None or not code or not person:
        raise UsageProblem("usage.where_to_submit")
    with opened(settings) as records, as_archive(path) as archive:
        with records.reading() as session:
            seat = rostering.seat_of(session, round_code=code, person_code=person).id
            assignment = rounds.assignment_of(session, code, exercise).id
        receipt = receiving.submit(
            records,
            seat=seat,
            assignment=assignment,
            filename=path.name if path.is_file() else f"{path.resolve().name}.zip",
            chunks=iter(lambda: archive.read(CHUNK), b""),
            by=actor(by),
            idempotency_key=key,
        )
        facts: dict[str, Any] = receipt.model_dump(mode="json")
        if wait:
            facts |= _result(records, receipt.submission)
    shown = facts if as_json else {key: facts.get(key) for key in ("submission", "number", "late", "outcome", "points")}
    say("submitted", language, as_json=as_json, **shown)
    raise typer.Exit(EXIT_OK if facts.get("outcome", "pass") == "pass" else EXIT_CHECKS_FAILED)


def worker(
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", metavar="N", min=1, help="ตรวจพร้อมกันกี่งาน · gradings at a time")
    ] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="หยุดเมื่อคิวว่าง · stop when nothing waits")] = False,
    slot: Annotated[bool, typer.Option("--slot", help="หนึ่งช่องตรวจ ใช้ภายใน · one slot (internal)")] = False,
    fetcher: Annotated[
        bool, typer.Option("--fetcher", help="ตัวดึงงานจาก git ใช้ภายใน · the one that fetches from git (internal)")
    ] = False,
    lang: Language = "",
) -> None:
    """รับงานจากคิวมาตรวจจนกว่าจะสั่งหยุด · Claim and grade until stopped.

    หยุดด้วย SIGTERM หรือ Ctrl-C: งานที่ใกล้เสร็จจะตรวจจนเสร็จ นอกนั้นคืนเข้าคิว

    SIGTERM or Ctrl-C: what is nearly done is finished, the rest goes back to the queue.
    """
    settings, language = settings_for(lang)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    if slot or fetcher:
        (_serve if slot else _fetch)(settings, stop)
        return
    with opened(settings) as records:
        slots = concurrency or default_slots()
        say("worker.started", language, as_json=False, slots=slots)
        if until_idle:
            threading.Thread(target=_stop_when_idle, args=(records, stop), daemon=True).start()
        us = [sys.executable, "-m", "grader", "worker"]
        supervise([*us, "--slot"], slots=slots, stop=stop, beside=[[*us, "--fetcher"]])
    say("worker.stopped", language, as_json=False)


def _fetch(settings: Settings, stop: threading.Event) -> None:
    """What fetches, in a process of its own; it ends when the process that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while not stop.wait(WAIT_SECONDS):
            if os.getppid() != parent:
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    with opened(settings) as records:
        source = Source(hosts=settings.git, ca_bundle=settings.ca_bundle)
        Fetcher(records, source, name=labels.owner(), stop=stop).run()


def _serve(settings: Settings, stop: threading.Event) -> None:
    """One slot, in a process of its own; it ends when the process that started it is gone."""
    parent = os.getppid()

    def fit() -> str:
        if os.getppid() != parent:
            stop.set()
        return fitness().problem

    client = connect()
    driver = DockerDriver.on_this_machine(settings.sandboxes, build_settings(settings), ahead=True)
    with opened(settings) as records, closing(driver):
        Slot(
            records,
            driver,
            exercises=settings.exercises,
            name=labels.owner(),
            fit=fit,
            tidy=lambda: reaper.reap(client),
            stop=stop,
        ).run()


def _stop_when_idle(records: Records, stop: threading.Event) -> None:
    while not stop.wait(WAIT_SECONDS):
        with records.reading() as session:
            seen = outlook(session, records.database.now(session))
            coming = fetches_under_way(session)
        if not seen.waiting and not seen.running and not coming:
            stop.set()


def _result(records: Records, submission: str) -> dict[str, Any]:
    """Wait until a submission has a result, or needs somebody."""
    while True:
        with records.reading() as session:
            grading = session.scalars(
                select(Grading).where(Grading.submission_id == submission, Grading.standing == "final")
            ).one_or_none()
            job = session.scalars(select(Job).where(Job.submission_id == submission)).first()
        if grading is not None:
            return {"outcome": grading.outcome, "points": grading.points, "code": grading.code}
        if job is not None and job.state in {"needs_operator", "cancelled"}:
            return {"outcome": job.state, "points": None, "code": job.code}
        time.sleep(WAIT_SECONDS)


# -- the queue --------------------------------------------------------------------------------------------------------


@queue_app.command("show")
def show_queue(lang: Language = "", as_json: AsJson = False) -> None:
    """คิวตอนนี้ · What waits, what runs, who works."""
    settings, language = settings_for(lang)
    with opened(settings) as records, records.reading() as session:
        now = records.database.now(session)
        seen = outlook(session, now)
        live = session.scalars(
            select(Job)
            .where(Job.state.in_(("queued", "running", "needs_operator")))
            .order_by(Job.state.desc(), Job.priority, Job.turn, Job.queued_at)
            .limit(50)
        ).all()
        rows = [
            {
                "job": job.id,
                "submission": job.submission_id,
                "state": job.state,
                "place": place(session, job) + 1 if job.state == "queued" else None,
                "tries": job.tries,
                "code": job.code,
                "queued": job.queued_at,
            }
            for job in live
        ]
    if not as_json:
        facts = {"waiting": seen.waiting, "running": seen.running, "needs_operator": seen.needs_operator}
        say("queue", language, as_json=False, **facts, workers=seen.workers, held_back=" ".join(seen.held_back))
    show(rows, language, as_json=as_json, none="none.jobs")


@queue_app.command("retry")
def retry_job(job: JobId, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ให้งานที่รอผู้ดูแลตรวจใหม่ · Let a job that needs an operator try again."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        operating.retry(records, job=job, by=actor(by))
    say("job.retried", language, as_json=as_json, job=job)


@queue_app.command("cancel")
def cancel_job(job: JobId, reason: Reason, by: By = "", lang: Language = "", as_json: AsJson = False) -> None:
    """ยกเลิกงานในคิว · Cancel a job; the submission stays."""
    settings, language = settings_for(lang)
    with opened(settings) as records:
        operating.cancel(records, job=job, by=actor(by), reason=reason)
    say("job.cancelled", language, as_json=as_json, job=job)
