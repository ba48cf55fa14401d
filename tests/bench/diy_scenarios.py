"""The scenarios of an exercise with plain pytest on the host, straight against an app on loopback.

``python -m tests.bench.diy_scenarios PACK SEED APP DSN`` exits with 0 when nothing was found.
"""

import sys
import tempfile
from pathlib import Path

import pytest

from grader.packs import build_world, load_pack
from grader.probe.agencies.postgres import PostgresAgency
from grader.probe.guard import Guard
from grader.probe.routes import Routes
from grader.probe.scenarios.messages import Fault, Finished
from grader.probe.scenarios.plugin import ScenarioPlugin
from grader.probe.session import Session
from grader.probe.target import Target


def main(root: str, seed: str, app: str, dsn: str) -> int:
    """Run them; the guard of the session is never started."""
    pack = load_pack(Path(root))
    world = build_world(pack, int(seed))
    routes = Routes((one.operation_id, one.method, one.path) for one in pack.operations)
    found: list[object] = []
    with tempfile.TemporaryDirectory() as folder:
        session = Session(
            pack=pack,
            world=world,
            base_url=app,
            guard=Guard(app, routes=routes),
            target=Target(app, routes=routes),
            agencies={"facility": PostgresAgency("facility", dsn=dsn, app_role="app")},
            workdir=Path(folder),
        )
        plugin = ScenarioPlugin(session, found.append)
        scenarios = str(pack.root / "scenarios")
        pytest.main(
            [
                "-q",
                "-p",
                "no:cacheprovider",
                "-c",
                "/dev/null",
                "--rootdir",
                scenarios,
                "--import-mode=importlib",
                scenarios,
            ],
            [plugin],
        )
    tests = [one for one in found if isinstance(one, Finished)]
    wrong = any(one.findings for one in tests) or any(isinstance(one, Fault) for one in found)
    return 1 if wrong or not tests else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
