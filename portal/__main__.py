"""``python -m portal``: serve the portal of this installation until stopped."""

import argparse
import logging
import sys

import uvicorn

from grader.errors import EnvironmentProblem, GraderError
from grader.records import open_records
from grader.reports.catalogue import explain
from portal import static_files
from portal.app import create_app
from portal.logging import configure
from portal.settings import read_portal_settings

GRACE_SECONDS = 20
"""How long an upload may go on after SIGTERM; who watches a live page comes back by itself."""


def main() -> int:
    """Serve; 0 when stopped in peace, the exit code of the problem otherwise."""
    parser = argparse.ArgumentParser(prog="python -m portal")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    asked = parser.parse_args()
    configure()
    try:
        if missing := static_files.missing():
            raise EnvironmentProblem("environment.assets_missing", files=", ".join(missing))
        settings = read_portal_settings()
        records = open_records(settings.base.data, settings.base.database_url)
    except GraderError as problem:
        text = explain(problem.code, problem.params, "th")
        sys.stderr.write(f"✗ {text.title} [{problem.code}]\n  {text.sentence}\n  {text.next_step}\n")
        return problem.exit_code
    app = create_app(records, settings)
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
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    finally:
        app.state.shelf.close()
        records.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
