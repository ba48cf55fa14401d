"""Smaller accounts of a PostgreSQL server for portal and workers; ``python -m grader.records.roles`` prints them.

The owner of the tables makes and changes them. The portal works with rows, and a worker with those that grading needs:
what proves who somebody is stays out of its reach, because it starts what strangers wrote.
"""

import sys
from collections.abc import Iterator
from typing import Final

from grader.records import schema  # noqa: F401 - all tables belong to it
from grader.records.columns import APPEND_ONLY, Base

PORTAL: Final = "grader_portal"
WORKER: Final = "grader_worker"

UNREAD: Final = frozenset({
    "account", "account_role", "api_token", "half_sign_in", "identity", "one_time_link", "portal_session",
    "recovery_code", "second_factor", "throttle", "role_grant",
})  # fmt: skip
"""Tables of which no worker reads or writes anything."""
VERSION_TABLE: Final = "alembic_version"


def statements() -> Iterator[str]:
    """What the owner says to the server, as often as they like."""
    tables = sorted(table.name for table in Base.metadata.sorted_tables)
    for role, out_of_reach in ((PORTAL, frozenset[str]()), (WORKER, UNREAD)):
        yield f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{role}"'
        yield f'REVOKE CREATE ON SCHEMA public FROM "{role}", PUBLIC'
        yield f'GRANT USAGE ON SCHEMA public TO "{role}"'
        yield f'GRANT SELECT ON "{VERSION_TABLE}" TO "{role}"'
        for name in tables:
            if name not in out_of_reach:
                rights = "SELECT, INSERT" if name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
                yield f'GRANT {rights} ON "{name}" TO "{role}"'


if __name__ == "__main__":
    sys.stdout.writelines(f"{one};\n" for one in statements())
