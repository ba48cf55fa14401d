"""Signing in by two steps, proving oneself once more, and that nothing final is done without it."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from grader.errors import UsageProblem
from grader.services.accounts import second_factor, sessions
from portal.settings import read_portal_settings
from tests.fixtures.devices import Form, code_of, cookies_of, device, on_paper, shown, with_password
from tests.fixtures.portal import PASSWORD, Browser, World, routes_of, session_of, words_of
from tests.portal.test_authorisation import door_of, rows
from tests.portal.test_portal_confirming import address_of

# -- the two steps ----------------------------------------------------------------------------------------------------


def test_an_instructor_enrols_at_the_first_sign_in(fresh_world: World) -> None:
    """The whole way: password, picture, a wrong code, the right one, the codes on paper, and the page asked for."""
    browser = with_password(fresh_world, "instructor")
    begun = browser.post("/sign-in", data={"login": "instructor", "password": PASSWORD, "next": "/rounds?x=1&y=2"})
    assert begun.status_code == 303
    assert parse_qs(urlsplit(begun.headers["location"]).query) == {"next": ["/rounds?x=1&y=2"]}, "nothing is lost"
    assert set(cookies_of(begun)) == {"__Host-half"}
    for part in ("Secure", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert part in begun.headers["set-cookie"]
    browser.headers["Cookie"] = f"__Host-half={cookies_of(begun)['__Host-half']}"
    for lang in ("th", "en"):
        page = browser.get(f"{begun.headers['location']}&lang={lang}")
        assert page.status_code == 200, words_of(page.text)
        assert 'src="data:image/svg+xml' in page.text
    code = shown(fresh_world, page.text)
    form = Form(page.text, "/sign-in/second/enrol")
    wrong = browser.post("/sign-in/second/enrol", data=form.sent(code="000000" if code != "000000" else "000001"))
    assert wrong.status_code == 422
    assert shown(fresh_world, wrong.text) == code, "the device that was shown the picture is not turned away"
    done = browser.post("/sign-in/second/enrol", data=Form(wrong.text, "/sign-in/second/enrol").sent(code=code))
    assert done.status_code == 200, words_of(done.text)
    assert len(on_paper(done.text)) == len(set(on_paper(done.text))) == 10
    assert 'href="/rounds?x=1&amp;y=2"' in done.text
    given = cookies_of(done)
    assert given["__Host-half"] == ""
    assert given["__Host-sid"] not in begun.headers["set-cookie"]
    assert Browser(fresh_world.app, given["__Host-sid"]).get("/rounds").status_code == 200
    again = browser.post("/sign-in/second/enrol", data=form.sent(code=code))
    assert again.status_code == 422
    assert "__Host-sid" not in cookies_of(again)


def test_half_signed_in_is_a_stranger_everywhere(fresh_world: World) -> None:
    """On every route there is, whatever cookie the identifier is put into."""
    browser = with_password(fresh_world, "admin")
    half = cookies_of(browser.post("/sign-in", data={"login": "admin", "password": PASSWORD}))["__Host-half"]
    stranger, seen = Browser(fresh_world.app), 0
    before = rows(fresh_world)
    for name in ("__Host-half", "__Host-sid"):
        browser.headers["Cookie"] = f"{name}={half}"
        for route in routes_of(fresh_world.app):
            door = door_of(route)
            if door is None or door.action in {"page.read", "session.begin", "metrics.read"}:
                continue
            for method in sorted(route.methods - {"HEAD"}):
                path = address_of(fresh_world, route)
                mine, theirs = browser._send(method, path), stranger._send(method, path)
                assert mine.status_code == theirs.status_code in {303, 401}, (name, method, path)
                seen += 1
    assert rows(fresh_world) == before
    assert seen > 200


def test_the_second_sign_in_asks_for_a_code(fresh_world: World) -> None:
    """The code of the device, or one on paper; the same code again does not do."""
    browser = with_password(fresh_world, "admin")
    secret, codes = device(fresh_world, "admin")
    typed = {"login": "admin", "password": PASSWORD, "next": "/admin"}
    for code, status in ((code_of(fresh_world, secret), 303), (code_of(fresh_world, secret), 422), (codes[0], 303)):
        begun = browser.post("/sign-in", data=typed)
        half = Browser(fresh_world.app)
        half.headers["Cookie"] = f"__Host-half={cookies_of(begun)['__Host-half']}"
        page = half.get(begun.headers["location"])
        assert page.status_code == 200
        assert "data:image/svg" not in page.text, "who has a device is shown no other"
        done = half.post("/sign-in/second", data=Form(page.text, "/sign-in/second").sent(code=code))
        assert done.status_code == status, words_of(done.text)
        if status == 303:
            assert done.headers["location"] == "/admin"
            assert Browser(fresh_world.app, cookies_of(done)["__Host-sid"]).get("/admin").status_code == 200
        else:
            assert "error-summary" in done.text
            enrol = half.post("/sign-in/second/enrol", data={"offer": "x", "code": code})
            assert enrol.status_code == 422
            assert "__Host-sid" not in cookies_of(enrol)


def test_wrong_codes_are_slowed_down(fresh_world: World) -> None:
    """With the time to wait, in the words of the page and in the header that programs read."""
    browser = with_password(fresh_world, "admin")
    device(fresh_world, "admin")
    begun = browser.post("/sign-in", data={"login": "admin", "password": PASSWORD})
    browser.headers["Cookie"] = f"__Host-half={cookies_of(begun)['__Host-half']}"
    answers = [browser.post("/sign-in/second", data={"code": "nothing"}) for _ in range(8)]
    assert [one.status_code for one in answers] == [422] * 6 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_without_the_password_there_is_no_second_step(world: World) -> None:
    """The page leads to the first one, and the form says to begin again."""
    stranger = world.browser("stranger")
    assert stranger.get("/sign-in/second").headers["location"] == "/sign-in"
    for address in ("/sign-in/second", "/sign-in/second/enrol"):
        assert stranger.post(address, data={"code": "000000"}).status_code == 422


def test_a_setting_leaves_it_to_people(fresh_world: World) -> None:
    """As the demonstration does; who has a device is asked all the same, and trainees are never forced."""
    assert (
        with_password(fresh_world, "owner")
        .post("/sign-in", data={"login": "owner", "password": PASSWORD})
        .headers["location"]
        == "/"
    )
    fresh_world.app.state.settings = replace(fresh_world.settings, second_factor="optional")
    browser = with_password(fresh_world, "instructor")
    typed = {"login": "instructor", "password": PASSWORD}
    assert browser.post("/sign-in", data=typed).headers["location"] == "/"
    device(fresh_world, "instructor")
    assert browser.post("/sign-in", data=typed).headers["location"].startswith("/sign-in/second")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("GRADER_SECOND_FACTOR", ("", "required", "optional"), ("off", "REQUIRED", "0")),
        ("GRADER_CONFIRM_MINUTES", ("", "1", "15", "720"), ("0", "721", "-1", "1.5", "๑", "x")),
    ],
)
def test_the_settings(monkeypatch: pytest.MonkeyPatch, name: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    """A second factor and a quarter of an hour unless told otherwise; what cannot be used is refused at the start."""
    monkeypatch.delenv(name, raising=False)
    usual = read_portal_settings()
    assert (usual.second_factor, usual.confirm_minutes) == ("required", 15)
    for value in good:
        monkeypatch.setenv(name, value)
        read_portal_settings()
    for value in bad:
        monkeypatch.setenv(name, value)
        with pytest.raises(UsageProblem, match=r"usage\.bad_setting"):
            read_portal_settings()


# -- one's own --------------------------------------------------------------------------------------------------------


def test_people_look_after_their_own(fresh_world: World) -> None:
    """Set up, renew the codes, take another device: each shown once, and other browsers are signed out by a device."""
    me, account = fresh_world.browser("coordinator"), fresh_world.accounts["coordinator"].id
    other = session_of(fresh_world.records, account)
    for lang in ("th", "en"):
        assert me.get(f"/second-factor?lang={lang}").status_code == 200
    page = me.get("/second-factor/new")
    form = Form(page.text, "/second-factor/new")
    codes = me.post("/second-factor/new", data=form.sent(code=shown(fresh_world, page.text)))
    assert codes.status_code == 200, words_of(codes.text)
    assert sessions.session_of(fresh_world.records, other) is None
    assert me.get("/second-factor").status_code == 200, "this one goes on"
    listed = set(on_paper(codes.text))
    renewed = me.post("/second-factor/codes")
    assert len(listed) == 10
    assert len(set(on_paper(renewed.text)) - listed) == 10
    assert not any(code in me.get("/second-factor").text for code in listed)
    late = me.post("/second-factor/new", data={"offer": "x", "code": "000000"})
    assert late.status_code == 422
    assert "data:image/svg" in late.text, "there is a fresh picture to go on with"


def test_an_administrator_resets_that_of_somebody(fresh_world: World) -> None:
    """The page shows that there is one; afterwards its owner is signed out and sets one up anew."""
    account, admin = fresh_world.accounts["instructor"].id, fresh_world.browser("admin")
    address = f"/admin/accounts/{account}"
    assert f"{address}/second-factor/reset" not in admin.get(address).text
    device(fresh_world, "instructor")
    fresh = session_of(fresh_world.records, account)
    assert f"{address}/second-factor/reset" in admin.get(address).text
    assert admin.post(f"{address}/second-factor/reset").status_code == 303
    assert sessions.session_of(fresh_world.records, fresh) is None
    with fresh_world.records.reading() as session:
        assert second_factor.standing(session, account).enrolled_at is None
    assert admin.post(f"{address}/second-factor/reset").status_code == 422
