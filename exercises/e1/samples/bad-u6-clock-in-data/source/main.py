"""สมุดหน่วยบริการ: which clinics exist, where they are, and whether they are still open."""

import logging
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from starlette.exceptions import HTTPException

import cursors
import problems
import register
import shapes
from config import BANGKOK, as_of, today
from inputs import Areacode, FacilitySearch, Hoscode, each_parameter_once

# The access log would hold whatever callers type into ``q``; a proxy in front may log what it may.
logging.getLogger("uvicorn.access").disabled = True

app = FastAPI(title="สมุดหน่วยบริการ", version="1.0.0", redirect_slashes=False)
problems.install(app)


def meta() -> dict[str, Any]:
    fetched_at = datetime.now(BANGKOK).isoformat(timespec="seconds")
    return {
        "as_of": as_of().isoformat(),
        "partial": False,
        "sources": [{"name": "FACILITY", "status": "ok", "fetched_at": fetched_at}],
    }


def described(rows: list[Any]) -> list[dict[str, Any]]:
    names = shapes.AreaNames(register.area_names(row.areacode for row in rows))
    day = today()
    return [shapes.facility(row, names, day) for row in rows]


@app.get("/healthz", include_in_schema=False)
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/facilities", operation_id="listFacilities", dependencies=[Depends(each_parameter_once)])
def list_facilities(search: Annotated[FacilitySearch, Query()]) -> dict[str, Any]:
    day: date = search.open_on or today()
    name_part = search.q.strip() if search.q is not None else None
    filters = {"area": search.area, "type": search.type, "open_on": day.isoformat(), "q": name_part}
    after = None
    if search.cursor is not None:
        try:
            after = cursors.decode(search.cursor, filters)
        except cursors.UnknownCursor:
            raise problems.InvalidInput("cursor", "ไม่รู้จัก cursor นี้สำหรับการค้นหานี้") from None
    # One row more than asked tells whether there is another page.
    rows = register.page(
        day=day,
        area_prefix=search.area,
        type_code=search.type,
        name_part=name_part,
        after=after,
        size=search.limit + 1,
    )
    shown, more = rows[: search.limit], len(rows) > search.limit
    next_cursor = cursors.encode(shown[-1].areacode, shown[-1].code, filters) if more else None
    return {
        "data": described(shown),
        "page": {"limit": search.limit, "next_cursor": next_cursor},
        "meta": meta(),
    }


@app.get("/facilities/{hoscode}", operation_id="getFacility")
def get_facility(hoscode: Hoscode) -> dict[str, Any]:
    # A code is never padded: "712" is another code than "00712", and nobody has it.
    row = register.find(hoscode) if len(hoscode) == 5 else None
    if row is None:
        raise HTTPException(404)
    return {"data": described([row])[0], "meta": meta()}


@app.get("/areas/{areacode}/facility-count", operation_id="countFacilities")
def count_facilities(areacode: Areacode) -> dict[str, Any]:
    if not register.area_exists(areacode):
        raise HTTPException(404)
    count = register.count(areacode, today())
    counted_at = datetime.now(BANGKOK).isoformat()
    return {"data": {"areacode": areacode, "as_of": counted_at, "count": count}, "meta": meta()}
