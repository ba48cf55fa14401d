"""Where a page of a list begins: behind the last thing of the page before, so that what is new moves nothing.

A cursor holds only values of that thing and the name of the list. It opens nothing: who may see the list was decided
before, and a cursor that somebody made up only begins the same list elsewhere, or is refused.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Query, Request
from starlette.datastructures import URL
from starlette.responses import Response

from portal.api.problems import Refused

MOST: Final = 200
USUAL: Final = 50

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[
    str, Query(min_length=1, max_length=512, description="next_cursor of the page before; none: the first page.")
]


def pack(name: str, *values: str) -> str:
    """The cursor behind a thing."""
    text = json.dumps([name, *values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(name: str, cursor: str, count: int) -> tuple[str, ...] | None:
    """The values in a cursor of this list; None for "".

    Raises:
        Refused: this list never gave such a cursor; it is answered like a page that does not exist.
    """
    if not cursor:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        found = json.loads(text)
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        raise Refused(404, "api.cursor") from None
    fits = isinstance(found, list) and len(found) == count + 1 and all(isinstance(one, str) for one in found)
    if not fits or found[0] != name or not all(one.isprintable() for one in found):
        raise Refused(404, "api.cursor")
    return tuple(found[1:])


def cut(rows: Sequence[object], limit: int) -> bool:
    """Whether there is more: one more than wanted was asked for."""
    return len(rows) > limit


def link(request: Request, answer: Response, cursor: str | None, limit: int) -> None:
    """Name the next page in the header, too; its address is relative, because only the proxy knows the outer one."""
    if cursor:
        url = URL(path=request.url.path).include_query_params(limit=limit, cursor=cursor)
        answer.headers["Link"] = f'<{url}>; rel="next"'
