"""ฝากครรภ์เร็วจริงไหม: how many women came early, told from two agencies that do not always agree."""

import logging
from bisect import bisect_right
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from starlette.exceptions import HTTPException

import cursors
import problems
import shapes
from config import as_of, pseudonym_key
from dopa import Registry, client
from inputs import CaseId, RateQuery, ReconciliationQuery, each_parameter_once
from linkage import Case, counts, first_visit_rate, link
from reading import Reader

# Callers type all kinds of things into a path, citizen numbers among them; the access log would keep them.
logging.getLogger("uvicorn.access").disabled = True

app = FastAPI(title="ฝากครรภ์เร็วจริงไหม", version="1.0.0", redirect_slashes=False)
problems.install(app)
registry = Registry(client())
reader = Reader()


def linked_cases() -> tuple[list[Case], dict[str, Any]]:
    """Every pregnancy with its outcome, in order of the case id, and the meta of an answer made from them."""
    reading = reader.latest()
    census = registry.look_up(one.woman.cid for one in reading.pregnancies if one.woman.cid)
    meta = {
        "as_of": as_of().isoformat(),
        "partial": False,
        "sources": [
            {"name": "HDC", "status": "ok", "fetched_at": reading.read_at.isoformat(timespec="seconds")},
            {"name": "DOPA", "status": "ok", "fetched_at": census.fetched_at.isoformat(timespec="seconds")},
        ],
    }
    return link(reading.pregnancies, census.people, pseudonym_key()), meta


@app.get("/healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/anc/first-visit", operation_id="getFirstVisitRate", dependencies=[Depends(each_parameter_once)])
def get_first_visit_rate(query: Annotated[RateQuery, Query()]) -> dict[str, Any]:
    cases, meta = linked_cases()
    found = first_visit_rate(cases, query.fy_be, query.area)
    return {"data": shapes.rate(found, query.fy_be, query.area), "meta": meta}


@app.get("/anc/reconciliation", operation_id="listReconciliation", dependencies=[Depends(each_parameter_once)])
def list_reconciliation(query: Annotated[ReconciliationQuery, Query()]) -> dict[str, Any]:
    key = pseudonym_key()
    after = ""
    if query.cursor is not None:
        try:
            after = cursors.decode(key, query.cursor, query.outcome)
        except cursors.UnknownCursor:
            raise problems.InvalidInput("cursor", "ไม่รู้จัก cursor นี้สำหรับตัวกรองนี้") from None
    cases, meta = linked_cases()
    wanted = [case for case in cases if query.outcome in (None, case.outcome)]
    # Where the next page begins is told by the case id, so that a case that vanished in between loses no other.
    start = bisect_right(wanted, after, key=lambda case: case.case_id)
    shown, more = wanted[start : start + query.limit], len(wanted) > start + query.limit
    next_cursor = cursors.encode(key, shown[-1].case_id, query.outcome) if more else None
    return {
        "data": [shapes.row(case) for case in shown],
        "page": {"limit": query.limit, "next_cursor": next_cursor},
        "meta": meta | {"counts": counts(cases)},
    }


@app.get("/anc/cases/{case_id}", operation_id="getCase")
def get_case(case_id: CaseId) -> dict[str, Any]:
    cases, meta = linked_cases()
    found = next((case for case in cases if case.case_id == case_id), None)
    if found is None:
        raise HTTPException(404)
    return {"data": shapes.whole(found), "meta": meta}
