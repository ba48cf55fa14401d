"""The description of the API, as OpenAPI 3.1: made from the routes themselves, so that it tells of every one."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from grader import __version__
from portal.access.door import Allow, Door
from portal.api.entrance import header
from portal.api.models import Problem
from portal.api.problems import MEDIA_TYPE

ADDRESS: Final = "/api/openapi.json"

ABOUT: Final = """What the pages of the portal do, for programs.

Send a personal token as `Authorization: Bearer gt_…`; the page Tokens makes one. Every refusal is
`application/problem+json` with a stable `code`. Times are RFC 3339; ids are opaque; lists go on with `next_cursor`.
"""

SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "A personal token with the scopes that it needs."}
}
_FAILURE: Final = 400


def router(routers: Iterable[APIRouter]) -> APIRouter:
    """The route that gives the description of these routers."""
    made = APIRouter()
    told = tuple(routers)
    kept: dict[str, Any] = {}

    @made.get(ADDRESS, include_in_schema=False)
    def description(door: Annotated[Door, Depends(Allow("page.read"))]) -> JSONResponse:  # noqa: ARG001 - a door
        """All that the API can do."""
        if not kept:
            kept.update(describe(told))
        return JSONResponse(kept, media_type="application/vnd.oai.openapi+json;version=3.1")

    return made


def describe(routers: Iterable[APIRouter]) -> dict[str, Any]:
    """The document."""
    routes = [route for one in routers for route in one.routes]
    document = get_openapi(
        title="Anamai API Grader", version=__version__, openapi_version="3.1.0", description=ABOUT, routes=routes
    )
    document["components"]["securitySchemes"] = SECURITY
    document["security"] = [{"token": []}]
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas |= schemas["Problem"].pop("$defs", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _refusals(operation["responses"])
    return document


def _refusals(responses: dict[str, Any]) -> None:
    """Every refusal is a problem, and says so; what each needs in its header is told, too."""
    for status, told in responses.items():
        if int(status) < _FAILURE:
            continue
        told["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if status == "401":
            told["headers"] = {"WWW-Authenticate": header("How to come in.", required=True)}
        if status == "429":
            told["headers"] = {
                "Retry-After": header("Seconds to wait.", required=True),
                "RateLimit": header("What is left of the limit that was reached, when it is one of an hour."),
            }
        if status == "503":
            told["headers"] = {"Retry-After": header("Seconds to wait.", required=True)}
