"""No secret lies in the tree: detect-secrets looks at every file, and what it finds that is none is named here."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = (".ci", "docs", "exercises", "grader", "portal", "sandboxes", "tests")
OTHERS: Final = frozenset({"__pycache__", "node_modules", "vendor", "demo"})
"""Folders that nobody here wrote, and that are in no commit."""

DETECTORS: Final = {
    one.secret_type: one()
    for one in get_mapping_from_secret_type_to_class().values()
    if issubclass(one, RegexBasedDetector) and one.secret_type != "Public IP (ipv4)"  # an address opens nothing
}
"""The detectors that know a kind of secret by its form. Those that only count how random a word looks find hashes."""

ADDRESS, CLOUD, KEY, CHAT = "Basic Auth Credentials", "AWS Access Key", "Private Key", "Slack Token"
KNOWN: Final[dict[str, set[str]]] = {
    # what an exercise or its starter shows as an example, and one that a check has to find
    "exercises/e1/samples/bad-u2-key-in-source/source/backup.py": {CLOUD},
    "exercises/e3/brief.en.md": {ADDRESS},
    "exercises/e3/brief.th.md": {ADDRESS},
    "exercises/e3/starter/node/README.en.md": {ADDRESS},
    "exercises/e3/starter/node/README.th.md": {ADDRESS},
    "exercises/e3/starter/python/README.en.md": {ADDRESS},
    "exercises/e3/starter/python/README.th.md": {ADDRESS},
    # how secrets are recognised, and addresses that are put together
    "grader/intake/source_scan.py": {KEY},
    "grader/probe/agencies/mariadb_session.py": {ADDRESS},
    "grader/sandbox/agency_set.py": {ADDRESS},
    # tests of what must be hidden or found
    "tests/bench/diy.py": {ADDRESS},
    "tests/integration/test_agency_doors.py": {ADDRESS},
    "tests/integration/test_isolation.py": {ADDRESS},
    "tests/portal/test_api_command.py": {ADDRESS},
    "tests/portal/test_metrics.py": {ADDRESS},
    "tests/records/test_fetches.py": {ADDRESS},
    "tests/test_docs.py": {ADDRESS},
    "tests/unit/test_builder_tools.py": {ADDRESS},
    "tests/unit/test_intake_dependencies.py": {ADDRESS},
    "tests/unit/test_intake_jail.py": {ADDRESS},
    "tests/unit/test_intake_node.py": {ADDRESS},
    "tests/unit/test_intake_php.py": {ADDRESS},
    "tests/unit/test_intake_source_scan.py": {ADDRESS, CLOUD, KEY, CHAT},
    "tests/unit/test_probe_agencies.py": {ADDRESS},
    "tests/unit/test_probe_rest.py": {ADDRESS},
}
"""File to the kinds that may be found in it. A real secret does not belong here but out of the history, and changed."""

PLANTED: Final = {
    ADDRESS: "https://somebody:" + "kx93hT2p@example.org/",
    CLOUD: "AKIA" + "Q3EGRIUQ7Z5XABCD",
    KEY: "-----BEGIN " + "RSA PRIVATE KEY-----",
    CHAT: "xoxb-" + "223456789012-223456789013-abcdefghijklmnopqrstuvwx",
    "GitHub Token": "ghp_" + "q3EgRIuq7Z5xAbCd" * 2 + "wxyz",
    "JSON Web Token": ".".join(  # noqa: FLY002 - whole it would be found
        ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")
    ),
    "PyPI Token": "pypi-" + "AgEIcHlwaS5vcmc" + "x" * 80,
    "Stripe Access Key": "sk_live_" + "q3EgRIuq7Z5xAbCdEfGhIjKl",
}
"""One of a kind, put together here so that this file has none."""


def kinds_in(text: str) -> set[str]:
    """The kinds of secrets that a text seems to hold."""
    return {name for name, one in DETECTORS.items() if any(one.analyze_string(text))}


def files() -> Iterator[Path]:
    """Everything that could be committed."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file())
    for folder in FOLDERS:
        for place, below, names in os.walk(ROOT / folder):
            below[:] = sorted(set(below) - OTHERS)
            yield from (Path(place) / name for name in sorted(names))


def test_no_file_holds_a_secret() -> None:
    """Nothing is found but what is named above, and nothing is named that is not found."""
    found = {}
    for path in files():
        text = path.read_bytes().decode("utf-8", "replace")
        if kinds := kinds_in(text):
            found[path.relative_to(ROOT).as_posix()] = kinds
    assert len(DETECTORS) > 15
    assert found == KNOWN


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found(kind: str) -> None:
    """In the middle of a file, as somebody leaves it there."""
    assert kind in kinds_in(f'first = 1\nTOKEN = "{PLANTED[kind]}"\nlast = 2\n')
    assert kinds_in("first = 1\nTOKEN = os.environ['TOKEN']\n") == set()
