"""Admin access to the agency databases that the app reads, from the probe's side of the fence.

What goes wrong is sorted at one place an engine: a database that fails is ours, a wrong table, column or value is the
exercise author's. The app's doings never raise anything here.
"""

from grader.errors import InfrastructureFault
from grader.probe.agencies.handle import AgencyHandle, Tables
from grader.probe.agencies.memory import InMemoryAgency
from grader.probe.agencies.postgres import PostgresAgency

__all__ = ["AgencyHandle", "InMemoryAgency", "PostgresAgency", "Tables", "open_agency"]


def open_agency(name: str, *, engine: str, dsn: str, app_role: str) -> AgencyHandle:
    """The handle for an agency of this engine; raises InfrastructureFault for an engine that has none yet."""
    if engine == "postgres":
        return PostgresAgency(name, dsn=dsn, app_role=app_role)
    raise InfrastructureFault("infrastructure.agency_engine", agency=name, engine=engine)
