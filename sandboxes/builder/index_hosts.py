"""Print the doors that the index gateway has to leave open, one ``host:port`` a line, for the addresses given."""

import sys
import urllib.parse

PORTS = {"https": 443, "http": 80}

for address in sys.argv[1:]:
    url = urllib.parse.urlsplit(address)
    if url.hostname is None or url.scheme not in PORTS:
        sys.exit(f"not the address of an index: {address}")
    print(f"{url.hostname}:{url.port or PORTS[url.scheme]}")
