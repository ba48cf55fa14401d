"""``grader exercises …`` and ``grader demo``: the work of an author, and a first look at all of it."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from grader import __version__
from grader.cli.cohort import SampleResult, grade_samples
from grader.cli.console import ERRORS
from grader.cli.options import AsJson, Jobs, Language, build_settings, settings_for
from grader.cli.words import phase_word, word
from grader.errors import EXIT_CHECKS_FAILED, EXIT_INVALID, UsageProblem
from grader.packs import Pack, Sample, describe, find_pack, list_packs, load_pack, samples
from grader.packs.lint import lint as lint_pack
from grader.packs.new import create_pack
from grader.reports.wrapping import wrap
from grader.sandbox.docker import DockerDriver
from grader.services import sampling
from grader.settings import Settings

app = typer.Typer(no_args_is_help=True, help="แบบฝึกหัด · List, make, lint and verify exercises.")

VERIFY_SEED = 2570
"""The seed of ``verify`` and ``demo``: any would do, one that everybody shares makes results comparable."""

References = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="รหัสหรือโฟลเดอร์ · ids or folders (default: all)")
]


@app.command("list")
def list_exercises(lang: Language = "", as_json: AsJson = False) -> None:
    """รายชื่อแบบฝึกหัด · The exercises that are here."""
    settings, language = settings_for(lang)
    packs = list_packs(settings.exercises)
    if as_json:
        print(json.dumps([describe(pack) for pack in packs], ensure_ascii=False))
        return
    for pack in packs:
        title = getattr(pack.exercise.title, language)
        Console(highlight=False).print(f"{pack.exercise.id}  {pack.exercise.version}  {title}", markup=False)


@app.command("show")
def show(
    exercise: Annotated[str, typer.Argument(metavar="ID", help="รหัสหรือโฟลเดอร์ · id or folder")],
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """รายละเอียดและรายการตรวจ · One exercise and its checks."""
    settings, language = settings_for(lang)
    pack = load_pack(find_pack(exercise, settings.exercises))
    if as_json:
        print(json.dumps(describe(pack), ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(
        f"{pack.exercise.id} {pack.exercise.version} · {getattr(pack.exercise.title, language)}", markup=False
    )
    rule = pack.exercise.pass_rule
    unconfirmed = "" if rule.confirmed else f" ({word('unconfirmed', language)})"
    facts = [
        word(f"level.{pack.exercise.level}", language),
        f"{pack.exercise.hours:g} {word('hours', language)}",
        ", ".join(pack.exercise.runtimes),
        f"{word('pass_rule', language)} {rule.points}{unconfirmed}",
    ]
    console.print(" · ".join(facts), markup=False)
    for line in wrap(getattr(pack.exercise.summary, language), console.width):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False)
    table.add_column(word("check", language), no_wrap=True)
    table.add_column("★")
    table.add_column(word("points", language), justify="right", no_wrap=True)
    table.add_column(word("title", language), overflow="fold")
    for check in pack.checks.values():
        star = "★" if check.mandatory else ""
        table.add_row(check.id, star, str(check.points), Text(getattr(check.title, language)))
    console.print(table)
    console.print(word("star", language), style="dim")


@app.command("new")
def new(
    slug: Annotated[str, typer.Argument(metavar="ID", help="รหัสของแบบฝึกหัดใหม่ · id of the new exercise")],
    lang: Language = "",
) -> None:
    """สร้างโครงแบบฝึกหัดใหม่ · Make the skeleton of a new exercise."""
    settings, _ = settings_for(lang)
    print(create_pack(slug, settings.exercises))


@app.command("lint")
def lint(
    path: Annotated[str, typer.Argument(metavar="ID", help="รหัสหรือโฟลเดอร์ · id or folder")],
    lang: Language = "",
    as_json: AsJson = False,
) -> None:
    """ตรวจแบบของแบบฝึกหัด · Check an exercise without running it."""
    settings, language = settings_for(lang)
    problems = lint_pack(find_pack(path, settings.exercises))
    if as_json:
        print(json.dumps([problem.model_dump() for problem in problems], ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for problem in problems:
            severity = word(f"severity.{problem.severity}", language)
            console.print(f"{problem.rule} {severity} {problem.path}: {problem.problem}", markup=False)
            console.print(f"    {word('fix', language)}: {problem.fix}", markup=False)
        if not problems:
            console.print(word("lint.clean", language))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(EXIT_INVALID)


@app.command("verify")
def verify(
    exercises: References = None,
    lang: Language = "",
    as_json: AsJson = False,
    jobs: Jobs = 2,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="เลขตั้งต้นของข้อมูล · the seed")] = VERIFY_SEED,
    sample: Annotated[
        list[str] | None, typer.Option("--sample", metavar="NAME", help="เฉพาะตัวอย่างนี้ (ใช้ซ้ำได้) · only this sample")
    ] = None,
) -> None:
    """ตรวจตัวอย่างงานทุกชุด · Grade every sample and compare.

    เทียบผลที่ได้กับผลที่ผู้เขียนแบบฝึกหัดคาดไว้

    The result is compared with what the author of the exercise expects.
    """
    settings, language = settings_for(lang)
    packs = [load_pack(find_pack(ref, settings.exercises)) for ref in exercises or []] or list_packs(settings.exercises)
    chosen = [(pack, one) for pack in packs for one in samples(pack) if not sample or one.name in sample]
    if not chosen:
        raise UsageProblem("usage.no_samples", exercises=", ".join(exercises or []))
    results = _grade_and_show(chosen, settings, language, seed=seed, jobs=jobs, quiet=as_json)
    if not sample:
        remember(settings.data, results, seed=seed)
    if as_json:
        print(json.dumps([_as_json(result) for result in results], ensure_ascii=False))
    if any(result.differences for result in results):
        raise typer.Exit(EXIT_CHECKS_FAILED)


def remember(data: Path, results: Sequence[SampleResult], *, seed: int) -> None:
    """Let the portal show what was found about the exercises whose samples were all graded."""
    for pack in {result.pack.root: result.pack for result in results}.values():
        seen = tuple(
            sampling.SampleSeen(
                sample=result.sample.name,
                outcome=result.verdict.outcome,
                points=result.verdict.points,
                failing=result.failing,
                differences=result.differences,
                seconds=round(result.seconds, 1),
            )
            for result in results
            if result.pack.root == pack.root
        )
        sampling.keep(
            data,
            sampling.Verified(
                exercise=pack.id,
                digest=pack.digest,
                seed=seed,
                grader_version=__version__,
                at=datetime.now(UTC),
                samples=seen,
            ),
        )


def _grade_and_show(
    chosen: Sequence[tuple[Pack, Sample]], settings: Settings, language: str, *, seed: int, jobs: int, quiet: bool
) -> list[SampleResult]:
    """Grade with progress, then print the table."""
    driver = DockerDriver.on_this_machine(settings.sandboxes, build_settings(settings))
    driver.require_images()
    running: dict[str, str] = {}
    finished: list[SampleResult] = []

    started = time.monotonic()

    def state() -> Text:
        spent = f"{time.monotonic() - started:.0f} {word('seconds', language)}"
        head = f"{word('graded', language)} {len(finished)}/{len(chosen)} · {spent}"
        return Text("\n".join([head, *(f"  {name}  {what}" for name, what in sorted(running.items()))]))

    live = Live(console=ERRORS, get_renderable=state, refresh_per_second=4, transient=True)
    with closing(driver), live:

        def listen(name: str, what: str) -> None:
            phase, _, rest = what.partition(" ")
            running[name] = f"{phase_word(phase, language)} {rest}"

        def done(result: SampleResult) -> None:
            finished.append(result)
            running.pop(f"{result.pack.exercise.id}/{result.sample.name}", None)
            mark = "✗" if result.differences else "✓"
            spent = f"{result.seconds:.0f} {word('seconds', language)}"
            line = f"{mark} {len(finished)}/{len(chosen)} {result.sample.name} · {spent}"
            live.console.print(Text(line))

        results = grade_samples(chosen, driver, seed=seed, jobs=jobs, listen=listen, done=done)
    if not quiet:
        Console(highlight=False).print(_table(results, language))
        for result in results:
            for difference in result.differences:
                Console(highlight=False).print(f"✗ {result.sample.name}: {difference}", markup=False)
    return results


def _table(results: Sequence[SampleResult], language: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(word("sample", language), overflow="fold")
    table.add_column(word("expected", language), overflow="fold")
    table.add_column(word("got", language), overflow="fold")
    table.add_column(word("seconds", language), justify="right")
    table.add_column("")
    for result in results:
        sample = result.sample
        wanted = " ".join(sorted({*sample.fails, *sample.consequences}))
        table.add_row(
            Text(sample.name),
            Text(f"{word(f'outcome.{sample.outcome}', language)} {wanted}".strip()),
            Text(
                f"{word(f'outcome.{result.verdict.outcome}', language)} {result.verdict.points} "
                f"{' '.join(result.failing)}".strip()
            ),
            f"{result.seconds:.0f}",
            Text(word("differs" if result.differences else "matches", language)),
        )
    return table


def _as_json(result: SampleResult) -> dict[str, object]:
    return {
        "exercise": result.pack.exercise.id,
        "sample": result.sample.name,
        "outcome": result.verdict.outcome,
        "code": result.verdict.code,
        "points": result.verdict.points,
        "failing": list(result.failing),
        "seconds": round(result.seconds, 1),
        "differences": list(result.differences),
    }
