"""Errors leave the service as application/problem+json (RFC 9457), whoever raised them."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

log = logging.getLogger("facilities")

TITLES = {
    400: "คำขอไม่ถูกต้อง",
    404: "ไม่พบข้อมูล",
    405: "ไม่รองรับวิธีเรียกนี้",
    500: "ระบบขัดข้อง",
    503: "ทะเบียนหน่วยบริการไม่พร้อมใช้งาน",
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


def install(app: FastAPI) -> None:
    """Teach the app to answer every error in one format."""

    @app.exception_handler(RequestValidationError)
    def not_valid(_: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [{"name": str(item["loc"][-1]), "message": item["msg"]} for item in error.errors()]
        return problem(400, "ค่าที่ส่งมาไม่ตรงกับสัญญา", errors)

    @app.exception_handler(InvalidInput)
    def not_allowed(_: Request, error: InvalidInput) -> ProblemResponse:
        return problem(400, "ค่าที่ส่งมาไม่ตรงกับสัญญา", [{"name": error.name, "message": error.message}])

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> ProblemResponse:
        # A 405 carries its Allow header in the exception: it must not get lost here.
        return problem(error.status_code, headers=dict(error.headers or {}))

    @app.exception_handler(SQLAlchemyError)
    def register_failed(_: Request, error: SQLAlchemyError) -> ProblemResponse:
        log.error("register not readable: %s", type(error).__name__)
        return problem(503, "อ่านทะเบียนหน่วยบริการไม่ได้ในขณะนี้")

    @app.exception_handler(Exception)
    def failed(_: Request, error: Exception) -> ProblemResponse:
        log.error("unexpected error: %s", type(error).__name__)
        return problem(500)
