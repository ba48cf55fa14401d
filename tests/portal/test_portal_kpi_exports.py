"""Files of the indicator, read back: they say what the page says, and taking one away is on the record."""

import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from grader.reports.printing.text_layer import fold
from tests.fixtures.portal_kpi import Office
from tests.portal.test_portal_kpi import at, cells, entries

TRAINEE = "นาย 0 แห่งศูนย์อนามัยสาธิตที่ 2"


def taken(office: Office, who: str, form: str) -> Any:
    """A file, as somebody gets it."""
    answer = office.world.browser(who).post(f"{office.address}/export", data={"format": form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment")
    name = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])
    assert name is not None
    assert re.fullmatch(rf"kpi_{office.year}-{office.code}_asof-\d{{8}}\.{form}", name[1]), name[1]
    return answer


def shown(office: Office) -> dict[str, list[str]]:
    """The units of the page, with the total under "รวม"."""
    found = cells(office.world.browser("coordinator").get(office.address).text)
    return {name.replace("รวม ΣA/ΣB", "รวม"): row for name, row in found.items()}


def test_the_workbook_says_what_the_page_says(fresh_office: Office) -> None:
    """Every unit and the total, as numbers; hidden ones stay hidden; names only for whom the round is theirs."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(taken(fresh_office, "coordinator", "xlsx").content))
    assert book.sheet_names == ["สรุป", "รายหน่วยงาน", "รายบุคคล", "คำนิยาม", "ที่มาของข้อมูล"]
    rows = book.get_sheet_by_name("รายหน่วยงาน").to_python()[1:]
    page = shown(fresh_office)
    assert {str(row[0]) for row in rows} == set(page)
    for name, a, b, percent, *_ in rows:
        if page[str(name)][0] == "—":
            assert (a, b, percent) == ("–", "n<5", "–")
        else:
            assert [str(int(a)), str(int(b))] == page[str(name)][:2]
            wanted = "—" if b == 0 else f"{percent * 100:.2f} %"
            assert page[str(name)][2] == wanted
    people = book.get_sheet_by_name("รายบุคคล").to_python()[1:]
    assert TRAINEE in {str(row[0]) for row in people}
    assert len(people) == 19
    theirs = CalamineWorkbook.from_filelike(io.BytesIO(taken(fresh_office, "executive", "xlsx").content))
    assert "รายบุคคล" not in theirs.sheet_names
    told = [(one.by, one.after["format"], one.after["rows"], one.after["people"]) for one in
            entries(fresh_office.world.records, "kpi.exported")]  # fmt: skip
    assert told == [("coordinator", "xlsx", 5 + 1 + 19, 19), ("executive", "xlsx", 6, 0)]


def test_the_csv_says_what_the_page_says(office: Office) -> None:
    """With the mark that Excel needs, a row a value, and nobody in it."""
    content = taken(office, "coordinator", "csv").content
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    total = {row["key"]: row["value"] for row in rows if row["section"] == "total"}
    page = shown(office)["รวม"]
    assert [total["a"], total["b"], f"{total['percent']} %"] == page
    units = {row["key"].rpartition(".")[0] for row in rows if row["section"] == "unit"}
    assert len(units) == 5
    assert TRAINEE not in content.decode()


def test_the_pdf_says_what_the_page_says(office: Office) -> None:
    """The percentage, A and B and every unit, as text that can be copied; on paper nobody is named."""
    content = taken(office, "coordinator", "pdf").content
    text = fold("".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages))
    html = office.world.browser("coordinator").get(office.address).text
    assert fold(at(html, "of")) in text
    assert at(html, "percent").removesuffix(" %") in text
    assert all(fold(name) in text for name in shown(office))
    assert fold(TRAINEE) not in text


def test_the_json_holds_the_roster_only_for_who_may_see_all_of_it(office: Office) -> None:
    """An executive's has no person, not even by id; a coordinator of one round gets the people of that round."""
    mine = json.loads(taken(office, "coordinator", "json").content)
    theirs = json.loads(taken(office, "executive", "json").content)
    for document in (mine, theirs):
        assert "snapshot" not in document
        assert (document["total"]["a"], document["total"]["b"]) == (12, 19)
    assert theirs["people"] is None
    assert TRAINEE in {row["name"] for row in mine["people"]}
    assert not re.search(r"per_[0-9a-f]{16}", json.dumps(theirs))


def test_an_unknown_format_is_refused_in_words(office: Office) -> None:
    """It leaves no entry."""
    before = len(entries(office.world.records, "kpi.exported"))
    answer = office.world.browser("coordinator").post(f"{office.address}/export", data={"format": "docx"})
    assert answer.status_code == 422
    assert "docx" in answer.text
    assert len(entries(office.world.records, "kpi.exported")) == before


def test_files_are_limited(fresh_office: Office) -> None:
    """After so many in an hour the answer says how long to wait."""
    settings = fresh_office.world.app.state.settings
    assert settings.limits.exports > 10
    fresh_office.world.app.state.settings = replace(settings, limits=replace(settings.limits, exports=2))
    browser = fresh_office.world.browser("executive")
    answers = [browser.post(f"{fresh_office.address}/export", data={"format": "csv"}) for _ in range(4)]
    codes = [one.status_code for one in answers]
    assert codes[:2] == [200, 200]
    assert codes[-1] == 429
    assert int(answers[-1].headers["retry-after"]) > 0
