"""What it costs to put an agency's rows back, to start an agency, and to ask it through its door.

``python -m tests.bench.reset`` prints medians in milliseconds, measured from inside the probe (for the door: from the
app's place), so that they hold for a grading. Only the ratios travel between machines.
"""

import statistics
import time
from datetime import datetime

from rich.console import Console
from rich.table import Table

from grader.sandbox.agency_set import AgencySet
from grader.sandbox.engine import GuardedClient, connect
from grader.sandbox.images import ImageStore
from tests.fixtures.databases import ENGINES, Databases, databases
from tests.fixtures.engine import ROOT, SETTINGS

ROWS = (500, 22_500)
RUNS = 7
STARTS = 3

_TOOLS = """
import statistics, time

TABLES = ("person", "anc", "prenatal")
COLUMNS = ("hospcode", "pid", "cid", "sex", "birth", "typearea", "discharge", "d_update")
SCHEMA = "".join(
    f"CREATE TABLE {table} ({', '.join(c + ' varchar(20)' for c in COLUMNS)}, PRIMARY KEY (hospcode, pid));"
    for table in TABLES
)

def world(rows):
    def row(n):
        values = (f"{n % 300:05}", f"{n:06}", f"197{n:010}", "2", "19970513", "1", "9", "20261122080000")
        return dict(zip(COLUMNS, values))
    sizes = {"person": rows * 10 // 22, "anc": rows * 10 // 22}
    sizes["prenatal"] = rows - sum(sizes.values())
    return {table: [row(n) for n in range(size)] for table, size in sizes.items()}

def median(work, runs):
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)

def several(handle, statements):
    with handle._opened().cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)

def truncated(handle):
    several(handle, [f"TRUNCATE {table}" for table in TABLES])
    handle._store(rows)

def touched(handle, tables):
    handle._touched.update(tables)
    handle.reset(rows)

def from_copies(handle):
    if handle.name == "facility":
        several(handle, [f"DROP TABLE {table}" for table in TABLES])
        several(handle, [f"CREATE TABLE {table} (LIKE kept.{table}, PRIMARY KEY (hospcode, pid))" for table in TABLES])
    else:
        several(handle, [f"DROP TABLE {table}" for table in TABLES])
        several(handle, [f"CREATE TABLE {table} LIKE kept.{table}" for table in TABLES])
        several(handle, [f"ALTER TABLE {table} ADD PRIMARY KEY (hospcode, pid)" for table in TABLES])
    several(handle, [f"INSERT INTO {table} SELECT * FROM kept.{table}" for table in TABLES])
"""
_VARIANTS: dict[str, str] = {
    "load: DELETE, rows from the probe, copy kept": "{name}.load(rows)",
    "DELETE, rows from the probe": "{name}._store(rows)",
    "TRUNCATE, rows from the probe (waits for readers)": "truncated({name})",
    "DROP and CREATE, rows from the kept copy (waits for readers)": "from_copies({name})",
    "reset, nothing changed (chosen)": "{name}.reset(rows)",
    "reset, the smallest table changed (chosen)": "touched({name}, ['prenatal'])",
    "reset, every table changed (chosen)": "touched({name}, TABLES)",
}


def main() -> int:
    """Measure and print."""
    engine = connect()
    store = ImageStore(engine, ROOT / "sandboxes", SETTINGS)
    console = Console(highlight=False, width=120)
    with databases(engine, store, "bench-reset") as house:
        _print_resets(console, house)
        _print_doors(console, house)
    _print_starts(console, engine, store)
    return 0


def _print_resets(console: Console, house: Databases) -> None:
    house.probe.run(_TOOLS)
    for name in ENGINES:
        house.probe.run(f"{name}.create_schema(SCHEMA)")
    table = Table(title=f"Putting the rows back: ms, median of {RUNS}", box=None)
    table.add_column("way")
    for rows in ROWS:
        for kind in ENGINES.values():
            table.add_column(f"{kind} {rows:,}", justify="right")
    found: dict[str, list[str]] = {way: [] for way in _VARIANTS}
    for rows in ROWS:
        house.probe.run(f"rows = world({rows})")
        for name in ENGINES:
            for way, call in _VARIANTS.items():
                house.probe.run(f"{name}.load(rows)")
                took = house.probe.get(f"median(lambda: {call.format(name=name)}, {RUNS})")
                found[way].append(f"{took:.0f}")
    for way, cells in found.items():
        table.add_row(way, *cells)
    console.print(table)


_ASK = """
import statistics, time
def asked(connection, statements):
    took = []
    with connection.cursor() as cursor:
        for number in range(statements):
            begun = time.perf_counter()
            cursor.execute("SELECT cid FROM person WHERE pid = %s AND hospcode = %s", [f"{number % 200:06}", "00001"])
            cursor.fetchall()
            took.append((time.perf_counter() - begun) * 1e6)
    return statistics.median(took), sorted(took)[int(len(took) * 0.95)]
"""


def _print_doors(console: Console, house: Databases) -> None:
    table = Table(title="One statement: microseconds, median and 95th percentile of 3,000", box=None)
    for heading in ("engine", "through the door", "directly", "counting them (ms)"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    house.app.run(_ASK)
    house.probe.run(_ASK)
    for name, kind in ENGINES.items():
        house.app.run(f"c = connect({kind!r}, urls['AGENCY_{name.upper()}_URL'])")
        house.probe.run(f"{name}.forget()")
        pairs = [house.app.get("asked(c, 3_000)"), house.probe.get(f"asked({name}._opened(), 3_000)")]
        counting = house.probe.get(f"median({name}.statements, 5)")
        counted = house.probe.get(f"{name}.statements()")
        assert counted == 3_000, counted
        table.add_row(kind, *(f"{middle:.0f} / {late:.0f}" for middle, late in pairs), f"{counting:.1f}")
    console.print(table)


def _print_starts(console: Console, engine: GuardedClient, store: ImageStore) -> None:
    """A set with one agency, none of it there before; the server's own line in the log says when it is ready."""
    table = Table(title=f"Cold start of a set with one agency: ms, median of {STARTS}", box=None)
    for heading in ("engine", "networks, agency, probe: started", "agency: started to ready"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for name, kind in ENGINES.items():
        begun: list[float] = []
        ready: list[float] = []
        for number in range(STARTS):
            agencies = AgencySet(engine, store, {name: kind}, f"bench-start-{number}")
            try:
                started = time.perf_counter()
                agencies.start()
                begun.append((time.perf_counter() - started) * 1000)
                ready.append(_ready(engine, agencies.containers[name]) * 1000)
            finally:
                agencies.close()
        table.add_row(kind, f"{statistics.median(begun):.0f}", f"{statistics.median(ready):.0f}")
    console.print(table)


def _ready(engine: GuardedClient, container: str) -> float:
    """Seconds from the container's start to its server's word that it takes connections."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        for line in engine.logs(container, timestamps=True).decode("utf-8", "replace").splitlines():
            if "ready for connections" in line or "ready to accept connections" in line:
                started = datetime.fromisoformat(engine.inspect_container(container)["State"]["StartedAt"][:26])
                return (datetime.fromisoformat(line[:26]) - started).total_seconds()
        time.sleep(0.05)
    raise TimeoutError(container)


if __name__ == "__main__":
    raise SystemExit(main())
