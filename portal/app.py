"""The web application: it reads the records and changes them through the services; it starts nothing, fetches nothing.

Importing it needs no settings and no database; :func:`create_app` gets both.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from grader import __version__
from grader.records import Records
from grader.services.linting import LintDesk
from portal import errors
from portal.api import table
from portal.bodies import PACE, BodyLimits, Pace, UnreadBodies
from portal.limits import LimitsTold
from portal.logging import AccessLog
from portal.metrics import Measured, Metrics
from portal.middleware import KnownHosts, OwnRequests, RequestName, SafeAnswers
from portal.oidc import Provider
from portal.pages import Pages
from portal.routes import ROUTERS
from portal.settings import PortalSettings
from portal.shelf import Shelf
from portal.watching import Watch

LOCAL_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")


class Static(StaticFiles):
    """Files of ours; their addresses change with their content, so that browsers keep them for good."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, to be kept."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def create_app(
    records: Records,
    settings: PortalSettings,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    pace: Pace = PACE,
) -> FastAPI:
    """The portal of these records. ``now`` is only what pages call now; what decides is the clock of the records.

    ``pace`` is how slow a body may be.
    """
    metrics = Metrics(records)
    app = FastAPI(
        title="Anamai API Grader",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[
            Middleware(RequestName),
            Middleware(AccessLog),
            Middleware(Measured, metrics=metrics),
            Middleware(SafeAnswers, secure=settings.secure),
            Middleware(LimitsTold),
            Middleware(UnreadBodies),
            Middleware(KnownHosts, hosts=(settings.host, *LOCAL_HOSTS), refuse=errors.refused),
            Middleware(OwnRequests, origin=settings.origin, refuse=errors.refused),
            Middleware(BodyLimits, pace=pace),
        ],
    )
    app.state.records = records
    app.state.api = table.ALL
    app.state.settings = settings
    app.state.pages = Pages(now)
    app.state.watch = Watch(records)
    app.state.shelf = Shelf(records, settings.base.exercises)
    app.state.metrics = metrics
    app.state.lints = LintDesk()
    bundle = settings.base.ca_bundle
    app.state.provider = settings.oidc and Provider(
        settings.oidc, f"{settings.origin}/sign-in/oidc/callback", str(bundle) if bundle else None
    )
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", Static(directory=str(files("portal").joinpath("static"))), name="static")
    return app
