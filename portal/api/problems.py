"""What went wrong, as RFC 9457 says: every answer below ``/api`` that is no success has this shape.

The words are those of the reports, so that a code means the same on a page, in the command and here.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from grader.errors import EnvironmentProblem, GraderError, InfrastructureFault, Param, SubmissionFault, UsageProblem
from grader.reports.catalogue import Lang, explain
from portal.api.models import Mistake, Problem
from portal.languages import language_of_client

log = structlog.get_logger("portal")

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "/api/"
CHALLENGE: Final = 'Bearer realm="grader"'
WAIT_SECONDS: Final = "30"
"""After too many submissions: about what a short grading takes."""

STATUS: Final[Mapping[str, int]] = {
    "records.not_found": 404,
    "round.unknown": 404,
    "indicator.round_unknown": 404,
    "appeal.no_result": 409,
    "appeal.open_already": 409,
    "override.no_change": 409,
    "override.changed_meanwhile": 412,
    "git.nothing_to_cancel": 409,
    "submission.nothing_to_cancel": 409,
    "submission.cancel_counts": 409,
    "submission.no_attempts_left": 409,
    "submission.not_enrolled": 409,
    "submission.not_open": 409,
    "submission.purged": 409,
    "submission.queue_full": 503,
    "submission.too_many_waiting": 429,
    "submission.wrong_round": 409,
    "account.slow_down": 429,
    "account.too_often": 429,
    "limit.submissions": 429,
    "limit.downloads": 429,
    "limit.exports": 429,
    "limit.regrades": 429,
}
"""Code of a service -> status; what is not here is told by whose fault it is."""

CODES: Final[Mapping[int, str]] = {
    400: "api.unreadable",
    401: "api.sign_in",
    403: "api.forbidden",
    404: "api.not_found",
    405: "api.method",
    408: "api.too_slow",
    413: "api.too_large",
    422: "api.invalid",
    500: "api.fault",
    503: "api.busy",
}


class Refused(HTTPException):
    """The API does not do what it was asked, for a reason of its own."""

    def __init__(self, status: int, code: str, *, headers: Mapping[str, str] | None = None, **params: Param) -> None:
        super().__init__(status, detail=code, headers=dict(headers or {}))
        self.code, self.params = code, params


def is_api(request: Request) -> bool:
    """Whether a program asks."""
    return request.url.path.startswith(PREFIX)


def answer(
    request: Request,
    status: int,
    code: str,
    params: Mapping[str, object] | None = None,
    *,
    mistakes: Iterable[Mistake] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem, worded for whoever asked."""
    lang = language_of_client(request)
    told = explain(code, params or {}, lang)
    problem = Problem(
        type=f"/api/v1/problems/{code}",
        title=told.title,
        status=status,
        detail=" ".join(part for part in (told.sentence, told.next_step) if part),
        instance=request.url.path,
        code=code,
        errors=tuple(mistakes),
        request_id=str(getattr(request.state, "request", "")),
    )
    made = Response(problem.model_dump_json(), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))
    made.headers["Content-Language"] = lang
    return made


def sign_in(request: Request, *, token: bool) -> Response:
    """Nobody is known: no token at all, or one that opens nothing."""
    challenge = f'{CHALLENGE}, error="invalid_token"' if token else CHALLENGE
    return answer(request, 401, "api.token" if token else "api.sign_in", headers={"WWW-Authenticate": challenge})


def of_service(request: Request, problem: GraderError) -> Response:
    """A problem of the services, under its own code."""
    status = status_of(problem)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("refused", code=problem.code, params=problem.params, request=getattr(request.state, "request", ""))
    headers = {}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(problem.params.get("seconds") or WAIT_SECONDS)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(problem.params.get("seconds") or WAIT_SECONDS)
    return answer(request, status, problem.code, told_of(problem, status), headers=headers)


def told_of(problem: GraderError, status: int) -> Mapping[str, Param]:
    """The values of a problem that a visitor may read: of our own faults only how long to wait.

    What a driver or the system said may name hosts, files and statements; the log has it.
    """
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return problem.params
    return {name: value for name, value in problem.params.items() if name == "seconds"}


def status_of(problem: GraderError) -> int:
    """The status of a problem of the services."""
    if problem.code in STATUS:
        return STATUS[problem.code]
    if isinstance(problem, EnvironmentProblem | InfrastructureFault):
        return 503
    return 422 if isinstance(problem, UsageProblem | SubmissionFault) else 500


def of_http(request: Request, problem: HTTPException) -> Response:
    """A refusal of the framework, of a door, or of the API itself."""
    headers = dict(problem.headers or {})
    if isinstance(problem, Refused):
        return answer(request, problem.status_code, problem.code, problem.params, headers=headers)
    code = CODES.get(problem.status_code, "api.refused")
    params = {"method": request.method, "status": problem.status_code}
    if problem.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer(request, problem.status_code, code, params, headers=headers)


def _methods(request: Request) -> set[str]:
    """What the address takes: several routes may share one, and the framework names the methods of the first."""
    found: set[str] = set()
    for router in request.app.state.api:  # not imported: the routes themselves need this module
        for route in router.routes:
            if isinstance(route, APIRoute) and route.path_regex.match(request.url.path):
                found |= route.methods or set()
    return found


def of_validation(request: Request, problem: RequestValidationError) -> Response:
    """What was sent does not fit: each value with its place; what was sent is not repeated."""
    mistakes = [_mistake(one) for one in problem.errors()]
    if any(one.pointer == "/header/idempotency-key" and one.code == "missing" for one in mistakes):
        return answer(request, 400, "api.key_missing", mistakes=mistakes)
    return answer(request, 422, "api.invalid", {"count": len(mistakes)}, mistakes=mistakes)


def fault(request: Request) -> Response:
    """Our own fault; nothing of its insides leaves. It is answered outside of all that dresses an answer."""
    dress = {"X-Request-Id": str(getattr(request.state, "request", "")), "Cache-Control": "no-store"}
    return answer(request, 500, "api.fault", headers={**dress, "X-Content-Type-Options": "nosniff"})


def _mistake(one: Mapping[str, Any]) -> Mistake:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in one["loc"])
    return Mistake(pointer="/" + "/".join(parts), code=str(one["type"]), message=str(one["msg"]))


def worded(code: str, lang: Lang) -> tuple[str, str, str]:
    """Title, sentence and next step of a code, without the values of a case."""
    told = explain(code, {}, lang)
    return told.title, told.sentence, told.next_step
