"""A grading without containers: real intake, a sandbox that plays a script, and phases that take a moment."""

import io
import time
import zipfile
from collections.abc import Mapping, Sequence

from grader.evidence import CheckEvidence
from grader.sandbox.driver import Examination
from grader.sandbox.fake import FakeDriver, FakeSandbox, Play
from tests.fixtures.records import MINI

PHASE_SECONDS = 0.004
_COMMANDS = {"scenario": "scenarios", "contract": "contract", "universal": "universal"}

APP = """
from flask import Flask

app = Flask(__name__)


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
"""


def all_right() -> Mapping[str, Sequence[CheckEvidence]]:
    """What a probe finds in MINI when everything is right."""
    results: dict[str, list[CheckEvidence]] = {"privacy": []}
    for check in MINI.checks.values():
        if check.family in _COMMANDS:
            share = (2, 2) if check.id == "C" else None
            results.setdefault(_COMMANDS[check.family], []).append(
                CheckEvidence(check=check.id, outcome="pass", share=share)
            )
    return results


def fake_driver() -> FakeDriver:
    """A driver whose every grading is a pass."""
    examine = FakeSandbox.examine

    def slowly(self: FakeSandbox, command: str, only: frozenset[str] | None = None) -> Examination:
        time.sleep(PHASE_SECONDS)
        return examine(self, command, only)

    FakeSandbox.examine = slowly  # type: ignore[method-assign]
    return FakeDriver(plays=(Play(results=all_right()),))


def project_zip(number: int = 0) -> bytes:
    """A small project as an archive; every number is another one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", APP)
        archive.writestr("requirements.txt", "flask\n")
        archive.writestr("NOTES.txt", f"{number}\n")
    return buffer.getvalue()
