"""Asking somebody who sits there to prove once more who they are, without losing what they typed.

Nothing is kept on the server meanwhile. The fields of a form that came too late stand, hidden, in the form that asks;
proved, the browser is told to send them again to where they belonged (307, which works without scripts).
"""

from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import quote

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from grader.errors import GraderError
from grader.services.accounts import confirming
from portal.middleware import SAFE
from portal.visit import Visit, visit_of

Fields: TypeAlias = Sequence[tuple[str, str]]

TYPED: Final = "confirm_typed"
TO: Final = "confirm_to"
OWN: Final = frozenset({TYPED, TO, "confirm_login"})
"""Fields of the form that asks; they are no part of what is kept."""


async def fields_of(request: Request) -> Fields:
    """What was typed into a form, in its order; a file is never kept, and no form of this kind has one."""
    form = await request.form()
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in OWN]


async def stopped(request: Request) -> Response:
    """The answer to somebody who has to prove themselves first: a page leads there, a form waits there."""
    url = request.url
    address = f"{url.path}?{url.query}" if url.query else url.path
    if request.method in SAFE:
        return RedirectResponse(f"/confirm?next={quote(address)}", status_code=303)
    kept = await fields_of(request)
    return await run_in_threadpool(ask, visit_of(request), to=address, kept=kept)


def ask(
    visit: Visit, *, to: str, kept: Fields | None, problem: GraderError | None = None, status: int = 403
) -> Response:
    """The page that asks; ``kept`` are the fields of a form for ``to``, None where ``to`` is only a page."""
    me = visit.me
    assert me is not None
    with visit.records.reading() as session:
        by = confirming.how(session, me)
    page = visit.page(
        "accounts/confirm.html",
        status=status,
        by=by,
        to=to,
        kept=kept,
        problem=problem,
        minutes=visit.settings.confirm_minutes,
    )
    if problem is not None and (seconds := problem.params.get("seconds")):
        page.headers["Retry-After"] = str(seconds)
    return page
