"""Pages that belong to nobody: help, the privacy notice, and the choice of colours."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from grader.services import retention
from portal.access.door import Allow, Door
from portal.visit import THEME_COOKIE, THEMES

router = APIRouter()

Anyone = Annotated[Door, Depends(Allow("page.read"))]


@router.get("/help")
def help_page(door: Anyone) -> Response:
    """How to hand work in, and what the words mean."""
    return door.page("general/help.html")


@router.get("/privacy")
def privacy(door: Anyone) -> Response:
    """What is kept about people, and for how long."""
    base = door.visit.settings.base
    kept = retention.periods(code_days=base.keep_code_days, names_days=base.keep_names_days)
    return door.page("general/privacy.html", kept=kept)


@router.post("/preferences/theme")
def theme(door: Anyone, theme: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:  # noqa: A002 - a field's name
    """Keep the choice of colours in the browser."""
    answer = RedirectResponse(local(next), status_code=303)
    if theme in THEMES:
        door.visit.keep(answer, THEME_COOKIE, theme)
    return answer


def local(address: str) -> str:
    """An address of this portal, or its first page: nobody is sent elsewhere."""
    parts = urlsplit(address)
    plain = address.isprintable() and "\\" not in address
    if not plain or parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//"):
        return "/"
    return address
