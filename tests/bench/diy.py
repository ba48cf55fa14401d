"""What the grader is measured against: the same steps as somebody would script them with the tools at hand.

The engine's command line, the ``st`` command with the same budget, and pytest with the same scenarios, on the host. It
is written to be fast, not to be safe: one network, no guard, no limits on what an answer may hold, nothing repeated, no
universal and privacy checks, no verdict. The app and its database are published on loopback.
"""

import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from grader.packs import Pack, build_world

DATABASE_PORT = 5432
APP_PORT = 8080
BASE_TAG = "grader-bench-pip:latest"
"""Without a tag it would go with the last app image that stands on it."""
DOCKERFILE = """ARG BASE
FROM ${BASE}
ARG FRESH
WORKDIR /app
COPY requirements.txt /app/
RUN pip3 install -q --break-system-packages --no-cache-dir -r requirements.txt
COPY . /app/
USER 10001:10001
"""
BASE_DOCKERFILE = """ARG BASE
FROM ${BASE}
USER 0
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3-pip
RUN ln -s /usr/bin/python3 /usr/local/bin/python
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
DATABASE = (
    "cp -a /seed/pg /data/pg && chmod 700 /data/pg && echo 'host all all all trust' >>/data/pg/pg_hba.conf && "
    "exec postgres -D /data/pg -c listen_addresses='*'"
)


@dataclass(kw_only=True)
class Measured:
    """Wall seconds by phase, CPU seconds by place, the contract tester's requests, seconds of all answers."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    requests: int = 0
    answers: float = 0.0
    passed: bool = False

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one step, and the CPU of the commands that it starts."""
        started, cpu = time.perf_counter(), _children()
        try:
            yield
        finally:
            self.wall[name] = time.perf_counter() - started
            self.cpu["host"] = self.cpu.get("host", 0.0) + _children() - cpu


def run(
    pack: Pack, source: Path, *, seed: int, base: str, database: str, start: Sequence[str], fresh: bool
) -> Measured:
    """Do everything once. ``base`` and ``database`` are image ids; ``fresh`` installs the packages again."""
    name, measured = f"diy-{secrets.token_hex(4)}", Measured()
    folder = Path(tempfile.mkdtemp(prefix="diy-"))
    try:
        with measured.phase("build"):
            _build(source, folder, f"{name}:app", base, fresh=name if fresh else "")
        with measured.phase("agencies"):
            _agencies(pack, seed, name, database)
        with measured.phase("start"):
            app = _app(pack, seed, name, start)
        with measured.phase("contract"):
            measured.requests = _contract(pack, folder, app)
        with measured.phase("scenarios"):
            dsn = f"postgresql://postgres@{_published(f'{name}-db', DATABASE_PORT)}/agency"
            measured.passed = _scenarios(pack, seed, app, dsn)
        for container in ("app", "db"):
            measured.cpu[container] = _used(f"{name}-{container}")
        return measured
    finally:
        with measured.phase("teardown"):
            _quietly("docker", "rm", "-f", "-v", f"{name}-app", f"{name}-db")
            _quietly("docker", "network", "rm", name)
            _quietly("docker", "rmi", "-f", "--no-prune", f"{name}:app")
            shutil.rmtree(folder)


def provide_base(runtime: str) -> str:
    """The image that everybody else would pull: the same runtime, and pip."""
    built = subprocess.run(
        ["docker", "build", "-q", "-t", BASE_TAG, "--build-arg", f"BASE={runtime}", "-"],
        input=BASE_DOCKERFILE.encode(),
        capture_output=True,
        check=True,
    )
    return built.stdout.decode().strip()


def _build(source: Path, folder: Path, tag: str, base: str, *, fresh: str) -> None:
    context = folder / "context"
    shutil.copytree(source, context)
    (context / "Dockerfile").write_text(DOCKERFILE)
    _command(
        "docker", "build", "-q", "-t", tag, "--build-arg", f"BASE={base}", "--build-arg", f"FRESH={fresh}", context
    )


def _agencies(pack: Pack, seed: int, name: str, database: str) -> None:
    _command("docker", "network", "create", name)
    _command(
        *("docker", "run", "-d", "--name", f"{name}-db", "--network", name, "--network-alias", "facility"),
        *("-p", f"127.0.0.1::{DATABASE_PORT}", "--tmpfs", "/data:uid=10002,mode=0700", "--entrypoint", "sh"),
        *(database, "-c", DATABASE),
    )
    psql = ("docker", "exec", "-i", f"{name}-db", "psql", "-h", "/tmp", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1")
    for _ in range(200):
        if subprocess.run([*psql, "-c", "SELECT 1"], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.1)
    script = "\\connect agency\n" + (pack.root / pack.exercise.agencies["facility"].schema_file).read_text()
    for table, rows in build_world(pack, seed).tables["facility"].items():
        columns = list(rows[0])
        script += f"\nCOPY {table} ({', '.join(columns)}) FROM STDIN;\n"
        script += "".join("\t".join(_copied(row[column]) for column in columns) + "\n" for row in rows) + "\\.\n"
    script += "ALTER ROLE app PASSWORD 'app'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;\n"
    subprocess.run(list(psql), input=script.encode(), capture_output=True, check=True)


def _copied(value: object) -> str:
    return "\\N" if value is None else str(value).replace("\\", "\\\\").replace("\t", "\\t")


def _app(pack: Pack, seed: int, name: str, start: Sequence[str]) -> str:
    world = build_world(pack, seed)
    environment = {
        "PORT": str(APP_PORT),
        "TZ": "Asia/Bangkok",
        "AS_OF": world.as_of,
        "AGENCY_FACILITY_URL": "postgresql://app:app@facility:5432/agency",
        **world.env,
    }
    _command(
        *("docker", "run", "-d", "--name", f"{name}-app", "--network", name, "--memory", "512m", "--cpus", "1"),
        *("-p", f"127.0.0.1::{APP_PORT}", *(f"-e{key}={value}" for key, value in environment.items())),
        *(f"{name}:app", *(part.replace("$PORT", str(APP_PORT)) for part in start)),
    )
    address = f"http://{_published(f'{name}-app', APP_PORT)}"
    for _ in range(600):
        with suppress(OSError), urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:  # noqa: S310
            if answer.status == 200:
                return address
        time.sleep(0.1)
    message = "the app did not start"
    raise RuntimeError(message)


def _contract(pack: Pack, folder: Path, app: str) -> int:
    budget, report = pack.exercise.contract, folder / "report.json"
    subprocess.run(
        [
            *(str(Path(sys.executable).parent / "st"), "--no-color", "run", str(pack.root / "contract.yaml")),
            *("--url", app, "--phases", "examples,coverage,fuzzing", "-n", str(budget.max_examples)),
            *("--seed", str(budget.seed), "--generation-deterministic", "--continue-on-failure"),
            *("--exclude-checks", "unsupported_method,allow_header_conformance", "--report", "json,ndjson"),
            *("--report-json-path", str(report), "--report-ndjson-path", str(folder / "events.ndjson")),
        ],
        capture_output=True,
        check=False,  # it reports failures of correct apps, too, and then exits with 1
        cwd=folder,
    )
    lines = (folder / "events.ndjson").read_text().splitlines()
    return sum(len(json.loads(line).get("ScenarioFinished", {}).get("recorder", {}).get("cases", ())) for line in lines)


def _scenarios(pack: Pack, seed: int, app: str, dsn: str) -> bool:
    command = [sys.executable, "-m", "tests.bench.diy_scenarios", str(pack.root), str(seed), app, dsn]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _published(container: str, port: int) -> str:
    return _command("docker", "port", container, str(port)).splitlines()[0]


def _used(container: str) -> float:
    ident = _command("docker", "inspect", "-f", "{{.Id}}", container)
    for root in ("/sys/fs/cgroup/cpuacct/docker", "/sys/fs/cgroup/cpu,cpuacct/docker"):
        usage = Path(root) / ident / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
    stat = Path(f"/sys/fs/cgroup/system.slice/docker-{ident}.scope/cpu.stat")
    return int(stat.read_text().split()[1]) / 1e6 if stat.exists() else 0.0


def _command(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    if done.returncode != 0:
        message = f"{' '.join(map(str, words[:3]))}: {done.stderr[-500:]}"
        raise RuntimeError(message)
    return done.stdout.strip()


def _quietly(*words: str) -> None:
    subprocess.run(words, capture_output=True, check=False)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
