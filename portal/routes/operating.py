"""For those who run the portal: whether it lives, whether it can serve, which version it is."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from grader import __version__
from grader.errors import EnvironmentProblem
from grader.queue import outlook
from portal.access.door import Allow, Door
from portal.clients import asked_directly
from portal.metrics import Metrics

router = APIRouter()

Anyone = Annotated[Door, Depends(Allow("page.read"))]


@router.get("/healthz")
def healthz() -> JSONResponse:
    """The process answers. It asks nothing of the database, so that a database that is down restarts no portal."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(door: Anyone) -> JSONResponse:
    """The records can be read, and how the queue stands."""
    try:
        with door.records.reading() as session:
            seen = outlook(session, door.records.database.now(session))
    except EnvironmentProblem as problem:
        return JSONResponse({"status": "unavailable", "code": problem.code}, status_code=503)
    return JSONResponse({"status": "ok", "waiting": seen.waiting, "running": seen.running, "workers": seen.workers})


@router.get("/metrics", response_class=Response)
def metrics(door: Annotated[Door, Depends(Allow("metrics.read"))]) -> Response:
    """For a monitor on this machine or in a network of ours; for everybody else, and through a proxy, there is none."""
    visit = door.visit
    if not asked_directly(visit):
        raise HTTPException(404)
    measured: Metrics = visit.request.app.state.metrics
    return Response(measured.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
def version() -> JSONResponse:
    """The version of the program."""
    return JSONResponse({"version": __version__})
