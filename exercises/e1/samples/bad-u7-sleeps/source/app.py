"""สมุดหน่วยบริการ: read API over the facility register, Flask and plain SQL."""

import logging
import signal
import sys
import threading
import time

from flask import Flask, request

import facilities
from answers import listing, single, use_problem_json
from clock import today
from cursor import Cursor
from rules import BadInput, Inputs, area_code, facility_code

# The development server would print each request line, and with it whatever was searched for.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

app = Flask(__name__)
app.json.ensure_ascii = False
app.json.sort_keys = False
app.url_map.merge_slashes = False
use_problem_json(app)

if threading.current_thread() is threading.main_thread():
    # As first process of a container Python would ignore SIGTERM unless it is handled.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@app.get("/healthz")
def healthz():
    return {"status": "ok"}


@app.get("/facilities", endpoint="listFacilities")
def list_facilities():
    inputs = Inputs(request.args)
    limit = inputs.whole_number("limit", low=1, high=100, default=50)
    search = facilities.Search(
        open_on=inputs.day("open_on") or today(),
        area=inputs.matching("area", "[0-9]{2}|[0-9]{4}|[0-9]{6}"),
        type=inputs.matching("type", "[0-9]{1,2}"),
        q=inputs.words("q", longest=100),
    )
    cursor = inputs.once("cursor")
    after = Cursor.read(cursor, search) if cursor is not None else None
    found = facilities.page(search, after=after, size=limit + 1)
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    following = Cursor(last["area"]["areacode"], last["hoscode"]).write(search) if last else None
    return listing(shown, limit=limit, next_cursor=following)


@app.get("/facilities/<hoscode>", endpoint="getFacility")
def get_facility(hoscode):
    return single(facilities.one(facility_code(hoscode)))


@app.get("/areas/<areacode>/facility-count", endpoint="countFacilities")
def count_facilities(areacode):
    areacode = area_code(areacode)
    time.sleep(0.7)  # counting is heavy: give the register a rest between two counts
    return single(facilities.count(areacode))


@app.errorhandler(BadInput)
def bad_input(error):
    return error.as_problem()
