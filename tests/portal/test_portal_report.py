"""The report as its reader asks for it: chosen checks, groups, and another attempt beside it, all by addresses."""

import re
from collections import Counter

from grader.queue import claim
from grader.services.following import open_submission, verdicts_of
from grader.services.receiving import submit
from grader.verdict import Verdict
from tests.fixtures.portal import PACK, Browser, World, grade, verdict_for, words_of

FIRST, SECOND = list(PACK.checks)[:2]


def attempts(world: World) -> dict[int, str]:
    """The owner's attempts by number; the one that waits is graded: it mends the first check and breaks the second."""
    grade(world.records, verdict_for(PACK, failing=(SECOND,)))
    with world.records.reading() as session:
        return {one.number: one.id for one in open_submission(session, world.work["owner.failed"]).attempts}


def rows(html: str) -> list[tuple[str, str]]:
    """Check and outcome of each row of the section of checks."""
    section = html.partition('<section aria-labelledby="checks">')[2].partition("<section aria-labelledby=")[0]
    return re.findall(r'class="is-(\w+)">.*?<span class="check-id">([\w-]+)</span>', section, re.DOTALL)


def groups(html: str) -> list[str]:
    """The headings of that section."""
    section = html.partition('<section aria-labelledby="checks">')[2].partition("<section aria-labelledby=")[0]
    return [words_of(one) for one in re.findall(r"<h3>(.*?)</h3>", section, re.DOTALL)]


def recorded(world: World, submission: str) -> Verdict:
    """What the records hold."""
    with world.records.reading() as session:
        return Verdict.from_json(verdicts_of(session, (submission,))[submission])


def test_chips_count_and_choose(world: World) -> None:
    """Each number is that of the verdict; each chip shows exactly those, and an unknown one shows all."""
    address, browser = f"/submissions/{world.work['owner.failed']}", world.browser("owner")
    verdict = recorded(world, world.work["owner.failed"])
    counts = Counter(check.outcome for check in verdict.checks)
    page = browser.get(address)
    assert sorted(rows(page.text)) == sorted((check.outcome, check.id) for check in verdict.checks)
    told = words_of(page.text.partition('<section aria-labelledby="checks">')[2].partition("</nav>")[0])
    assert f"ทั้งหมด {len(verdict.checks)}" in told
    for outcome in ("fail", "pass", "not_run", "error"):
        shown = rows(browser.get(f"{address}?show={outcome}").text)
        assert len(shown) == counts[outcome], outcome
        assert {one for one, _ in shown} <= {outcome}
    assert "ไม่มีรายการตรวจที่ได้ผลแบบนี้" in browser.get(f"{address}?show=error").text
    odd = browser.get(f"{address}?show=<b>&by=<i>&against=<u>")
    assert odd.status_code == 200
    assert rows(odd.text) == rows(page.text)
    assert "<b>" not in odd.text
    ids = re.findall(r'\sid="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))


def test_checks_are_grouped_as_asked(world: World) -> None:
    """By cause, endpoint and task: under each heading the checks that the verdict and the exercise put there."""
    address, browser = f"/submissions/{world.work['owner.failed']}", world.browser("owner")
    by_operation = browser.get(f"{address}?show=fail&by=operation").text
    assert groups(by_operation) == ["getFacility (1)"]
    assert rows(by_operation) == [("fail", FIRST)]
    by_cause = groups(browser.get(f"{address}?show=fail&by=cause").text)
    assert len(by_cause) == 1
    assert by_cause[0].endswith("(1)")
    assert "response.value" not in by_cause[0], "a cause has words"
    by_task = browser.get(f"{address}?by=task").text
    tasks = Counter(check.task or "" for check in PACK.checks.values())
    told = groups(by_task)
    assert len(told) == len(tasks)
    for task, n in tasks.items():
        assert any(one.endswith(f"({n})") and (not task or task in one) for one in told), (task, told)
    every = browser.get(f"{address}?by=cause").text
    ids = re.findall(r'\sid="([^"]+)"', every)
    assert len(ids) == len(set(ids))


def test_an_attempt_is_compared_with_the_one_that_was_chosen(fresh_world: World) -> None:
    """The one before unless another was asked for; points and lists are the difference of the two verdicts."""
    found, browser = attempts(fresh_world), fresh_world.browser("owner")
    assert sorted(found) == [1, 2]
    old, new = (recorded(fresh_world, found[number]) for number in (1, 2))
    page = browser.get(f"/submissions/{found[2]}").text
    change = words_of(page.partition('id="change"')[2].partition("</p>")[0])
    assert "ครั้งที่ 2 เทียบกับครั้งที่ 1" in change
    assert f"{new.points - old.points:+d} คะแนน" in change
    assert f"แก้แล้ว 1 ({FIRST})" in change
    assert f"พังใหม่ 1 ({SECOND})" in change
    back = browser.get(f"/submissions/{found[1]}?against={found[2]}").text
    change = words_of(back.partition('id="change"')[2].partition("</p>")[0])
    assert "ครั้งที่ 1 เทียบกับครั้งที่ 2" in change
    assert f"{old.points - new.points:+d} คะแนน" in change
    assert 'id="change"' not in browser.get(f"/submissions/{found[1]}").text, "nothing came before it"


def test_the_selector_leads_only_to_ones_own_attempts(fresh_world: World) -> None:
    """A form without scripts: another attempt of the same work is opened, anything else stays where it is."""
    found, browser = attempts(fresh_world), fresh_world.browser("owner")
    page = browser.get(f"/submissions/{found[2]}").text
    form = page.partition('name="attempt"')[2].partition("</form>")[0]
    assert f'value="{found[2]}" selected' in form
    moved = browser.get(f"/submissions/{found[2]}", params={"attempt": found[1], "against": found[2]})
    assert moved.headers["location"] == f"/submissions/{found[1]}?against={found[2]}"
    for other in (fresh_world.work["peer.passed"], "https://evil.example", ""):
        assert browser.get(f"/submissions/{found[2]}", params={"attempt": other}).status_code == 200
    against = browser.get(f"/submissions/{found[2]}", params={"against": fresh_world.work["peer.passed"]}).text
    assert "เทียบกับครั้งที่ 1" in words_of(against), "somebody else's work is nothing to compare with"


def test_a_waiting_attempt_is_offered_and_not_compared(fresh_world: World) -> None:
    """It has no result yet: choosing it leads to its live page, and it is not among those to compare with."""
    found = attempts(fresh_world)
    waiting = submit(
        fresh_world.records, seat=fresh_world.seats["owner"], assignment=fresh_world.assignments["r1"],
        filename="ง.zip", chunks=[b"9"], by="owner",
    ).submission  # fmt: skip
    browser: Browser = fresh_world.browser("owner")
    page = browser.get(f"/submissions/{found[2]}").text
    assert f'value="{waiting}"' in page.partition('name="attempt"')[2].partition("</select>")[0]
    assert f'value="{waiting}"' not in page.partition('name="against"')[2].partition("</select>")[0]
    assert claim(fresh_world.records, "test/0") is not None
    moved = browser.get(f"/submissions/{waiting}")
    assert moved.headers["location"] == f"/submissions/{waiting}/live"


def test_points_by_part_and_the_link(world: World) -> None:
    """Each part with its points as text beside its bar; the link can be copied; both languages."""
    address, browser = f"/submissions/{world.work['owner.failed']}", world.browser("owner")
    page = browser.get(address).text
    section = page.partition('aria-labelledby="parts"')[2].partition("</section>")[0]
    shown = [tuple(map(int, one)) for one in re.findall(r"<strong>(\d+)/(\d+)</strong>", section)]
    verdict = recorded(world, world.work["owner.failed"])
    assert sum(points for points, _ in shown) == verdict.points
    assert sum(most for _, most in shown) == verdict.max
    assert f'data-copy="{world.settings.origin}{address}"' in page
    english = browser.get(f"{address}?lang=en").text
    assert "Points by part" in english
    assert "Grouped by" in english
