"""People are found in every usual disguise, shown never, and not seen where they are not."""

import base64
import hashlib
import json
import random
import uuid
from urllib.parse import quote

import pytest

from grader.packs.synthetic import people
from grader.packs.world import Person, synthetic_cid
from grader.people import MASK, People, excerpt, find_people

CID = synthetic_cid(1, 42)
PID, HN = "204700331", "0012345678"
PERSON = Person(cid=CID, name="นางสาวสาธิต ทดสอบหนึ่ง", identifiers=(PID, HN))
PEOPLE = People([PERSON])
DASHED = f"{CID[0]}-{CID[1:5]}-{CID[5:10]}-{CID[10:12]}-{CID[12]}"


def thai(digits: str) -> str:
    """Digits as Thai ones."""
    return digits.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))


def escaped(text: str) -> str:
    r"""Everything that is no ASCII as ``\uXXXX``, as json.dumps and PHP write it."""
    return json.dumps(text)[1:-1]


SEEN = {
    "plain": (f"person {CID} read", "cid"),
    "in JSON": (f'{{"cid":"{CID}"}}', "cid"),
    "as a number": (f'{{"cid":{CID}}}', "cid"),
    "dashed": (f"person {DASHED}", "cid"),
    "dashed, beside another number": (f"person 7 {DASHED} 12", "cid"),
    "spaced": (DASHED.replace("-", " "), "cid"),
    "typographic dashes": (DASHED.replace("-", "–"), "cid"),
    "hard blanks": (DASHED.replace("-", "\u00a0"), "cid"),
    "other groups": (f"{CID[:4]} {CID[4:8]} {CID[8:]}", "cid"),
    "thai digits": (thai(CID), "cid"),
    "thai digits, dashed": (thai(DASHED), "cid"),
    "thai digits, encoded": (quote(thai(CID)), "cid"),
    "thai digits, JSON escapes": (escaped(thai(CID)), "cid"),
    "full-width digits": (CID.translate(str.maketrans("0123456789", "０１２３４５６７８９")), "cid"),
    "percent-encoded": ("".join(f"%{ord(digit):02x}" for digit in CID), "cid"),
    "the message of a pseudonym": (f"hmac of {CID}2", "cid"),
    "inside a longer number": (f"id=00{CID}99", "cid"),
    "identifier": (f"pid {PID} read", "identifier"),
    "identifier in a key of three parts": (f"00712:{PID}:1", "identifier"),
    "identifier as a number": (f'{{"pid":{PID}}}', "identifier"),
    "identifier with its kind": (f"HN{HN}", "identifier"),
    "identifier after a line end in JSON": (f"a\\n{PID}", "identifier"),
    "identifier in thai digits": (f"เลข{thai(HN)}ครับ", "identifier"),
    "identifier, percent-encoded": (quote(thai(PID)), "identifier"),
    "identifier at the end of a sentence": (f"it was {PID}.", "identifier"),
    "name": (f"hello {PERSON.name}!", "name"),
    "name in a word": (f"ชื่อ{PERSON.name}ครับ", "name"),
    "name, encoded": (f"GET /p?name={quote(PERSON.name)}", "name"),
    "name, encoded with plus": (f"name={quote(PERSON.name).replace('%20', '+')}", "name"),
    "name, JSON escapes": (escaped(PERSON.name), "name"),
    "name, bytes": (repr(PERSON.name.encode()), "name"),
    "name, wide blanks": (PERSON.name.replace(" ", " \t "), "name"),
}

NOT_SEEN = {
    "nothing": "",
    "a request": "GET /clinics?limit=5 200",
    "another number": synthetic_cid(1, 43),
    "one digit changed": f"{CID[:6]}{(int(CID[6]) + 1) % 10}{CID[7:]}",
    "most of a number": CID[:12],
    "a number over two fields": f'["{CID[:5]}","{CID[5:]}"]',
    "groups that go on": f"{CID[:4]}-{CID[4:8]}-{CID[8:]}-55",
    "another name": "นางสาวสาธิต ทดสอบสอง",
    "half a name": "นางสาวสาธิต",
    "broken encodings": "100%25 ๑๒๓ %zz \\u12 \\x",
    "an area code": "970102",
    "an area code of 8 digits": "97010203",
    "a pseudonym": "HXPDI4XVG6XDG3DJ",
    "a date, a time, a stamp": "2026-11-22 20261122 08:00:00.204700331 20261122080000 1795309200 1795309200123",
    "a part of an identifier": f"{PID[:-1]} {HN[1:]}",
    "an identifier in a longer number": f"1{PID} {PID}5 {HN}00",
    "an identifier with a dash inside": f"{PID[:4]}-{PID[4:]}",
    "a fraction": f"0.{PID} 12.{HN} {PID}.5",
    "a digest": f"c{PID} {PID}ab 5d{PID} 0x1f{HN}",
    "a UUID": f"550e8400-e29b-41d4-a716-446{PID}",
    "base64": base64.b64encode(CID.encode()).decode(),
}


@pytest.mark.parametrize("disguise", SEEN)
def test_a_person_is_found(disguise: str) -> None:
    """Each disguise gives one finding of its kind, and the person is not in what is shown."""
    line, kind = SEEN[disguise]
    (finding,) = find_people(["start", line, "end"], PEOPLE)
    assert (finding.check, finding.code, finding.at) == ("U3", "privacy.person_in_log", kind)
    assert finding.params["line"] == 2
    assert finding.log is not None
    assert finding.log.lines[0] == "start"
    assert MASK in finding.log.lines[1]
    assert find_people(list(finding.log.lines), PEOPLE) == ()


@pytest.mark.parametrize("alike", NOT_SEEN)
def test_others_are_not_accused(alike: str) -> None:
    """What only looks like a person is nobody, and stays as it is."""
    assert PEOPLE.sightings(NOT_SEEN[alike]) == frozenset()
    assert PEOPLE.masked(NOT_SEEN[alike]) == NOT_SEEN[alike]


def test_a_busy_honest_service_never_meets_anyone_by_chance() -> None:
    """Three hundred people are not in ten thousand digests, UUIDs, tokens, fractions, stamps and pseudonyms."""
    rng = random.Random(1)
    world = [
        Person(cid=one.cid, name=one.name, identifiers=(f"{rng.randrange(10**9):09d}",)) for one in people(rng, 300)
    ]
    rows = [
        {
            "etag": hashlib.sha256(rng.randbytes(8)).hexdigest(),
            "request": str(uuid.UUID(int=rng.getrandbits(128))),
            "cursor": base64.urlsafe_b64encode(rng.randbytes(18)).decode(),
            "case_id": base64.b32encode(rng.randbytes(10)).decode(),
            "rate": rng.random() * 100,
            "at": 1_795_309_200_000_000_000 + rng.randrange(10**15),
            "area": f"97{rng.randrange(10**6):06d}",
        }
        for _ in range(10_000)
    ]
    assert People(world).sightings(json.dumps(rows)) == frozenset()


def test_everyone_of_a_long_text_is_told_apart() -> None:
    """All people of a world are found in one dump, each by each kind, and none of them after masking."""
    known = [
        Person(cid=one.cid, name=one.name, identifiers=(str(300_000_000 + place),))
        for place, one in enumerate(people(random.Random(2), 300))
    ]
    dump = json.dumps([[one.cid, one.name, one.identifiers] for one in known], ensure_ascii=False)
    needles = People(known)
    assert len(needles.sightings(dump)) == 900
    assert needles.sightings(needles.masked(dump)) == frozenset()


def test_names_that_begin_alike_are_told_apart() -> None:
    """The longer name is seen as itself, and the shorter one where it ends."""
    short, long = Person(cid=CID, name="ดาว ใส"), Person(cid=synthetic_cid(1, 43), name="ดาว ใสสะอาด")
    found = People([short, long]).sightings("ดาว  ใสสะอาด")
    assert [sighting.value for sighting in found] == [long.name]
    assert [sighting.value for sighting in People([short, long]).sightings("ดาว ใสดี")] == [short.name]


def test_a_sighting_does_not_tell_whom() -> None:
    """Printed by accident, it shows its kind only."""
    (sighting,) = PEOPLE.sightings(CID)
    assert CID not in repr(sighting)


def test_masking_blots_out_people_and_long_numbers_only() -> None:
    """What stands beside them stays readable, and what is around the first of them can be shown."""
    shown = PEOPLE.masked(f'{{"name":"{PERSON.name}","other":"{synthetic_cid(2, 7)}","pid":{PID},"area":"970102"}}')
    assert shown == f'{{"name":"{MASK}","other":"{MASK}","pid":{MASK},"area":"970102"}}'
    assert excerpt(shown) == shown
    assert excerpt("x" * 500 + MASK + "y" * 500) == "x" * 60 + MASK + "y" * 60
    assert excerpt("nobody") == ""


def test_many_lines_are_one_finding_for_each_kind() -> None:
    """The count says how many lines, the window shows the first; the kinds are told apart."""
    lines = [f"{number} {CID} {PERSON.name} {PID}" for number in range(50)]
    found = find_people(lines, PEOPLE, check="E3-S7")
    assert [(one.check, one.at, one.count) for one in found] == [
        ("E3-S7", "cid", 50),
        ("E3-S7", "identifier", 50),
        ("E3-S7", "name", 50),
    ]
    assert len({one.fingerprint for one in found}) == 3
    for one in found:
        assert one.log is not None
        assert (one.log.start, one.log.end) == (1, 3)


def test_a_world_without_people_finds_nobody() -> None:
    """No people, no finding, and text is left as it is."""
    assert find_people([CID], People([])) == ()
    assert People([]).masked(f"{CID} 100%25") == f"{CID} 100%25"


def test_people_without_names_are_found_by_number() -> None:
    """A registry without names has people too, and an empty name is found nowhere."""
    (sighting,) = People([Person(cid=CID, name=" ")]).sightings(f"  {CID} ")
    assert (sighting.kind, sighting.value) == ("cid", CID)
