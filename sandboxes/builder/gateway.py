"""The only way out of the build network: a proxy that lets the package index through and nothing else.

Settings come from the environment: PORT, and UPSTREAM (host:port) where the machine itself has to use a proxy.
"""

import os
import pathlib
import re

hosts = pathlib.Path("/usr/local/lib/grader/index-hosts").read_text().split()
pathlib.Path("/tmp/allowed").write_text("".join(f"^{re.escape(host)}$\n" for host in hosts))
upstream = os.environ.get("UPSTREAM", "")
pathlib.Path("/tmp/gateway.conf").write_text(
    f"""Port {os.environ["PORT"]}
Listen 0.0.0.0
Timeout 60
MaxClients 64
Filter "/tmp/allowed"
FilterExtended On
FilterDefaultDeny Yes
ConnectPort 443
DisableViaHeader Yes
LogLevel Notice
{f"Upstream http {upstream}" if upstream else ""}
"""
)
os.execvp("tinyproxy", ["tinyproxy", "-d", "-c", "/tmp/gateway.conf"])
