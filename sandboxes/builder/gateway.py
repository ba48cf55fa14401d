"""The only way out of the build network: a proxy that lets the package index through and nothing else.

Settings come from the environment: PORT, UPSTREAM (host:port) where the machine itself has to use a proxy, and DIRECT,
the machine's list of hosts that are reached without it.
"""

import os
import pathlib
import re
import urllib.request

DOORS = pathlib.Path("/usr/local/lib/grader/index-hosts")


def configuration(doors: list[str], port: str, upstream: str, direct: str) -> tuple[str, str]:
    """The proxy's settings and its list of allowed hosts, for doors such as ``index.example:443``."""
    places = [door.rpartition(":") for door in doors]
    hosts = sorted({host for host, _, _ in places})
    lines = [
        f"Port {port}",
        "Listen 0.0.0.0",
        "Timeout 60",
        "MaxClients 56",  # one thread each, of the 64 that its container may have
        'Filter "/tmp/allowed"',
        "FilterType ere",
        "FilterDefaultDeny Yes",
        *(f"ConnectPort {number}" for number in sorted({int(number) for _, _, number in places})),
        "DisableViaHeader Yes",
        "LogLevel Notice",
    ]
    if upstream:
        lines.append(f"Upstream http {upstream}")
        near = (host for host in hosts if urllib.request.proxy_bypass_environment(host, {"no": direct}))
        lines += [f'Upstream none "{host}"' for host in near]
    return "\n".join(lines) + "\n", "".join(f"^{re.escape(host)}$\n" for host in hosts)


def main() -> None:
    """Write both files and become the proxy."""
    environment = os.environ
    settings, allowed = configuration(
        DOORS.read_text().split(), environment["PORT"], environment.get("UPSTREAM", ""), environment.get("DIRECT", "")
    )
    pathlib.Path("/tmp/allowed").write_text(allowed)
    pathlib.Path("/tmp/gateway.conf").write_text(settings)
    os.execvp("tinyproxy", ["tinyproxy", "-d", "-c", "/tmp/gateway.conf"])


if __name__ == "__main__":
    main()
