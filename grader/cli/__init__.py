"""The command ``grader``: the only place that reads settings, prints to people and decides exit codes."""

import json
import signal
import sys

import typer

from grader import __version__
from grader.cli import (
    accounts,
    check,
    deciding,
    demo,
    exercises,
    keeping,
    kpi,
    machine,
    records,
    remote,
    rounds,
    serve,
    words,
    working,
)
from grader.cli.console import explain_problem
from grader.errors import EXIT_ENVIRONMENT, GraderError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="ตรวจแบบฝึกหัด API: รับงาน รันใน sandbox แล้วออกผล\n\nGrade API exercises: archive in, verdict out.",
)
app.command("setup")(machine.setup)
app.command("doctor")(machine.doctor)
app.command("check")(check.check)
app.command("demo")(demo.demo)
app.command("init")(records.init)
app.command("serve")(serve.serve)
app.command("login")(remote.login)
app.command("submit")(working.submit)
app.command("worker")(working.worker)
app.command("override")(deciding.override)
app.command("verify")(records.verify)
app.command("backup")(keeping.backup)
app.command("restore")(keeping.restore)
app.command("purge")(keeping.purge)
app.add_typer(accounts.app, name="account")
app.add_typer(exercises.app, name="exercises")
app.add_typer(kpi.app, name="kpi")
app.add_typer(rounds.round_app, name="round")
app.add_typer(rounds.roster_app, name="roster")
app.add_typer(working.queue_app, name="queue")
app.add_typer(deciding.appeal_app, name="appeal")
app.add_typer(deciding.regrade_app, name="regrade")


def _version(wanted: bool) -> None:  # noqa: FBT001 - the shape Typer calls
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="รุ่น · the version"),  # noqa: FBT001
) -> None:
    """Options that come before the command."""


def main() -> None:
    """Run the command; what went wrong becomes a sentence with a next step, and an exit code."""
    # Asked to end, a command leaves nothing behind, as after Ctrl-C; workers and the portal do so in their own way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except GraderError as problem:
        if "--json" in sys.argv:
            print(json.dumps({"schema": "error/1", "code": problem.code, "params": problem.params}, ensure_ascii=False))
        explain_problem(problem, words.language_of(sys.argv))
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        sys.exit(EXIT_ENVIRONMENT)
