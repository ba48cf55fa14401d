"""One request as the pages see it: who comes, in which language, and how a page is given back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from grader.records import Records
from grader.reports.catalogue import LANGS, Lang
from grader.services.accounts import Bearer, Signed, sessions, tokens
from portal.catalogue import word
from portal.languages import language_of_client
from portal.settings import PortalSettings

SESSION_COOKIE: Final = "__Host-sid"
LANGUAGE_COOKIE: Final = "__Host-lang"
THEME_COOKIE: Final = "__Host-theme"
FLASH_COOKIE: Final = "__Host-flash"
THEMES: Final = ("auto", "light", "dark")
_YEAR: Final = 365 * 24 * 3600


class SignInNeeded(Exception):
    """Nobody is signed in, and what was asked for is not for everyone."""


class ConfirmNeeded(Exception):
    """Somebody is signed in and allowed, but has to prove once more who they are before this."""


class TokenRefused(Exception):
    """A token came that opens nothing, or something that is no token where one belongs."""


@dataclass
class Visit:
    """One request. ``me`` is None for a stranger; ``secret`` is the identifier that the browser sent.

    ``token`` is what a program showed instead; it opens only the API, and there only what its scopes name.
    """

    request: Request
    records: Records
    settings: PortalSettings
    lang: Lang
    theme: str
    me: Signed | None
    secret: str = field(repr=False)
    flashes: list[str] = field(default_factory=list)
    token: Bearer | None = None

    def word(self, name: str, /, **values: object) -> str:
        """A word in the visitor's language."""
        return word(name, self.lang, **values)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page from a template; what was to be said once is said on it."""
        html = self.request.app.state.pages.render(template, visit=self, **values)
        answer = HTMLResponse(html, status_code=status)
        if self.request.query_params.get("lang") in LANGS:
            self.keep(answer, LANGUAGE_COOKIE, self.lang)
        if self.flashes:
            answer.delete_cookie(FLASH_COOKIE, secure=True, httponly=True, samesite="lax")
        return answer

    def keep(self, answer: Response, name: str, value: str) -> None:
        """Let the browser keep a preference; nothing secret."""
        answer.set_cookie(name, value, max_age=_YEAR, secure=True, httponly=True, samesite="lax")

    def say(self, answer: Response, name: str) -> Response:
        """Say something once, on the page that the answer leads to: the name of a word."""
        answer.set_cookie(FLASH_COOKIE, name, secure=True, httponly=True, samesite="lax")
        return answer

    def may(self, *roles: str) -> bool:
        """Whether the visitor has one of these roles anywhere; for what menus show, never to decide."""
        return self.me is not None and any(role in roles for role, _ in self.me.roles)


def visit_of(request: Request) -> Visit:
    """The visit of a request, looked up once."""
    state = request.state
    if not hasattr(state, "visit"):
        state.visit = _visit(request)
    return state.visit  # type: ignore[no-any-return]


def plain_visit(request: Request) -> Visit:
    """The visit as far as it is known, else that of a stranger: for pages that say that the records cannot be asked."""
    state = request.state
    if not hasattr(state, "visit"):
        app: Mapping[str, Any] = request.app.state._state  # noqa: SLF001 - Starlette has no other way to look
        state.visit = _stranger(request, app["records"], app["settings"])
    return state.visit  # type: ignore[no-any-return]


def _stranger(request: Request, records: Records, settings: PortalSettings) -> Visit:
    return Visit(
        request=request,
        records=records,
        settings=settings,
        lang=_language(request, None),
        theme=_theme(request),
        me=None,
        secret="",
    )


def _theme(request: Request) -> str:
    theme = request.cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else "auto"


def _visit(request: Request) -> Visit:
    app: Mapping[str, Any] = request.app.state._state  # noqa: SLF001 - Starlette has no other way to look
    records: Records = app["records"]
    if request.url.path.startswith("/api/") and "authorization" in request.headers:
        return _program(request, records, app["settings"])
    secret = request.cookies.get(SESSION_COOKIE, "")
    me = sessions.session_of(records, secret) if secret else None
    said = request.cookies.get(FLASH_COOKIE, "")
    return Visit(
        request=request,
        records=records,
        settings=app["settings"],
        lang=_language(request, me),
        theme=_theme(request),
        me=me,
        secret=secret if me else "",
        flashes=[said] if said.startswith("said.") else [],
    )


def _program(request: Request, records: Records, settings: PortalSettings) -> Visit:
    """The visit of a program: by its token or not at all, whatever cookie came with it.

    Raises:
        TokenRefused: nobody's token, or no token.
    """
    scheme, _, secret = request.headers["authorization"].partition(" ")
    found = tokens.verify(records, secret.strip()) if scheme.casefold() == "bearer" else None
    if found is None:
        raise TokenRefused
    me = Signed(
        session_id="",
        account_id=found.account_id,
        login=found.login,
        name=found.login,
        language=found.language,
        person_id=found.person_id,
        roles=found.roles,
    )
    lang = language_of_client(request)
    return Visit(
        request=request, records=records, settings=settings, lang=lang, theme="auto", me=me, secret="", token=found
    )


def _language(request: Request, me: Signed | None) -> Lang:
    """The one asked for, the one kept, the account's, else Thai."""
    wanted = (
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        me.language if me else "",
    )
    return next((lang for one in wanted for lang in LANGS if lang == one), "th")
