"""The page of tokens: made once, shown once, revoked, and nobody else's."""

import re

from grader.services.accounts import tokens
from tests.fixtures.portal import World, words_of
from tests.portal.test_api import Program


def test_a_token_is_shown_once_and_works_until_it_is_revoked(fresh_world: World) -> None:
    """What the page shows opens the API for what was chosen; revoking it is over at once."""
    owner = fresh_world.browser("owner")
    assert "ยังไม่มีโทเคน" in owner.get("/tokens").text
    form = {"name": "โน้ตบุ๊ก <b>", "scopes": ["submit", "read"], "days": "30"}
    made = owner.post("/tokens", data=form)
    assert made.status_code == 201
    (secret,) = set(re.findall(r"gt_[\w-]{20,}", made.text))
    assert made.headers["cache-control"] == "no-store"
    again = owner.get("/tokens?lang=en")
    assert secret not in again.text
    assert "โน้ตบุ๊ก &lt;b&gt;" in again.text
    program = Program(fresh_world, "owner", token=secret)
    assert program.get("/me").json()["scopes"] == ["read", "submit"]
    (address,) = re.findall(r'action="(/tokens/tok_\w+/revoke)"', again.text)
    assert fresh_world.browser("peer").post(address).status_code == 404
    assert owner.post(address).status_code == 303
    assert program.get("/me").status_code == 401
    assert "ยังไม่มีโทเคน" in words_of(owner.get("/tokens?lang=th").text)


def test_mistakes_are_said_and_nothing_typed_is_lost(fresh_world: World) -> None:
    """No name, no scope, a span that is not offered: each is named beside its field, in both languages."""
    owner = fresh_world.browser("owner")
    good = {"name": "ชื่อของฉัน", "scopes": ["read"], "days": "90"}
    for field, value, words in (
        ("name", "", "โทเคนต้องมีชื่อ"),
        ("scopes", [], "ขอบเขตอย่างน้อยหนึ่ง"),
        ("scopes", ["admin"], "ขอบเขตอย่างน้อยหนึ่ง"),
        ("days", "0", "อายุของโทเคน"),
        ("days", "9999", "อายุของโทเคน"),
    ):
        page = owner.post("/tokens", data={**good, field: value})
        assert page.status_code == 422, field
        assert f'href="#{field}"' in page.text
        assert words in words_of(page.text)
        assert field == "name" or "ชื่อของฉัน" in page.text
    with fresh_world.records.reading() as session:
        assert list(tokens.tokens_of(session, fresh_world.accounts["owner"].id)) == []
