"""The three forms of an answer: a list, a single object, and a problem."""

import psycopg
from flask import jsonify
from werkzeug.exceptions import HTTPException

from clock import as_of, wall_clock

PROBLEM_JSON = "application/problem+json"


def meta():
    return {
        "as_of": as_of().isoformat(),
        "partial": False,
        "sources": [
            {"name": "FACILITY", "status": "ok", "fetched_at": wall_clock().isoformat(timespec="seconds")},
        ],
    }


def listing(rows, *, limit, next_cursor):
    return {"data": rows, "page": {"limit": limit, "next_cursor": next_cursor}, "meta": meta()}


def single(thing):
    return {"data": thing, "meta": meta()}


def problem(status, title, *, detail=None, errors=None):
    body = {"type": "about:blank", "title": title, "status": status}
    if detail is not None:
        body["detail"] = detail
    if errors is not None:
        body["errors"] = errors
    answer = jsonify(body)
    answer.status_code = status
    answer.content_type = PROBLEM_JSON
    return answer


def use_problem_json(app):
    """Errors of the framework, of the database and of our own all look alike to the caller."""

    @app.errorhandler(HTTPException)
    def http_error(error):
        answer = problem(error.code, error.name, detail=error.description)
        for name, value in error.get_headers():
            if name.lower() != "content-type":  # keeps Allow, which a 405 must carry
                answer.headers[name] = value
        return answer

    @app.errorhandler(psycopg.Error)
    def register_error(error):
        app.logger.error("facility register: %s (%s)", type(error).__name__, error.sqlstate)
        return problem(503, "ทะเบียนหน่วยบริการไม่พร้อมใช้งาน")

    @app.errorhandler(Exception)
    def bug(error):
        app.logger.error("unexpected %s", type(error).__name__)
        return problem(500, "ระบบขัดข้อง")
