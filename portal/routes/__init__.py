"""The routes, one module a noun."""

from typing import Final

from fastapi import APIRouter

from portal.api import table as api
from portal.routes import (
    accounts,
    admin,
    admin_accounts,
    admin_audit,
    admin_queue,
    assignments,
    certificates,
    exercises,
    general,
    home,
    kpi,
    kpi_reports,
    oidc,
    operating,
    regrades,
    review,
    rosters,
    round_assignments,
    rounds,
    submissions,
    tokens,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    general.router,
    operating.router,
    accounts.router,
    oidc.router,
    home.router,
    assignments.router,
    submissions.router,
    rosters.router,
    rounds.router,
    rounds.one,
    round_assignments.router,
    review.router,
    regrades.router,
    tokens.router,
    kpi.router,
    kpi_reports.router,
    certificates.router,
    exercises.router,
    admin.router,
    admin_accounts.router,
    admin_queue.router,
    admin_audit.router,
    *api.ALL,
)
