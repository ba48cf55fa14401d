"""The list of all routes with their doors, as a page of the documents: ``python -m portal.inventory > docs/routes.md``.

It is made from the application itself; a test compares it with the page, so that no route appears without being seen.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from portal.access.door import Allow
from portal.access.policy import FRESH, POLICY, SCOPES
from portal.routes import ROUTERS

HEAD: Final = """# Routes

Every address that the portal answers, made by `python -m portal.inventory > docs/routes.md`; nobody writes it by hand.
Beside these there are the files below `/static`. What an action is and who may do it stands in
`portal/access/policy.py`: *owner* and *member* are what somebody is to the thing that the address names, the others
are roles. *Proof*: whoever does it proved lately who they are. *Token*: the scope with which a program may do it.
*Limit*: what it is counted for, see [portal.md](portal.md#settings); handing work in is counted there where it is known
that it may be handed in.

| method | path | action | who | proof | token | limit |
|---|---|---|---|---|---|---|
"""


def lines(routers: Iterable[APIRouter] = ROUTERS) -> Iterator[str]:
    """One row for each address and method, in the order of the addresses."""
    found = []
    for router in routers:
        for one in iter_route_contexts(router.routes):
            assert isinstance(one.original_route, APIRoute), one.path
            door = _door(one.dependant)
            found += [(one.path or "", method, door) for method in one.methods or ()]
    for path, method, door in sorted(found, key=lambda row: row[:2]):
        yield f"| {method} | `{path}` | {_told(door, path)} |"


def _told(door: Allow | None, path: str) -> str:
    if door is None:
        return "– | anyone | | | "
    action, limit = door.action, door.limit or ""
    who = ", ".join(one.replace("_", " ") for one in sorted(POLICY[action]))
    token = SCOPES.get(action, "") if path.startswith("/api/") else ""
    return f"`{action}` | {who} | {'yes' if action in FRESH else ''} | {token} | {limit}"


def _door(dependant: Dependant) -> Allow | None:
    """The door of a route, wherever among what it depends on."""
    for one in dependant.dependencies:
        found = one.call if isinstance(one.call, Allow) else _door(one)
        if found is not None:
            return found
    return None


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(lines()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
