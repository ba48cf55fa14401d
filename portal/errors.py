"""What went wrong, as a page: what it is, and what to do. Faults of ours say so, and never show their insides."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from grader.errors import EnvironmentProblem, GraderError, UsageProblem
from portal import confirmation
from portal.api import problems
from portal.limits import CODES
from portal.logging import denied, template_of
from portal.middleware import safe_headers
from portal.visit import ConfirmNeeded, SignInNeeded, TokenRefused, Visit, plain_visit, visit_of

log = structlog.get_logger("portal")

KNOWN: Final = frozenset({400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503})
CONFLICTS: Final = frozenset({
    "override.changed_meanwhile", "appeal.decided_already", "regrade.decided", "regrade.running",
    "regrade.changed_meanwhile", "round.plan_changed", "submission.key_reused", "remark.withdrawn",
})  # fmt: skip
SLOW_DOWN: Final = frozenset({"account.slow_down", "account.too_often", "submission.too_many_waiting", *CODES.values()})
FULL: Final = frozenset({"submission.queue_full"})
NOT_FOUND: Final = frozenset({"records.not_found", "indicator.round_unknown"})


def status_of(problem: GraderError) -> int:
    """The HTTP status of a problem of the services: whose fault it is decides."""
    if problem.code in NOT_FOUND:
        return 404
    if problem.code in CONFLICTS:
        return 409
    if problem.code in SLOW_DOWN:
        return 429
    if problem.code in FULL:
        return 503
    return 503 if isinstance(problem, EnvironmentProblem) else 422 if isinstance(problem, UsageProblem) else 500


def refusal(visit: Visit, status: int, *, problem: GraderError | None = None) -> Response:
    """The page of a status, with the words of the problem where there is one."""
    shown = status if status in KNOWN else 400 if status < HTTPStatus.INTERNAL_SERVER_ERROR else 500
    answer = visit.page(
        "error.html",
        status=status,
        shown=shown,
        problem=problem,
        told=problems.told_of(problem, status) if problem else {},
        request_name=getattr(visit.request.state, "request", ""),
    )
    return told_when(answer, problem)


def told_when(answer: Response, problem: GraderError | None) -> Response:
    """The answer, which says to programs as well when to come again."""
    if problem is not None and (seconds := problem.params.get("seconds")):
        answer.headers["Retry-After"] = str(seconds)
    return answer


def refused(request: Request, status: int, code: str) -> Response:
    """A refusal from before all routes, worded for whoever asked."""
    denied(request, status=status, code=code)
    if problems.is_api(request):
        return problems.answer(request, status, code)
    try:
        return refusal(visit_of(request), status, problem=UsageProblem(code))
    except Exception as problem:  # noqa: BLE001 - the handlers of faults stand behind what refuses here
        return _fault(request, problem)


def install(app: FastAPI) -> None:
    """Answer everything that may go wrong with a page of ours; a program, which asks below /api, with a problem."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(TokenRefused, _sign_in)
    app.add_exception_handler(ConfirmNeeded, _confirm)
    app.add_exception_handler(GraderError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _fault)


def _sign_in(request: Request, problem: Exception) -> Response:
    """To the sign-in page, and back afterwards; what was typed into a form stays in the browser's history."""
    token = isinstance(problem, TokenRefused)
    denied(request, status=401, code="api.token" if token else "api.sign_in")
    if problems.is_api(request):
        return problems.sign_in(request, token=token)
    url = request.url
    back = quote(f"{url.path}?{url.query}" if url.query else url.path) if request.method == "GET" else ""
    return RedirectResponse(f"/sign-in?next={back}" if back and back != "/" else "/sign-in", status_code=303)


async def _confirm(request: Request, problem: Exception) -> Response:
    """To the page that asks who sits there; a form waits there with what was typed."""
    del problem
    if problems.is_api(request):
        return problems.answer(request, 403, "api.confirm")
    return await confirmation.stopped(request)


def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, GraderError)
    if problems.is_api(request):
        return problems.of_service(request, problem)
    status = status_of(problem)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("refused", code=problem.code, params=problem.params, request=_name(request))
    # What cannot answer is not asked once more who this is: each question may take seconds.
    known = plain_visit if isinstance(problem, EnvironmentProblem) else visit_of
    return refusal(known(request), status, problem=problem)


def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    if problems.is_api(request):
        return problems.of_http(request, problem)
    answer = refusal(visit_of(request), problem.status_code)
    answer.headers.update(_safe(problem.headers))
    return answer


def _unreadable(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    if problems.is_api(request):
        return problems.of_validation(request, problem)
    return refusal(visit_of(request), 422)


def _fault(request: Request, problem: Exception) -> Response:
    """Our own fault: the log has it, the page has its name, and nothing else leaves."""
    log.error("fault", request=_name(request), route=template_of(request.scope), exc_info=problem)
    if problems.is_api(request):
        return problems.fault(request)
    try:
        answer = refusal(plain_visit(request), 500)
    except Exception:  # noqa: BLE001 - the records may be what failed: the last word needs nothing
        answer = Response(f"Internal error {_name(request)}\n", status_code=500, media_type="text/plain")
    return _dressed(request, answer)


def _dressed(request: Request, answer: Response) -> Response:
    """The last handler answers outside of all middleware, which dresses every other answer."""
    for name, value in safe_headers(secure=request.app.state.settings.secure).items():
        answer.headers.setdefault(name, value)
    answer.headers["X-Request-Id"] = _name(request)
    return answer


def _name(request: Request) -> str:
    return str(getattr(request.state, "request", ""))


def _safe(headers: Mapping[str, str] | None) -> dict[str, str]:
    return dict(headers or {})
