"""The door of a route: who comes, what they want to do, and with what. Every route has exactly one.

A thing that somebody may not see is answered like one that does not exist; only what is visible can be forbidden.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from fastapi import HTTPException, Request
from sqlalchemy import exists, select
from sqlalchemy.orm import Session
from starlette.responses import Response

from grader.records import Records, Seat
from portal.access.places import LOCATE, NOWHERE, Place
from portal.access.policy import FRESH, POLICY, SCOPES, SEES, Relation
from portal.api.problems import Refused
from portal.limits import LimitName, pace
from portal.logging import denied
from portal.visit import ConfirmNeeded, SignInNeeded, Visit, visit_of

_ROUND_ROLES: Final = frozenset[Relation]({"instructor", "coordinator"})


@dataclass(frozen=True, kw_only=True)
class Door:
    """An opened door: the visit, and the thing that the address names ("" where it names none)."""

    visit: Visit
    action: str
    id: str
    place: Place

    @property
    def records(self) -> Records:
        """The records of the installation."""
        return self.visit.records

    @property
    def by(self) -> str:
        """Whose name a change is written under: the login of the staff, which ``grader kpi grant`` knows as well.

        A trainee's login is the code of a person, which the audit must not keep beyond the person: there it is the id.
        """
        assert self.visit.me is not None
        return self.visit.me.account_id if self.visit.me.person_id else self.visit.me.login

    def allows(self, action: str) -> bool:
        """Whether the same person may also do this to the same thing: what a page offers, its route decides again."""
        with self.records.reading() as session:
            return allowed(session, self.visit, action, self.place)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page; see :meth:`Visit.page`."""
        return self.visit.page(template, status=status, door=self, **values)


class Allow:
    """A dependency that opens the door of a route: ``Depends(Allow("submission.read"))``.

    The part of the action before the dot names the kind of thing. When things of that kind have a place, the route's
    path has a parameter of that name; ``of`` names another kind, for an action on one thing below another. ``limit`` is
    how often one person may come through in an hour.
    """

    def __init__(self, action: str, *, of: str = "", limit: LimitName | None = None) -> None:
        if action not in POLICY:
            message = f"{action}: not in the table of permissions"
            raise ValueError(message)
        self.action, self.kind, self.limit = action, of or action.partition(".")[0], limit

    def __call__(self, request: Request) -> Door:
        """Open the door, or answer 404, 403, 429, the sign-in page or the one that asks to confirm."""
        name = request.path_params.get(self.kind, "") if self.kind in LOCATE else ""
        door = _open(visit_of(request), self.action, self.kind, name)
        if self.limit is not None:
            pace(door.visit, self.limit)
        return door


def further(door: Door, action: str, name: str) -> Door:
    """A second door, of a thing that a body names; it opens, or answers, as if the address had named the thing."""
    return _open(door.visit, action, action.partition(".")[0], name)


def _open(visit: Visit, action: str, kind: str, name: str) -> Door:
    with visit.records.reading() as session:
        place = _place(session, kind, name) if name else NOWHERE
        if place is not None and allowed(session, visit, action, place):
            _need_scope(visit, action)
            _need_fresh(session, visit, action)
            return Door(visit=visit, action=action, id=name, place=place)
        if visit.me is None:
            raise SignInNeeded
        hidden = bool(name) and (place is None or not allowed(session, visit, SEES[kind], place))
    status = 404 if hidden else 403
    denied(visit.request, action=action, thing=name if place is not None else "", status=status)
    raise HTTPException(status)


def _place(session: Session, kind: str, name: str) -> Place | None:
    """Where the thing belongs; a name that no id or code can be is not even looked up."""
    return LOCATE[kind](session, name) if name.isprintable() else None


def _need_scope(visit: Visit, action: str) -> None:
    """A token is good for what its scopes name, and never for more than its owner may do."""
    if visit.token is None or "anyone" in POLICY[action]:
        return
    scope = SCOPES.get(action)
    if scope is None or scope not in visit.token.scopes:
        denied(visit.request, action=action, status=403)
        raise Refused(403, "api.scope", scope=scope)


def _need_fresh(session: Session, visit: Visit, action: str) -> None:
    """What is in :data:`FRESH` is done by somebody who proved lately who they are; asked last, of who is allowed."""
    if action not in FRESH:
        return
    at = visit.me.confirmed_at if visit.me is not None else None
    if at is None or visit.records.database.now(session) - at > timedelta(minutes=visit.settings.confirm_minutes):
        raise ConfirmNeeded


def allowed(session: Session, visit: Visit, action: str, place: Place) -> bool:
    """Whether this visitor stands in a relation to the place that lets them do it."""
    return any(_is(session, visit, relation, place) for relation in sorted(POLICY[action]))


def _is(session: Session, visit: Visit, relation: Relation, place: Place) -> bool:
    me = visit.me
    if relation == "anyone" or me is None:
        return relation == "anyone"
    if relation == "signed_in":
        return True
    if relation == "owner":
        return bool(place.person) and place.person == me.person_id
    if relation == "member":
        return bool(place.round and me.person_id) and bool(
            session.scalar(select(exists().where(Seat.round_id == place.round, Seat.person_id == me.person_id)))
        )
    return any(_grants(role, round_id, relation, place) for role, round_id in me.roles)


def _grants(role: str, round_id: str | None, relation: Relation, place: Place) -> bool:
    """Whether a role that somebody holds (in a round, or None: in all) makes them this to a thing."""
    if relation == "coordinator_of_all":
        return role == "coordinator" and round_id is None
    return role == relation and (relation not in _ROUND_ROLES or not place.round or round_id in {None, place.round})
