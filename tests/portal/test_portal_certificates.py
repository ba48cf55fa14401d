"""Papers of people: certificates of a round, the public page that confirms one, and the result sheet."""

import io
import re

import pytest
from pypdf import PdfReader

from grader.records import Certificate, Throttle
from grader.reports.printing.text_layer import fold
from grader.services import certificates, overriding
from portal.routes import certificates as papers
from tests.fixtures.portal import PACK, words_of
from tests.fixtures.portal_kpi import Office
from tests.portal.test_portal_kpi import entries

TERMS = {"course": "หลักสูตร API <สาธิต>", "issued_on": "2026-11-22", "kind": "certificate", "hours": "30",
         "signer": "นายสาธิต ตัวอย่าง", "position": "ผู้อำนวยการ"}  # fmt: skip


def text_of(content: bytes) -> str:
    """All that can be copied out of a PDF."""
    return fold("".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages))


def issued(office: Office, name: str) -> Certificate:
    """The newest certificate of somebody."""
    with office.world.records.reading() as session:
        seat = office.world.seats[name]
        found = next(one for one in certificates.candidates(session, "r1") if one.seat == seat)
        return found.certificates[0]


def give(office: Office, **data: object) -> int:
    """Issue as the coordinator."""
    answer = office.world.browser("coordinator").post("/rounds/r1/certificates", data={**TERMS, **data})
    return int(answer.status_code)


@pytest.mark.parametrize("lang", ["th", "en"])
def test_a_coordinator_gives_certificates_to_those_who_passed(fresh_office: Office, lang: str) -> None:
    """To everybody at once and to nobody twice; who has not passed has no box to tick, and forging one is refused."""
    browser = fresh_office.world.browser("coordinator")
    page = browser.get(f"/rounds/r1/certificates?lang={lang}")
    assert page.status_code == 200
    seats, owner = fresh_office.world.seats, fresh_office.world.seats["owner"]
    assert f'value="{seats["peer"]}"' in page.text
    assert f'value="{owner}"' not in page.text
    assert give(fresh_office, seats=[owner]) == 422
    assert give(fresh_office, everybody="1", course=" ") == 422
    assert give(fresh_office, everybody="1", issued_on="soon") == 422
    bad = browser.post("/rounds/r1/certificates", data={**TERMS, "everybody": "1", "hours": "x"})
    assert bad.status_code == 422
    assert 'href="#hours"' in bad.text
    assert "หลักสูตร API &lt;สาธิต&gt;" in bad.text
    assert not entries(fresh_office.world.records, "certificate.issued")[1:]
    assert give(fresh_office, seats=[seats["peer"]]) == 303
    assert give(fresh_office, everybody="1") == 303
    assert give(fresh_office, everybody="1") == 422
    told = entries(fresh_office.world.records, "certificate.issued")[1:]
    assert len(told) == 1 + sum((4, 5, 1))
    assert "สาธิต" not in str([one.after for one in told])


def test_the_paper_says_it_and_leads_to_the_page_that_confirms_it(fresh_office: Office) -> None:
    """Name, course, hours, day and signer in Thai; the address on it is that of the page, which says four things."""
    give(fresh_office, everybody="1")
    mine, peer = issued(fresh_office, "peer"), fresh_office.world.browser("peer")
    assert re.fullmatch(r"[\w-]{22}", mine.id)
    answer = peer.get(f"/certificates/{mine.id}/certificate.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    text = text_of(answer.content)
    wanted = ("นางสาว peer สาธิต", "หลักสูตร API <สาธิต>", "จำนวน ๓๐ ชั่วโมง", "พุทธศักราช ๒๕๖๙", "(นายสาธิต ตัวอย่าง)")
    assert [one for one in wanted if fold(one) not in text] == []
    address = re.search(r"/verify/[\w-]{22}", text)
    assert address is not None
    page = fresh_office.world.browser("stranger").get(address[0])
    assert page.status_code == 200
    told = words_of(page.text)
    for one in ("นางสาว peer สาธิต", "หลักสูตร API &lt;สาธิต&gt;", "22 พ.ย. 2569", "ใช้ได้"):
        assert one in told
    facts = re.findall(r"<dd>(.*?)</dd>", page.text.partition("<main")[2].partition("</main>")[0])
    assert len(facts) == 4
    assert f"/verify/{mine.id}" in peer.get("/certificates").text


def test_a_revoked_one_says_so_and_no_more(fresh_office: Office) -> None:
    """The reason stays inside; the paper is not printed again, the id stays, and a new one may follow."""
    give(fresh_office, everybody="1")
    mine, browser = issued(fresh_office, "peer"), fresh_office.world.browser("coordinator")
    revoke = f"/certificates/{mine.id}/revoke"
    assert browser.post(revoke, data={"reason": ""}).status_code == 422
    done = browser.post(revoke, data={"reason": "ออกผิดคน", "round_code": "r1"})
    assert done.headers["location"] == "/rounds/r1/certificates"
    assert browser.post(revoke, data={"reason": "อีกครั้ง"}).status_code == 422
    page = fresh_office.world.browser("stranger").get(f"/verify/{mine.id}")
    assert page.status_code == 200
    assert "เพิกถอน" in words_of(page.text)
    assert "ออกผิดคน" not in page.text
    assert "ออกผิดคน" in browser.get("/rounds/r1/certificates").text
    assert fresh_office.world.browser("peer").get(f"/certificates/{mine.id}/certificate.pdf").status_code == 422
    assert give(fresh_office, everybody="1") == 303
    assert issued(fresh_office, "peer").id != mine.id


def test_others_get_nothing(office: Office) -> None:
    """Nobody but its holder and the staff of the round prints a certificate; only coordinators give and revoke."""
    mine = office.world.work["owner.certificate"]
    codes = {
        "owner": 200, "peer": 404, "other": 404, "instructor": 200, "instructor2": 404, "coordinator": 200,
        "executive": 404, "admin": 404,
    }  # fmt: skip
    got = {who: office.world.browser(who).get(f"/certificates/{mine}/certificate.pdf").status_code for who in codes}
    assert got == codes
    refused = {"owner": 403, "peer": 404, "instructor": 403, "instructor2": 404, "executive": 404}
    for who, code in refused.items():
        assert office.world.browser(who).post(f"/certificates/{mine}/revoke", data={"reason": "x"}).status_code == code
    rounds = {"owner": 404, "instructor": 403, "instructor2": 404, "executive": 404}
    for who, code in rounds.items():
        assert office.world.browser(who).post("/rounds/r1/certificates", data=TERMS).status_code == code
    seen = office.world.browser("instructor").get("/rounds/r1/certificates")
    assert seen.status_code == 200
    assert '<form method="post" id="issue"' not in seen.text


def test_an_unknown_certificate_looks_like_the_page(fresh_office: Office) -> None:
    """404 in the same frame; too many questions from one network wait, and those of another do not."""
    stranger = fresh_office.world.browser("stranger")
    known = stranger.get(f"/verify/{fresh_office.world.work['owner.certificate']}")
    unknown = stranger.get("/verify/" + "B" * 22)
    assert (known.status_code, unknown.status_code) == (200, 404)
    titles = [re.search(r"<h1>(.*?)</h1>", page.text) for page in (known, unknown)]
    assert all(titles)
    assert {one[1] for one in titles if one} == {"ตรวจสอบใบประกาศ"}
    with fresh_office.world.records.reading() as session:
        counted = [one.key for one in session.query(Throttle) if one.key.startswith("limit:")]
    assert len(counted) == 1


def test_questions_are_limited_by_network(fresh_office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is counted before anything is looked up."""
    monkeypatch.setattr(papers, "CONFIRMED_AN_HOUR", 3)
    stranger = fresh_office.world.browser("stranger")
    codes = [stranger.get("/verify/" + "B" * 22).status_code for _ in range(6)]
    assert codes[:3] == [404, 404, 404]
    assert codes[-1] == 429


def test_the_result_sheet_says_what_was_found(fresh_office: Office) -> None:
    """For its owner and the staff: name, points of each group, every check, the receipt, and what was decided."""
    world = fresh_office.world
    mine = world.work["owner.failed"]
    overriding.override(world.records, submission=mine, to="pass", reason="ตรวจด้วยตนเองแล้วถูกต้อง", by="instructor")
    answer = world.browser("owner").get(f"/submissions/{mine}/sheet.pdf?lang=th")
    assert answer.status_code == 200
    assert mine in answer.headers["content-disposition"]
    text = text_of(answer.content)
    receipt = world.browser("owner").get(f"/submissions/{mine}/receipt.json").json()
    wanted = ["นางสาว owner สาธิต", PACK.exercise.title.th, receipt["sha256"], receipt["key"], mine,
              "ตรวจด้วยตนเองแล้วถูกต้อง", "2569", *PACK.checks]  # fmt: skip
    assert [one for one in wanted if fold(one) not in text] == []
    assert not {"\u25cc", "\ufffd"} & set(text)
    english = text_of(world.browser("instructor").get(f"/submissions/{mine}/sheet.pdf?lang=en").content)
    assert fold("Result sheet") in english
    for who, code in {"peer": 404, "instructor2": 404, "executive": 404, "stranger": 303}.items():
        assert world.browser(who).get(f"/submissions/{mine}/sheet.pdf").status_code == code
