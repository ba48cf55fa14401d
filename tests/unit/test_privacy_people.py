"""People are found in every usual disguise, shown never, and not seen where they are not."""

from urllib.parse import quote

import pytest

from grader.packs.world import Person, synthetic_cid
from grader.people import MASK, People
from grader.probe.privacy import find_people

CID = synthetic_cid(1, 42)
PERSON = Person(cid=CID, name="นางสาวสาธิต ทดสอบหนึ่ง")
THAI_CID = CID.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙"))
DASHED = f"{CID[0]}-{CID[1:5]}-{CID[5:10]}-{CID[10:12]}-{CID[12]}"

SEEN = {
    "plain": (f"person {CID} read", "cid"),
    "dashed": (f"person {DASHED}", "cid"),
    "spaced": (DASHED.replace("-", " "), "cid"),
    "thai digits": (THAI_CID, "cid"),
    "thai digits, encoded": (quote(THAI_CID), "cid"),
    "inside a longer number": (f"id=00{CID}99", "cid"),
    "name": (f"hello {PERSON.name}!", "name"),
    "name, encoded": (f"GET /p?name={quote(PERSON.name)}", "name"),
    "name, encoded with plus": (f"name={quote(PERSON.name).replace('%20', '+')}", "name"),
    "name, JSON escapes": (PERSON.name.encode("unicode_escape").decode(), "name"),
    "name, wide blanks": (PERSON.name.replace(" ", "  "), "name"),
}


@pytest.mark.parametrize("disguise", SEEN)
def test_a_person_is_found(disguise: str) -> None:
    """Each disguise gives one finding of its kind, and the person is not in what is shown."""
    line, kind = SEEN[disguise]
    (finding,) = find_people(["start", line, "end"], [PERSON])
    assert (finding.check, finding.code, finding.at) == ("U3", "privacy.person_in_log", kind)
    assert finding.params["line"] == 2
    assert finding.log is not None
    assert finding.log.lines[0] == "start"
    assert MASK in finding.log.lines[1]
    assert find_people(list(finding.log.lines), [PERSON]) == ()


@pytest.mark.parametrize(
    "line",
    ["", "GET /clinics?limit=5 200", synthetic_cid(1, 43), CID[:12], "นางสาวสาธิต ทดสอบสอง", "100%25 ๑๒๓", "%zz \\u12"],
)
def test_others_are_not_accused(line: str) -> None:
    """Another number, part of one, half a name and broken encodings are nobody."""
    assert find_people([line], [PERSON]) == ()


def test_many_lines_are_one_finding_for_each_kind() -> None:
    """The count says how many lines, the window shows the first; both kinds are told apart."""
    lines = [f"{number} {CID} {PERSON.name}" for number in range(50)]
    found = find_people(lines, [PERSON])
    assert [(one.at, one.count) for one in found] == [("cid", 50), ("name", 50)]
    assert len({one.fingerprint for one in found}) == 2
    for one in found:
        assert one.log is not None
        assert (one.log.start, one.log.end) == (1, 3)


def test_a_world_without_people_finds_nobody() -> None:
    """No people, no finding, and text is left as it is."""
    assert find_people([CID], []) == ()
    assert People([]).masked(f"{CID} 100%25") == f"{CID} 100%25"
