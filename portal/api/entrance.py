"""What the routes of the API have in common: how parameters look, what is refused, what the description says."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from portal.access.door import Door
from portal.api.models import Problem

VERSION: Final = "/api/v1"

AssignmentId = Annotated[str, Path(pattern=r"^asg_[0-9a-f]{16}$")]
SubmissionId = Annotated[str, Path(pattern=r"^sub_[0-9a-f]{16}$")]
FetchId = Annotated[str, Path(pattern=r"^fet_[0-9a-f]{16}$")]
RoundCode = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Code of a training round.")]

STAFF: Final = frozenset({"instructor", "coordinator"})


def known_query(request: Request) -> None:
    """Refuse a query with a name that the route does not have: a filter that is misspelt must not give everything."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = {one.alias for one in route.dependant.query_params}
    if unknown := sorted(set(request.query_params) - known):
        raise RequestValidationError([
            {"type": "extra_forbidden", "loc": ("query", name), "msg": "Extra inputs are not permitted"}
            for name in unknown
        ])  # fmt: skip


def router(tag: str) -> APIRouter:
    """The routes of one noun."""
    return APIRouter(prefix=VERSION, tags=[tag], dependencies=[Depends(known_query)])


def answers(*statuses: int, **headers: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The refusals that a route documents, beside those that every route has; see ``description``."""
    said: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in statuses}
    if headers:
        said |= {int(name.removeprefix("on_")): {"headers": told} for name, told in headers.items()}
    return said


def header(description: str, *, required: bool = False) -> dict[str, Any]:
    """How a header of an answer is described."""
    return {"description": description, "required": required, "schema": {"type": "string"}}


def staff_of(door: Door) -> list[str] | None:
    """The ids of the rounds whose staff the visitor belongs to; None: all."""
    assert door.visit.me is not None
    held = [round_id for role, round_id in door.visit.me.roles if role in STAFF]
    return None if None in held else [one for one in held if one is not None]
