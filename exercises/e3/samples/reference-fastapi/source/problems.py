"""Errors leave the service as application/problem+json (RFC 9457), whoever raised them.

Nothing that a caller sent, and nothing that an agency said, is repeated in a problem or in the log: it may be a person.
"""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from dopa import RegistryUnavailable

log = logging.getLogger("anc")

RETRY_AFTER_SECONDS = 30

TITLES = {
    400: "คำขอไม่ถูกต้อง",
    404: "ไม่พบข้อมูล",
    405: "ไม่รองรับวิธีเรียกนี้",
    500: "ระบบขัดข้อง",
    503: "หน่วยงานต้นทางไม่พร้อมใช้งาน",
}


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


class InvalidInput(Exception):
    """A parameter that no rule of the contract allows; answered with 400."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def problem(
    status: int,
    detail: str | None = None,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> ProblemResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
    }
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    return ProblemResponse(body, status_code=status, headers=headers)


def unavailable(detail: str) -> ProblemResponse:
    return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def invalid(errors: list[dict[str, str]]) -> ProblemResponse:
    return problem(400, " · ".join(f"{error['name']}: {error['message']}" for error in errors), errors)


def install(app: FastAPI) -> None:
    """Teach the app to answer every error in one format."""

    @app.exception_handler(RequestValidationError)
    def not_valid(_: Request, error: RequestValidationError) -> ProblemResponse:
        # Of pydantic's errors only the place and the rule: their other fields hold the value.
        found = [(str(item["loc"][-1]), item["msg"].removeprefix("Value error, ")) for item in error.errors()]
        return invalid([{"name": name, "message": message} for name, message in found])

    @app.exception_handler(InvalidInput)
    def not_allowed(_: Request, error: InvalidInput) -> ProblemResponse:
        return invalid([{"name": error.name, "message": error.message}])

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> ProblemResponse:
        # A 405 carries its Allow header in the exception: it must not get lost here.
        return problem(error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(RegistryUnavailable)
    def registry_failed(_: Request, error: RegistryUnavailable) -> ProblemResponse:
        log.warning("registry not readable: %s", error)
        return unavailable("ถามทะเบียนราษฎรไม่ได้ครบ จึงไม่มีตัวเลขให้")

    @app.exception_handler(SQLAlchemyError)
    def hdc_failed(_: Request, error: SQLAlchemyError) -> ProblemResponse:
        log.error("HDC not readable: %s", type(error).__name__)
        return unavailable("อ่านแฟ้มจาก HDC ไม่ได้ในขณะนี้")

    @app.middleware("http")
    async def failed(request: Request, call_next: RequestResponseEndpoint) -> Response:
        # A handler for Exception would not do: the server then still writes the traceback, values and all, to the log.
        try:
            return await call_next(request)
        except Exception as error:
            log.error("unexpected error: %s", type(error).__name__)
            return problem(500)
