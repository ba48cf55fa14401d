"""The audit log: who did what to which thing, and whether the chain of it holds. It names ids, and no people."""

import re
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from grader.services import auditing
from portal.access.door import Allow, Door

router = APIRouter(prefix="/admin/audit")

Read = Annotated[Door, Depends(Allow("audit.read"))]

FILTERS: Final = ("by", "action", "object", "first", "last")
CURSOR: Final = re.compile(r"[0-9]{1,15}")


@router.get("")
def log(door: Read, request: Request, before: str = "") -> Response:
    """A page of the log, the newest entries first."""
    return _page(door, {name: request.query_params.get(name, "").strip()[:100] for name in FILTERS}, before)


@router.post("/verify")
def verify(door: Read) -> Response:
    """Look at the chain now; how much of it is bounded, because somebody waits."""
    return _page(door, dict.fromkeys(FILTERS, ""), "", walked=auditing.walk(door.records))


def _page(door: Door, typed: dict[str, str], before: str, **values: Any) -> Response:
    days, wrong = {}, []
    for name in ("first", "last"):
        try:
            days[name] = date.fromisoformat(typed[name]) if typed[name] else None
        except ValueError:
            days[name] = None
            wrong.append(name)
    if not wrong and days["first"] and days["last"] and days["last"] < days["first"]:
        wrong.append("last")
    wanted = auditing.Wanted(by=typed["by"], action=typed["action"], object=typed["object"], **days)
    with door.records.reading() as session:
        cursor = int(before) if CURSOR.fullmatch(before) else None
        page = auditing.LogPage(lines=()) if wrong else auditing.log_page(session, wanted, before=cursor)
        actions = auditing.actions(session)
        chain = auditing.chain_state(session)
    asked = {name: value for name, value in typed.items() if value}
    return door.page(
        "admin/audit.html",
        status=422 if wrong else 200,
        page=page,
        actions=actions,
        chain=chain,
        typed=typed,
        asked=asked,
        wrong=wrong,
        cursor=cursor,
        older=f"?{urlencode({**asked, 'before': page.before})}" if page.before is not None else "",
        newest=f"?{urlencode(asked)}" if cursor is not None else "",
        **{"walked": None, **values},
    )
