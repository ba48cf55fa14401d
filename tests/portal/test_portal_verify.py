"""The public page of a certificate: four facts and no more, whatever the records know."""

import re

from sqlalchemy import select

from grader.records import Certificate, Person, Seat, TrainingRound, Unit
from tests.fixtures.portal import World, words_of


def test_the_public_page_tells_four_facts_and_nothing_else(world: World) -> None:
    """Name, course, day and state; no round, unit, hours, number, code of a person, nor who issued it."""
    mine = world.work["owner.certificate"]
    answer = world.browser("stranger").get(f"/verify/{mine}")
    assert answer.status_code == 200
    with world.records.reading() as session:
        given = session.get_one(Certificate, mine)
        person = session.get_one(Person, given.person_id)
        seat = session.get_one(Seat, given.seat_id)
        training = session.get_one(TrainingRound, given.round_id)
        unit = session.scalars(select(Unit).where(Unit.id == seat.unit_id)).one()
        secret = {
            given.person_id, given.seat_id, given.round_id, given.round_name, training.name, unit.name, unit.code,
            world.accounts["owner"].id, "setup", f"{given.hours} ชั่วโมง", f"{given.hours} hours",
            f"{given.number}/{given.year_be}",
        }  # fmt: skip
        assert person.code == "owner"
    assert [one for one in sorted(secret) if one and one in answer.text] == []
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", main, re.DOTALL)
    assert [value for _, value in pairs] == ["นางสาว owner สาธิต", "หลักสูตรสาธิต", "20 พ.ย. 2569", "ใช้ได้"]
    rest = re.sub(
        r'<h1>.*?</h1>|<div class="banner.*?</div></div>|<dl.*?</dl>', "", main.partition(">")[2], flags=re.DOTALL
    )
    assert words_of(rest) == "", "nothing stands beside them"
    assert not re.search(r"<a |<form|<img|data-", main)
