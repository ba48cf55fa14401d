"""What people see while they wait and when something goes wrong; all of it on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from grader.cli.words import phase_word, word
from grader.errors import GraderError
from grader.reports.catalogue import Lang, explain

ERRORS = Console(stderr=True, highlight=False)

Listener = Callable[[str, str], None]


def explain_problem(problem: GraderError, language: str) -> None:
    """One sentence that says what was wrong and one that says what to do."""
    lang: Lang = "en" if language == "en" else "th"
    text = explain(problem.code, problem.params, lang)
    ERRORS.print(f"✗ {text.title} [{problem.code}]", style="bold red", markup=False)
    ERRORS.print(f"  {text.sentence}", markup=False)
    if text.next_step:
        ERRORS.print(f"  {word('what_to_do', language)}: {text.next_step}", markup=False)
    if log := problem.params.get("log"):
        ERRORS.print(str(log), markup=False, style="dim")


@contextmanager
def live_phases(language: str, *, quiet: bool = False) -> Iterator[Listener]:
    """A listener that shows the running phase: a spinner on a terminal, one line a phase elsewhere."""
    if quiet:
        yield lambda _phase, _what: None
        return
    if not ERRORS.is_terminal:
        last: list[str] = []

        def line(phase: str, what: str) -> None:
            if last[-1:] != [phase]:
                last.append(phase)
                detail = f" [{what}]" if phase == "retry" else ""
                ERRORS.print(f"· {phase_word(phase, language)}{detail}", markup=False)

        yield line
        return
    with ERRORS.status("…") as status:

        def show(phase: str, what: str) -> None:
            text = phase_word(phase, language)
            status.update(f"{text} · {what}" if what else text)

        yield show
