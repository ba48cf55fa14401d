"""The routes of the API, one module a noun."""

from typing import Final

from fastapi import APIRouter

from portal.api import assignments, description, fetches, indicator, me, rounds, submissions

ROUTERS: Final[tuple[APIRouter, ...]] = (
    me.router,
    assignments.router,
    submissions.router,
    fetches.router,
    rounds.router,
    indicator.router,
)
"""What the description tells of."""

ALL: Final[tuple[APIRouter, ...]] = (*ROUTERS, description.router(ROUTERS))
