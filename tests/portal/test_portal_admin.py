"""The administrator's pages: accounts and roles, the queue, the audit log, the settings."""

import re

import pytest
from sqlalchemy import select, update

from grader.queue import claim, fault
from grader.records import Account, AuditEntry, Job
from grader.services import auditing, overseeing
from grader.services.accounts import people
from grader.services.indicator.settings import confirm
from portal.routes.admin_queue import STATES
from tests.fixtures.portal import PASSWORD, World, session_of, words_of

PAGES = ("/admin", "/admin/accounts", "/admin/accounts/new", "/admin/queue", "/admin/audit", "/admin/settings")


def actions(world: World, name: str) -> list[str]:
    """What the audit log says about an account, the newest last."""
    with world.records.reading() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.object == world.accounts[name].id).order_by(AuditEntry.number)
        )
        return [one.action for one in entries]


@pytest.mark.parametrize("address", PAGES)
def test_only_administrators_see_the_pages(world: World, address: str) -> None:
    """Everybody else is refused, and a stranger signs in; the administrator reads it in both languages."""
    for who in ("owner", "instructor", "coordinator", "executive", "nobody"):
        assert world.browser(who).get(address).status_code == 403, who
    assert world.browser("stranger").get(address).status_code == 303
    for lang, menu in (("th", "ดูแลระบบ"), ("en", "Administration")):
        page = world.browser("admin").get(f"{address}?lang={lang}")
        assert page.status_code == 200, words_of(page.text)
        assert menu in page.text
        assert len(re.findall(r"<h1[ >]", page.text)) == 1
        ids = re.findall(r'\sid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids)), address


def test_an_account_is_found_by_a_part_of_its_name(world: World) -> None:
    """By login, by name and by role; a percent sign is a sign; who is not found is said with what to do."""
    admin = world.browser("admin")
    assert world.accounts["owner"].id in admin.get("/admin/accounts?q=OWN").text
    assert world.accounts["admin"].id not in admin.get("/admin/accounts?q=own").text
    assert world.accounts["peer"].id in admin.get("/admin/accounts?q=นางสาว peer").text
    coordinators = admin.get("/admin/accounts?role=coordinator").text
    assert world.accounts["coordinator"].id in coordinators
    assert world.accounts["owner"].id not in coordinators
    assert "ไม่พบบัญชีที่ค้นหา" in admin.get("/admin/accounts?q=%25").text


def test_pages_of_accounts_follow_each_other(fresh_world: World) -> None:
    """More accounts than a page holds: the link leads on, and none is shown twice."""
    for number in range(60):
        people.create(fresh_world.records, login=f"extra-{number:02}", name="x", by="setup")
    admin, seen = fresh_world.browser("admin"), []
    address = "/admin/accounts?q=extra"
    while address:
        page = admin.get(address).text
        seen += re.findall(r">(extra-\d\d)<", page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert seen == [f"extra-{number:02}" for number in range(60)]


def test_a_new_account_and_its_link_that_is_shown_once(fresh_world: World) -> None:
    """Account, role and link in one step; the link works, and no later page holds it."""
    admin, stranger = fresh_world.browser("admin"), fresh_world.browser("stranger")
    form = {"login": "Somying", "name": "สมหญิง ใหม่", "role": "instructor", "round": "r1", "lasts": "day"}
    made = admin.post("/admin/accounts", data=form)
    assert made.status_code == 200, words_of(made.text)
    link = re.search(r"http://127\.0\.0\.1:8000(/link/[\w-]{43})", made.text)
    assert link
    with fresh_world.records.reading() as session:
        account = people.account_by_login(session, "somying").id
    assert link[1] not in admin.get(f"/admin/accounts/{account}").text
    assert stranger.post(link[1], data={"password": PASSWORD}).status_code == 303
    signed = stranger.post("/sign-in", data={"login": "somying", "password": PASSWORD})
    assert signed.headers["location"].startswith("/sign-in/second"), "whoever decides needs a second step"
    browser = type(stranger)(fresh_world.app, session_of(fresh_world.records, account))
    assert browser.get("/rounds").status_code != 403
    assert browser.get("/admin").status_code == 403


def test_a_form_keeps_what_was_typed(fresh_world: World) -> None:
    """Nothing is made when one part is refused, and the page says which field and what to do."""
    admin = fresh_world.browser("admin")
    form = {"login": "owner", "name": "ชื่อที่พิมพ์ไว้", "email": "a@example.go.th", "role": "executive", "round": "r1"}
    taken = admin.post("/admin/accounts", data=form)
    assert taken.status_code == 422
    assert 'href="#login"' in taken.text
    assert 'value="ชื่อที่พิมพ์ไว้"' in taken.text
    assert 'value="a@example.go.th"' in taken.text
    assert re.search(r'<option value="executive" selected', taken.text)
    assert 'aria-describedby="login-hint login-error"' in taken.text
    whole = admin.post("/admin/accounts", data={**form, "login": "newer"})
    assert whole.status_code == 422
    assert 'href="#role"' in whole.text
    assert "newer" not in admin.get("/admin/accounts").text


def test_a_role_holds_from_the_next_request_on(fresh_world: World) -> None:
    """Given and taken away; the session ends both times, so that no old identifier may do more or less."""
    admin, account = fresh_world.browser("admin"), fresh_world.accounts["executive"].id
    address = f"/admin/accounts/{account}"
    assert fresh_world.browser("executive").get("/").status_code == 200
    given = admin.post(f"{address}/roles", data={"role": "instructor", "round": "r2"})
    assert given.status_code == 303
    assert fresh_world.browser("executive").get("/").status_code == 303
    page = admin.get(given.headers["location"])
    assert "r2 · รุ่นทดสอบ 2" in page.text
    twice = admin.post(f"{address}/roles", data={"role": "instructor", "round": "r2"})
    assert twice.status_code == 422
    assert re.search(r'<option value="r2" selected', twice.text)
    assert admin.post(f"{address}/roles/remove", data={"role": "instructor", "round": "r2"}).status_code == 303
    assert actions(fresh_world, "executive")[-2:] == ["account.granted", "account.revoked"]


def test_the_last_administrator_stays(fresh_world: World) -> None:
    """Neither the role nor the account can be taken away while nobody else could give roles; then both can."""
    admin, account = fresh_world.browser("admin"), fresh_world.accounts["admin"].id
    address = f"/admin/accounts/{account}"
    for post, data in (("roles/remove", {"role": "admin"}), ("disable", {})):
        refused = admin.post(f"{address}/{post}", data=data)
        assert refused.status_code == 422
        assert "ผู้ดูแลระบบคนเดียว" in words_of(refused.text)
    assert admin.get("/admin").status_code == 200
    other = people.create(fresh_world.records, login="second", name="x", by="setup").id
    people.grant(fresh_world.records, account=other, role="admin", by="setup")
    people.disable(fresh_world.records, account=other, by="setup")
    assert admin.post(f"{address}/disable").status_code == 422, "an administrator who cannot come in is none"
    people.enable(fresh_world.records, account=other, by="setup")
    assert admin.post(f"{address}/roles/remove", data={"role": "admin"}).status_code == 303
    assert admin.get("/admin").status_code == 303


def test_a_disabled_account_is_signed_out_at_once(fresh_world: World) -> None:
    """From the next request on; the page says so, a link cannot be made, and it can be enabled again."""
    admin, owner = fresh_world.browser("admin"), fresh_world.browser("owner")
    address = f"/admin/accounts/{fresh_world.accounts['owner'].id}"
    assert owner.get("/").status_code == 200
    assert admin.post(f"{address}/disable").status_code == 303
    assert owner.get("/").status_code == 303
    assert "ระงับ" in words_of(admin.get(address).text)
    assert admin.post(f"{address}/link").status_code == 422
    assert admin.post(f"{address}/disable").status_code == 422
    assert admin.post(f"{address}/enable").status_code == 303
    assert owner.get("/").status_code == 303, "what stopped working stays so"


def test_sessions_end_everywhere_but_here(fresh_world: World) -> None:
    """Somebody else's all of them; one's own all but the one that asks."""
    admin = fresh_world.browser("admin")
    theirs, mine = (f"/admin/accounts/{fresh_world.accounts[one].id}" for one in ("peer", "admin"))
    assert admin.post(f"{theirs}/sessions/end").status_code == 303
    assert fresh_world.browser("peer").get("/").status_code == 303
    assert admin.post(f"{mine}/sessions/end").status_code == 303
    assert admin.get(mine).status_code == 200


def test_an_account_that_is_not_there(world: World) -> None:
    """A page that says so, whatever is asked of it; nothing changes."""
    admin = world.browser("admin")
    for method, path in (("get", ""), ("post", "/disable"), ("post", "/link"), ("post", "/roles")):
        assert getattr(admin, method)(f"/admin/accounts/acc_nothing{path}").status_code == 404


def test_the_queue_and_what_is_done_about_it(fresh_world: World) -> None:
    """A job that our own faults used up is tried again; one that waits is cancelled with a reason, and not without."""
    admin, records = fresh_world.browser("admin"), fresh_world.records
    for _ in range(3):
        held = claim(records, "test/0")
        assert held is not None
        fault(records, held, "infrastructure.engine")
        with records.upkeep() as session:
            session.execute(update(Job).where(Job.id == held.job).values(not_before=Job.queued_at))
    assert held is not None
    page = admin.get("/admin/queue")
    assert held.job in page.text
    assert "owner" in words_of(page.text)
    assert "/admin/queue?state=needs_operator" in admin.get("/admin").text
    again = admin.post(f"/admin/queue/{held.job}/retry")
    assert (again.status_code, again.headers["location"]) == (303, "/admin/queue?state=queued")
    assert admin.post(f"/admin/queue/{held.job}/retry").status_code == 422
    bare = admin.post(f"/admin/queue/{held.job}/cancel", data={"reason": " ", "state": "queued"})
    assert bare.status_code == 422
    assert f'href="#reason-{held.job}"' in bare.text
    done = admin.post(f"/admin/queue/{held.job}/cancel", data={"reason": "ทดสอบคิว", "state": "queued"})
    assert done.status_code == 303
    assert held.job in admin.get("/admin/queue?state=cancelled").text
    assert admin.post("/admin/queue/job_nothing/retry").status_code == 404
    for state in STATES:
        assert admin.get(f"/admin/queue?state={state}&after=job_nothing").status_code == 200


@pytest.mark.parametrize("state", ["done", "queued"])
def test_pages_of_jobs_follow_each_other(world: World, state: str) -> None:
    """Every job once, whichever way they are ordered."""
    seen, after = [], ""
    with world.records.reading() as session:
        while True:
            page = overseeing.jobs(session, state, after=after, limit=1)
            seen += [one.id for one in page.lines]
            after = page.after
            if not after:
                break
        whole = [one.id for one in overseeing.jobs(session, state).lines]
    assert seen == whole
    assert len(seen) == {"done": 4, "queued": 1}[state]


def test_others_cannot_touch_the_queue(fresh_world: World) -> None:
    """Neither trainees nor the staff of a round; the job stays as it is."""
    with fresh_world.records.reading() as session:
        job = session.scalars(select(Job.id).where(Job.state == "queued")).one()
    for who in ("owner", "instructor", "coordinator", "executive"):
        assert fresh_world.browser(who).post(f"/admin/queue/{job}/cancel", data={"reason": "x"}).status_code == 403
    assert job in fresh_world.browser("admin").get("/admin/queue?state=queued").text


def test_the_log_is_filtered_and_comes_in_pages(fresh_world: World) -> None:
    """By actor (login and id are one), action, object and days; the cursor leads through all of it, once."""
    admin, records = fresh_world.browser("admin"), fresh_world.records
    for number in range(70):
        people.create(records, login=f"many-{number}", name="ชื่อที่ต้องไม่อยู่ในบันทึก", by="filler")
    numbers, address = [], "/admin/audit?by=filler"
    while address:
        page = admin.get(address).text
        numbers += [int(one) for one in re.findall(r'<th scope="row" class="number">(\d+)<', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(numbers) == 70
    assert numbers == sorted(numbers, reverse=True)
    assert "ชื่อที่ต้องไม่อยู่ในบันทึก" not in admin.get("/admin/audit").text
    owner = fresh_world.accounts["owner"].id
    by_login = admin.get("/admin/audit?by=owner").text
    assert "account.signed_in" in re.sub(r"<option.*?</option>", "", by_login), "signing in is noted by id"
    found = re.sub(r"<option.*?</option>", "", admin.get(f"/admin/audit?object={owner}&action=account.created").text)
    assert "account.created" in found
    assert "account.signed_in" not in found
    assert "ไม่พบรายการ" in admin.get("/admin/audit?last=2020-01-01").text
    assert owner in admin.get(f"/admin/audit?first=2020-01-01&object={owner}").text


@pytest.mark.parametrize("query", ["first=2026-13-01", "last=yesterday", "first=2026-02-02&last=2026-02-01"])
def test_a_day_that_is_none_is_said(world: World, query: str) -> None:
    """With the other filters kept; a cursor that is no number begins anew."""
    page = world.browser("admin").get(f"/admin/audit?by=kept&{query}")
    assert page.status_code == 422
    assert "error-summary" in page.text
    assert 'value="kept"' in page.text
    assert world.browser("admin").get("/admin/audit?before=x1").status_code == 200


def test_the_chain_is_looked_at_on_request(fresh_world: World) -> None:
    """A chain that holds, one that is looked at in part, and one in which an entry was changed."""
    admin, records = fresh_world.browser("admin"), fresh_world.records
    assert "สายโซ่ถูกต้อง" in admin.post("/admin/audit/verify").text
    part = auditing.walk(records, most=3)
    assert (part.broken, part.whole, part.last - part.first) == (None, False, 2)
    connection = records.database.engine.raw_connection()
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE audit SET action = 'round.deleted' WHERE number = 5")
    connection.commit()
    connection.close()
    assert "สายโซ่ขาดที่รายการ 5" in admin.post("/admin/audit/verify").text
    assert auditing.walk(records, most=3).broken is None, "it lies before what was looked at"


def test_settings_say_who_confirmed_them(fresh_world: World) -> None:
    """The badge goes when somebody confirmed, with a document; what is secret is nowhere."""
    admin = fresh_world.browser("admin")
    before = admin.get("/admin/settings").text
    confirm(fresh_world.records, "kpi.decimals", by="coordinator", source="สธ 0901/123")
    after = admin.get("/admin/settings").text
    badge = 'class="badge unconfirmed"'
    assert before.count(badge) == after.count(badge) + 1
    assert "สธ 0901/123" in after
    assert 'href="/kpi"' in after
    assert "GRADER_PORTAL_ORIGIN" in after
    assert str(fresh_world.records.folder) not in after


def test_every_administrator_is_listed_once(world: World) -> None:
    """The list has all accounts there are."""
    with world.records.reading() as session:
        known = set(session.scalars(select(Account.id)))
    page = world.browser("admin").get("/admin/accounts").text
    assert set(re.findall(r'/admin/accounts/(acc_\w+)"', page)) == known
