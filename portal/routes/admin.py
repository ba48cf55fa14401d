"""The installation at a glance, and what is set in it; what is changed has pages of its own."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from sqlalchemy import make_url
from starlette.responses import Response

from grader.kpi import KEYS
from grader.queue import outlook
from grader.reports.catalogue import catalogue
from grader.reports.kpi.settings import setting_words
from grader.services import auditing, overseeing
from grader.services.standings import settings_of
from portal.access.door import Allow, Door
from portal.settings import PortalSettings

router = APIRouter(prefix="/admin")

Read = Annotated[Door, Depends(Allow("admin.read"))]

VERIFY: Final = "grader verify"


@router.get("")
def overview(door: Read) -> Response:
    """What waits, who works, what needs somebody."""
    with door.records.reading() as session:
        now = door.records.database.now(session)
        settings = settings_of(session)
        return door.page(
            "admin/overview.html",
            seen=outlook(session, now),
            workers=overseeing.workers(session, now),
            accounts=overseeing.accounts_counted(session),
            unconfirmed=len(settings.unconfirmed),
            settings_total=len(KEYS),
            chain=auditing.chain_state(session),
            verify=VERIFY,
        )


@router.get("/settings")
def settings_page(door: Read) -> Response:
    """Every setting with who confirmed it, and how this portal was started; nothing secret is among it."""
    with door.records.reading() as session:
        settings = settings_of(session)
    lang = door.visit.lang
    lines = [
        {
            "key": key,
            "title": catalogue(lang)[key].title,
            "about": catalogue(lang)[key].text,
            "value": setting_words(key, settings.rules, lang),
            "setting": settings.setting(key),
        }
        for key in KEYS
    ]
    return door.page(
        "admin/settings.html",
        families=[
            (family, [one for one in lines if str(one["key"]).startswith(f"{family}.")])
            for family in dict.fromkeys(key.partition(".")[0] for key in KEYS)
        ],
        version=settings.version,
        unconfirmed=len(settings.unconfirmed),
        total=len(KEYS),
        facts=_facts(door.visit.settings),
    )


def _facts(settings: PortalSettings) -> list[tuple[str, str, str]]:
    """(word, variable, value) of what this process was started with."""
    base, oidc = settings.base, settings.oidc
    database = make_url(base.database_url).get_backend_name() if base.database_url else "sqlite"
    return [
        ("origin", "GRADER_PORTAL_ORIGIN", settings.origin),
        ("contact", "GRADER_CONTACT", settings.contact),
        ("proxies", "GRADER_TRUSTED_PROXIES", ", ".join(str(one) for one in settings.trusted_proxies)),
        ("oidc", "GRADER_OIDC_ISSUER", oidc.issuer if oidc else ""),
        ("oidc_client", "GRADER_OIDC_CLIENT_ID", oidc.client_id if oidc else ""),
        ("second_factor", "GRADER_SECOND_FACTOR", settings.second_factor),
        ("confirm_minutes", "GRADER_CONFIRM_MINUTES", str(settings.confirm_minutes)),
        ("limit_submissions", "GRADER_LIMIT_SUBMISSIONS", str(settings.limits.submissions)),
        ("limit_downloads", "GRADER_LIMIT_DOWNLOADS", str(settings.limits.downloads)),
        ("limit_exports", "GRADER_LIMIT_EXPORTS", str(settings.limits.exports)),
        ("limit_regrades", "GRADER_LIMIT_REGRADES", str(settings.limits.regrades)),
        ("limit_queue", "GRADER_QUEUE_LIMIT", str(settings.limits.queue)),
        ("database", "GRADER_DATABASE_URL", database),
        ("language", "GRADER_LANG", base.language),
        ("index", "GRADER_INDEX_URL", _host(base.index_url)),
        ("npm", "GRADER_NPM_REGISTRY_URL", _host(base.npm_registry_url)),
        ("git_hosts", "GRADER_GIT_HOSTS", ", ".join(base.git_hosts)),
        ("git_private_hosts", "GRADER_GIT_PRIVATE_HOSTS", ", ".join(base.git_private_hosts)),
        ("composer", "GRADER_COMPOSER_REPOSITORY_URL", _host(base.composer_repository_url)),
    ]


def _host(address: str) -> str:
    """The name in an address: a password may stand before it."""
    return urlsplit(address).hostname or ""
