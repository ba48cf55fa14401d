"""How often one person may do what costs much: counted in the records, so that all processes share one count.

The answer tells what is left in the form of draft-ietf-httpapi-ratelimit-headers-09: the structured fields
``RateLimit-Policy: "exports";q=60;w=3600`` and ``RateLimit: "exports";r=59;t=60``. There ``t`` is when there is one
more than ``r``; of a refusal it is the same as ``Retry-After``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.errors import UsageProblem
from grader.services.accounts import throttling
from grader.services.accounts.throttling import Taken
from portal.visit import Visit

LimitName: TypeAlias = Literal["submissions", "downloads", "exports", "regrades"]

PER: Final = timedelta(hours=1)
CODES: Final[Mapping[LimitName, str]] = {
    "submissions": "limit.submissions",
    "downloads": "limit.downloads",
    "exports": "limit.exports",
    "regrades": "limit.regrades",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What the answer tells of a limit that it passed."""

    name: LimitName
    taken: Taken

    @property
    def headers(self) -> dict[str, str]:
        """The fields of the draft."""
        one = self.taken
        return {
            "RateLimit-Policy": f'"{self.name}";q={one.most};w={int(one.per.total_seconds())}',
            "RateLimit": f'"{self.name}";r={one.left};t={one.seconds}',
        }


class TooOften(UsageProblem):
    """So many were enough for an hour; nothing was done. Codes ``limit.*``, with the ``seconds`` to wait."""


def pace(visit: Visit, name: LimitName) -> None:
    """Count one more for whoever is signed in.

    Raises:
        TooOften: ``limit.*`` with the ``seconds`` to wait and the ``most`` of an hour.
    """
    me = visit.me
    assert me is not None  # what is limited is open to nobody else
    most = getattr(visit.settings.limits, name)
    whose = me.person_id or me.account_id
    taken = throttling.take(visit.records, key=f"{name}:{whose}", most=most, per=PER)
    visit.request.state.limit = Told(name=name, taken=taken)
    if not taken.granted:
        raise TooOften(CODES[name], most=most, seconds=taken.seconds)


class LimitsTold:
    """Puts into the answer what is left of the limit that the request was counted for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def telling(message: Message) -> None:
            told = scope.get("state", {}).get("limit")
            if message["type"] == "http.response.start" and isinstance(told, Told):
                MutableHeaders(scope=message).update(told.headers)
            await send(message)

        await self.app(scope, receive, telling)
