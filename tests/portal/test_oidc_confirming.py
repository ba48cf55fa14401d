"""Proving oneself once more at the identity provider, and what it says about how somebody proved it the first time."""

import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from grader.records import Account
from grader.services.accounts import people, sessions
from portal.oidc import Vouched
from tests.fixtures.portal import Browser, words_of
from tests.portal.test_oidc import at_the_provider, cookie_of, issuer, portal

__all__ = ["issuer", "portal"]


def known(issuer: str, subject: str, **claims: Any) -> None:
    """Somebody whom the provider knows, and what it says of them."""
    requests.put(f"{issuer}/users/{subject}", json={"name": "สมชาย", **claims}, timeout=10).raise_for_status()


def travel(app: Any, address: str, subject: str, sid: str = "") -> Any:
    """To the provider and back, in one browser; gives what the portal answers at the end."""
    browser = Browser(app, sid)
    begun = browser.get(address)
    assert begun.status_code == 303, words_of(begun.text)
    back = urlsplit(at_the_provider(begun.headers["location"], subject))
    kept = f"__Host-journey={cookie_of(begun, '__Host-journey')}"
    browser.headers["Cookie"] = f"{kept}; __Host-sid={sid}" if sid else kept
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    return browser.get(f"{back.path}?{back.query}")


def an_admin(portal: Any, issuer: str, subject: str, **claims: Any) -> str:
    """An administrator who came by the provider; gives the session."""
    app, records = portal
    app.state.settings = replace(app.state.settings, confirm_minutes=15)
    known(issuer, subject, **claims)
    assert travel(app, "/sign-in/oidc", subject).status_code == 303
    with records.reading() as session:
        (account,) = people.accounts(session)
    people.grant(records, account=account.id, role="admin", by="setup")
    arrived = travel(app, "/sign-in/oidc", subject)
    assert arrived.status_code == 303, words_of(arrived.text)
    return cookie_of(arrived, "__Host-sid")


def confirmed_at(records: Any, sid: str) -> Any:
    """When a session was confirmed."""
    found = sessions.session_of(records, sid)
    assert found is not None
    return found.confirmed_at


def test_a_session_counts_as_confirmed_when_the_provider_says_so(portal: Any, issuer: str) -> None:
    """It may have known somebody for hours: without a time, or with an old one, they are sent there again."""
    app, records = portal
    sid = an_admin(portal, issuer, "nobody-says-when", auth_time=None)
    assert confirmed_at(records, sid) is None
    asked = Browser(app, sid).get("/admin/accounts")
    assert asked.headers["location"] == "/confirm?next=/admin/accounts"
    page = Browser(app, sid).get(asked.headers["location"])
    assert 'href="/confirm/identity?next=/admin/accounts"' in page.text
    assert 'type="password"' not in page.text


def test_who_comes_back_with_a_fresh_proof_goes_on(portal: Any, issuer: str) -> None:
    """The provider is asked to ask even whom it knows; the same session goes on, and the form that waited is sent."""
    app, records = portal
    sid = an_admin(portal, issuer, "somchai", auth_time=int(time.time()) - 7200)
    browser = Browser(app, sid)
    assert browser.get("/admin/accounts").status_code == 303
    waiting = browser.post("/admin/accounts", data={"login": "new", "name": "ใหม่", "lasts": "day"})
    assert waiting.status_code == 403
    for part in ('target="_blank"', 'action="/admin/accounts"', 'href="/confirm/identity?next=/confirm/done"'):
        assert part in waiting.text
    query = parse_qs(urlsplit(browser.get("/confirm/identity").headers["location"]).query)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    old = travel(app, "/confirm/identity?next=/confirm/done", "somchai", sid)
    assert old.status_code == 422, "it did not ask again"
    known(issuer, "somchai", auth_time=int(time.time()))
    done = travel(app, "/confirm/identity?next=/confirm/done", "somchai", sid)
    assert (done.status_code, done.headers["location"]) == (303, "/confirm/done")
    assert "__Host-sid" not in done.headers["set-cookie"]
    assert browser.get("/confirm/done").status_code == 200
    made = browser.post("/admin/accounts", data={"login": "new", "name": "ใหม่", "lasts": "day"})
    assert made.status_code == 200, words_of(made.text)
    with records.reading() as session:
        assert people.find(session, "new") is not None


def test_somebody_else_at_the_provider_confirms_nothing(portal: Any, issuer: str) -> None:
    """Nor does a proof without a session, which a journey alone does not make."""
    app, records = portal
    sid = an_admin(portal, issuer, "somchai", auth_time=int(time.time()) - 7200)
    before = confirmed_at(records, sid)
    known(issuer, "somsak", auth_time=int(time.time()))
    other = travel(app, "/confirm/identity", "somsak", sid)
    assert other.status_code == 422
    assert confirmed_at(records, sid) == before
    assert Browser(app).get("/confirm/identity").headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    ("claims", "alone"),
    [
        ({}, False),
        ({"amr": ["pwd"]}, True),
        ({"amr": ["otp"]}, True),
        ({"amr": ["pwd", "otp"]}, False),
        ({"amr": ["mfa"]}, False),
        ({"amr": ["hwk"]}, False),
        ({"acr": "0"}, True),
        ({"acr": "0", "amr": ["mfa"]}, True),
        ({"acr": "urn:x:2"}, False),
    ],
)
def test_a_provider_that_asked_for_a_password_alone(
    portal: Any,
    issuer: str,
    claims: dict[str, Any],
    alone: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Is believed, and does not let in who decides; who does not decide comes in all the same."""
    app, records = portal
    known(issuer, "somchai", **claims)
    assert travel(app, "/sign-in/oidc", "somchai").status_code == 303
    with records.reading() as session:
        (account,) = session.scalars(Account.__table__.select()).all()
    people.grant(records, account=account, role="admin", by="setup")
    again = travel(app, "/sign-in/oidc", "somchai")
    assert again.status_code == (422 if alone else 303), words_of(again.text)
    made = Vouched(
        issuer="x", subject="7", name="x", methods=frozenset(claims.get("amr", ())), level=str(claims.get("acr", ""))
    )
    assert made.one_factor is alone
