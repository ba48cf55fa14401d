"""Admin access to the agencies that the app reads, from the probe's side of the fence.

What goes wrong is sorted at one place an engine: an agency that fails is ours, a wrong table, column, value or fault is
the exercise author's. The app's doings never raise anything here.
"""

from grader.errors import InfrastructureFault
from grader.probe.agencies.control import AgencyControl
from grader.probe.agencies.handle import AgencyHandle, AgencyRequest, Script, Tables
from grader.probe.agencies.mariadb import MariadbAgency
from grader.probe.agencies.memory import InMemoryAgency
from grader.probe.agencies.postgres import PostgresAgency
from grader.probe.agencies.rest import RestAgency

__all__ = [
    "AgencyHandle",
    "AgencyRequest",
    "InMemoryAgency",
    "MariadbAgency",
    "PostgresAgency",
    "RestAgency",
    "Script",
    "Tables",
    "open_agency",
]


def open_agency(name: str, *, engine: str, dsn: str, app_role: str, control: str = "", token: str = "") -> AgencyHandle:
    """The handle for an agency of this engine; raises InfrastructureFault for an engine that has none yet.

    ``control`` is the URL of the agency's control side ("": it has none), ``token`` what that asks for.
    """
    side = AgencyControl(name, url=control, token=token) if control else None
    if engine == "postgres":
        return PostgresAgency(name, dsn=dsn, app_role=app_role, control=side)
    if engine == "mariadb":
        return MariadbAgency(name, dsn=dsn, app_role=app_role, control=side)
    if engine == "http" and side is not None:
        return RestAgency(name, control=side)
    raise InfrastructureFault("infrastructure.agency_engine", agency=name, engine=engine)
