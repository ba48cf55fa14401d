"""``python -m portal``: serve the portal of this installation until stopped."""

import argparse
import logging
import signal
import sys
from typing import NoReturn

import uvicorn

from grader.errors import EnvironmentProblem, GraderError
from grader.records import open_records
from grader.records.keys import KEY_FILE, need_private
from grader.records.seals import SEAL_FILE, Seals
from grader.reports.catalogue import explain
from portal import static_files, uploads
from portal.app import create_app
from portal.logging import configure
from portal.settings import read_portal_settings

GRACE_SECONDS = 20
"""How long an upload may go on after SIGTERM; who watches a live page comes back by itself."""
STATEMENT_SECONDS = 5
"""A question to the database that takes longer holds up everybody; commands and workers have more time."""


def main() -> int:
    """Serve; 0 when stopped in peace, the exit code of the problem otherwise."""
    parser = argparse.ArgumentParser(prog="python -m portal")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--grace", type=int, default=GRACE_SECONDS, help="seconds an upload may go on after SIGTERM")
    asked = parser.parse_args()
    configure()
    try:
        if missing := static_files.missing():
            raise EnvironmentProblem("environment.assets_missing", files=", ".join(missing))
        settings = read_portal_settings()
        records = open_records(settings.base.data, settings.base.database_url, statement_seconds=STATEMENT_SECONDS)
        Seals.read(settings.base.data)  # otherwise read when it is first used, which would be too late to refuse
        need_private(settings.base.data / KEY_FILE, settings.base.data / SEAL_FILE)
    except GraderError as problem:
        text = explain(problem.code, problem.params, "th")
        sys.stderr.write(f"✗ {text.title} [{problem.code}]\n  {text.sentence}\n  {text.next_step}\n")
        return problem.exit_code
    uploads.tidy()
    # The server stops in peace on this signal, and then sends it to itself once more: what must be given back is then.
    signal.signal(signal.SIGTERM, _stop)
    app = create_app(records, settings)
    app.state.pages.prepare()
    try:
        uvicorn.run(
            app,
            host=asked.host,
            port=asked.port,
            log_config=None,  # its lines leave as ours do
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=asked.grace,
        )
    finally:
        app.state.shelf.close()
        records.close()
    return 0


def _stop(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
