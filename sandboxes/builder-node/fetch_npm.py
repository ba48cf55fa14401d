"""Fetch the pinned npm from its registry, check its hash and unpack it; prints the registry's address.

Debian's npm pulls 480 packages, and its client opens a connection for each download when it is behind a proxy, more
than a proxy or a resolver bears. It is only looked at, for the registry that npm uses when nothing else is said.

Arguments: Debian's npm unpacked, version, hash (``sha512-…``), folder to unpack to, own registry or "".
"""

import base64
import hashlib
import io
import json
import pathlib
import re
import sys
import tarfile
import urllib.request

SECONDS = 120
DEFAULTS = "usr/share/nodejs/npm/node_modules/npm-registry-fetch/lib/default-opts.js"

debian, version, expected, folder, own = sys.argv[1:]
defaults = re.search(r"registry: '(https://[^']+)'", (pathlib.Path(debian) / DEFAULTS).read_text())
registry = own or (defaults.group(1) if defaults else sys.exit(f"no registry in {DEFAULTS}"))


def fetch(address: str) -> bytes:
    """The content of an address of the registry."""
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:  # noqa: S310 - the registry's
        return answer.read()


release = json.loads(fetch(f"{registry.rstrip('/')}/npm/{version}"))
archive = fetch(release["dist"]["tarball"])
found = f"sha512-{base64.b64encode(hashlib.sha512(archive).digest()).decode()}"
if found != expected:
    sys.exit(f"npm {version} has the hash {found}")
with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
    tar.extractall(folder)  # noqa: S202 - its hash is pinned
print(registry)
