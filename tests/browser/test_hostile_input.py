"""No text that is sent becomes script: payloads in every address, every file, every form, and on a live page.

Which parameters and fields there are is asked of the application: a new one is tried without a word here.
"""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

from grader.queue import claim, progress
from grader.records import Job
from grader.rosters import RosterRow, write_csv
from grader.services.following import PHASES
from grader.services.receiving import submit
from tests.fixtures.hostile_portal import NO_PAGE, PERSON, Portal, addresses, pages_of, people_of
from tests.fixtures.payloads import PAYLOADS, WHOLE, beginning_with
from tests.fixtures.portal import Route, routes_of

LINE_OF_PROGRESS: Final = 480
SHORT: Final = [one.text for one in PAYLOADS if len(one.text) <= LINE_OF_PROGRESS]
"""Together as long as an address may be."""
LINKS: Final = [one.text for one in PAYLOADS if one.live == "link"]


def test_every_address(portal: Portal) -> None:
    """Payloads as the parameters of every address, and as what is asked of every page, one by one and all at once."""
    tabs = {who: portal.tab(who) for who in dict.fromkeys(PERSON.values())}
    for route in pages_of(portal.hostile):
        who = people_of(route)[-1]
        address = addresses(portal.hostile, route)[0]
        asked = [one.alias for one in route.dependant.query_params] or ["q"]
        for names in [asked] if len(asked) == 1 else [[one] for one in asked] + [asked]:
            values = {name: "\n\n".join(SHORT[number :: len(names)]) for number, name in enumerate(names)}
            tabs[who].visit(f"{address}?{urlencode(values)}")
        if "{" in route.path:
            tabs[who].visit(re.sub(r"\{[^}]*\}", quote(PAYLOADS[49].text + WHOLE[:2000], safe=""), route.path))
    for link in LINKS:
        tabs["stranger"].visit(f"/sign-in?{urlencode({'next': link})}")
        tabs["victim"].visit(f"/sign-in?{urlencode({'next': link})}")
    found = [one for watch in tabs.values() for one in watch.found]
    for watch in tabs.values():
        watch.close()
    assert found == [], "\n".join(found)


def lines_of_progress() -> Iterator[str]:
    """The payloads in as few pieces as a line of progress has room for; what is longer than one is cut in any case."""
    piece = ""
    for one in PAYLOADS:
        if len(piece) + len(one.text) > LINE_OF_PROGRESS and piece:
            yield piece
            piece = ""
        if len(one.text) <= LINE_OF_PROGRESS:
            piece += f"{one.text}\n\n"
    yield piece


def test_a_live_page(portal: Portal) -> None:
    """What a worker says of its phase is swapped into the page as text, and cannot end the message that it is in."""
    records, world = portal.hostile.world.records, portal.hostile.world
    while held := claim(records, "test/9"):
        _finished(records, held)
    seat = world.seats["owner"]
    live = submit(
        records, seat=seat, assignment=world.assignments["r1"], filename=WHOLE[:255], chunks=[b"live"],
        by="owner",
    ).submission  # fmt: skip
    held = claim(records, "test/9")
    assert held is not None
    watch = portal.tab("owner")
    watch.visit(f"/submissions/{live}/live")
    pieces = list(lines_of_progress())
    for number, piece in enumerate(pieces):
        assert progress(records, held, PHASES[number * len(PHASES) // len(pieces)], f"{piece} end{number}")
        watch.page.wait_for_function(
            "(end) => document.getElementById('phases').textContent.includes(end)", arg=f" end{number}"
        )
        watch.look()
    assert watch.page.locator("#phases li").count() == 8
    found = list(watch.found)
    watch.close()
    _finished(records, held)
    assert found == [], "\n".join(found)


def _finished(records: Any, held: Any) -> None:
    with records.upkeep() as session:
        job = session.get_one(Job, held.job)
        job.state, job.lease_until = "cancelled", None


def test_every_file(portal: Portal) -> None:
    """Names and contents of rosters and work that are sent: looked at, refused, and shown with what is wrong."""
    rows = [
        RosterRow(code=f"n{number}", name=one.text, unit_code=f"u{number}", unit_name=one.text, note=one.text)
        for number, one in enumerate(PAYLOADS)
    ]
    broken = "รหัสบุคลากร,ชื่อ–นามสกุล,รหัสหน่วยงาน,หน่วยงาน,อีเมล,วันที่ลงทะเบียน,บทบาท\r\n" + "\r\n".join(
        ",".join(f'"{one.text.replace(chr(34), chr(34) * 2)}"' for _ in range(7)) for one in PAYLOADS
    )
    watch = portal.tab("office")
    named = "'><img src=x onerror=hit(1)>"
    for data in (write_csv(rows), broken.encode("utf-8-sig", "replace"), WHOLE.encode("utf-8", "replace"), b"PK\3\4x"):
        watch.visit("/rounds/r9/roster/import")
        with watch.going(f"a roster {data[:20]!r}"), watch.page.expect_navigation(wait_until="load"):
            watch.page.locator("input[type=file]").set_input_files(
                {"name": f"{named}.csv", "mimeType": "text/html", "buffer": data}
            )
            watch.page.locator("form:has(input[type=file]) button[type=submit]").click()
    assignment = portal.hostile.filled["assignment"][0]
    victim = portal.tab("victim")
    for name, data in (
        (f"{named}.zip", b"PK\3\4x"),
        (f"{named}.zip", b" "),
        ("a.zip", WHOLE.encode("utf-8", "replace")),
    ):
        victim.visit(f"/assignments/{assignment}/submit")
        with victim.going(f"work {name}"), victim.page.expect_navigation(wait_until="load"):
            victim.page.locator("input[type=file]").set_input_files(
                {"name": name, "mimeType": "text/html", "buffer": data}
            )
            victim.page.locator("form:has(input[type=file]) button[type=submit]").click()
    # The code of others, file by file.
    instructor = portal.tab("instructor")
    instructor.visit(f"/review/{portal.hostile.filled['submission'][0]}/files")
    links = instructor.page.locator("nav a[href*='/files?name=']")
    names = [str(links.nth(number).get_attribute("href")) for number in range(links.count())]
    assert len(names) > 20
    for name in names[::4]:
        instructor.visit(name)
        assert instructor.page.locator("pre", has_text="hit(").count() == 1 or name.endswith(("main.py", "txt"))
    found = watch.found + victim.found + instructor.found
    for one in (watch, victim, instructor):
        one.close()
    assert found == [], "\n".join(found)


# -- forms stand last, because what they change would change the others ------------------------------------------------


def fields_of(route: Route) -> list[str]:
    """The fields of its form that hold text; no file."""
    return [one.alias for one in route.dependant.body_params if "UploadFile" not in str(one.field_info.annotation)]


def test_every_form(portal: Portal) -> None:
    """What was typed comes back in the form, or is kept and shown: all at once, and short enough to be accepted."""
    sent = 0
    found: list[str] = []
    for route in routes_of(portal.hostile.world.app):
        fields = fields_of(route)
        if "POST" not in route.methods or not fields or NO_PAGE.search(route.path):
            continue
        if any(name not in portal.hostile.filled for name in re.findall(r"\{(\w+)", route.path)):
            continue  # a thing of one's own that is made and taken away: nothing of it is typed
        watch = portal.tab(people_of(route)[-1])
        watch.visit("/help")
        for value in (beginning_with(49), PAYLOADS[49].text, PAYLOADS[0].text):
            watch.send(addresses(portal.hostile, route)[0], [(name, value) for name in fields])
            sent += 1
        found += watch.found
        watch.close()
    assert found == [], "\n".join(found)
    assert sent > 60
