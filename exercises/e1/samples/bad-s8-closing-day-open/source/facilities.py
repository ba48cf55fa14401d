"""The three questions to the register, in SQL. One short connection per question; nothing is kept."""

import os
import re
import threading
from datetime import date
from typing import NamedTuple

import psycopg
from psycopg.rows import dict_row
from werkzeug.exceptions import NotFound

from clock import as_of, today

# Codes lose their padding and nothing else. COLLATE "C": order and cursor must agree byte by byte.
CLEANED = """
    WITH cleaned AS (
        SELECT btrim(hoscode::text) COLLATE "C" AS hoscode,
               hoscodenew::text, hosname, btrim(hostype::text) AS hostype,
               (coalesce(nullif(btrim(provcode::text), ''), '00')
                || coalesce(nullif(btrim(distcode::text), ''), '00')
                || coalesce(nullif(btrim(subdistcode::text), ''), '00')) COLLATE "C" AS areacode,
               mu::text, postcode::text, bed, tel, d_update::text,
               nullif(nullif(btrim(closed_date::text), ''), '00000000') COLLATE "C" AS closed
          FROM chospital
    )
"""

# A "00" part is unknown; the parts above it are still known from any tambon that shares them.
DESCRIBED = """
    SELECT cleaned.*, kind.typename, province.prov_th, district.dist_th, tambon.tambon_th
      FROM cleaned
      LEFT JOIN chostype AS kind ON btrim(kind.hostype::text) = cleaned.hostype
      LEFT JOIN LATERAL (SELECT prov_th FROM carea
                          WHERE left(carea.areacode::text, 2) = left(cleaned.areacode, 2)
                            AND left(cleaned.areacode, 2) <> '00'
                          ORDER BY carea.areacode LIMIT 1) AS province ON true
      LEFT JOIN LATERAL (SELECT dist_th FROM carea
                          WHERE left(carea.areacode::text, 4) = left(cleaned.areacode, 4)
                            AND substr(cleaned.areacode, 3, 2) <> '00'
                          ORDER BY carea.areacode LIMIT 1) AS district ON true
      LEFT JOIN carea AS tambon ON tambon.areacode::text = cleaned.areacode
                               AND substr(cleaned.areacode, 5, 2) <> '00'
"""

# Each request is a thread of its own, but the register lends us only a few connections.
SEATS = threading.BoundedSemaphore(4)

OPEN = "(closed IS NULL OR closed > %(day)s)"
OPEN_ON = "(closed IS NULL OR closed >= %(day)s)"  # asked for a day: it had not closed before it


class Search(NamedTuple):
    open_on: date | None
    area: str | None
    type: str | None
    q: str | None


def _ask(sql, params):
    dsn = os.environ.get("AGENCY_FACILITY_URL", "")
    with SEATS, psycopg.connect(dsn, autocommit=True, connect_timeout=3, row_factory=dict_row) as connection:
        return connection.execute(sql, params).fetchall()


def _digits(day):
    return day.isoformat().replace("-", "")


def page(search, *, after, size):
    """Up to ``size`` facilities open on the day of the search, after the given cursor."""
    conditions = [OPEN if search.open_on is None else OPEN_ON]
    params = {"day": _digits(search.open_on or today()), "size": size}
    if search.area is not None:
        conditions.append("left(cleaned.areacode, %(length)s) = %(area)s")
        params |= {"area": search.area, "length": len(search.area)}
    if search.type is not None:
        conditions.append("cleaned.hostype = %(type)s")
        params["type"] = search.type
    if search.q is not None:
        # strpos knows no wildcards, so every sign that people type means itself.
        conditions.append("strpos(lower(hosname), lower(%(q)s)) > 0")
        params["q"] = search.q
    if after is not None:
        conditions.append("(cleaned.areacode, cleaned.hoscode) > (%(area_after)s, %(hoscode_after)s)")
        params |= {"area_after": after.areacode, "hoscode_after": after.hoscode}
    where = " AND ".join(conditions)
    sql = f"{CLEANED} {DESCRIBED} WHERE {where} ORDER BY cleaned.areacode, cleaned.hoscode LIMIT %(size)s"
    return [_facility(row) for row in _ask(sql, params)]


def one(hoscode):
    """The facility with exactly this code, open or closed; NotFound if there is none."""
    rows = _ask(f"{CLEANED} {DESCRIBED} WHERE cleaned.hoscode = %(code)s", {"code": hoscode})
    if not rows:
        raise NotFound("ไม่พบหน่วยบริการรหัสนี้")
    return _facility(rows[0])


def count(areacode):
    """How many facilities of the area are open today; NotFound for an area that ``carea`` does not have."""
    sql = f"""{CLEANED}
        SELECT (SELECT count(*) FROM cleaned WHERE left(areacode, %(length)s) = %(area)s AND {OPEN}) AS open,
               EXISTS (SELECT FROM carea WHERE left(areacode::text, %(length)s) = %(area)s) AS known
    """
    row = _ask(sql, {"area": areacode, "length": len(areacode), "day": _digits(today())})[0]
    if not row["known"]:
        raise NotFound("ไม่พบพื้นที่รหัสนี้")
    return {"areacode": areacode, "as_of": as_of().isoformat(), "count": row["open"]}


def _facility(row):
    closed = row["closed"]
    return {
        "hoscode": row["hoscode"],
        "hoscodenew": _text(row["hoscodenew"]),
        "name": _text(row["hosname"]),
        "type": {"code": _text(row["hostype"]), "name": _text(row["typename"])},
        "area": {
            "areacode": row["areacode"],
            "province_name": _text(row["prov_th"]),
            "district_name": _text(row["dist_th"]),
            "tambon_name": _text(row["tambon_th"]),
        },
        "moo": _text(row["mu"]),
        "postcode": _text(row["postcode"]),
        "tel": _text(row["tel"]),
        "bed": _beds(row["bed"]),
        "closed_date": f"{closed[:4]}-{closed[4:6]}-{closed[6:]}" if closed else None,
        "is_open": closed is None or _digits(today()) < closed,
        "updated_at": _moment(row["d_update"]),
    }


def _text(value):
    return (value or "").strip() or None


def _beds(value):
    value = (value or "").strip()
    # int() understands Thai digits; the pattern keeps out signs, fractions and words.
    return int(value) if re.fullmatch("[0-9๐-๙]+", value) else None


def _moment(value):
    d = _text(value)
    return f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}:{d[10:12]}:{d[12:14]}+07:00" if d else None
