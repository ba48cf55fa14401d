"""The plan of a contract test: a test copy that is fair, and the same for the same world."""

import json
from pathlib import Path
from typing import Any

from grader.probe.contract.plan import INVENTED_TOKENS, THAI_TEXT, copy_for_tests, write_plan
from tests.fixtures import probing


def copied() -> dict[str, Any]:
    """The test copy of the mini contract."""
    pack, world = probing.mini()
    return copy_for_tests(pack.contract, world.examples)


def parameter(copy: dict[str, Any], path: str, name: str) -> dict[str, Any]:
    """One parameter of the GET operation at ``path``."""
    found = [one for one in copy["paths"][path]["get"]["parameters"] if one["name"] == name]
    assert len(found) == 1
    one: dict[str, Any] = found[0]
    return one


def values(one: dict[str, Any]) -> list[Any]:
    """The example values of a parameter or media type."""
    return [example["value"] for example in one["examples"].values()]


def test_the_plan_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    """Two plans of the same pack and world are equal, and another seed shows in the configuration only."""
    pack, world = probing.mini()
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        folder.mkdir()
        paths = write_plan(folder, contract=pack.contract, examples=world.examples, seed=seed, max_examples=5)
        texts.append([path.read_text("utf-8") for path in paths])
    assert texts[0] == texts[1]
    assert texts[0][0] == texts[2][0]
    assert "seed = 1\n" in texts[0][1]
    assert "seed = 2\n" in texts[2][1]


def test_the_copy_names_no_server() -> None:
    """The contract's servers are gone: requests go where the probe says."""
    assert "localhost" not in json.dumps(copied())


def test_real_values_become_examples() -> None:
    """Path, query and body of the world's examples are what the tester begins with."""
    _, world = probing.mini()
    copy = copied()
    codes = [one["code"] for one in world.examples["getClinic"]]
    assert values(parameter(copy, "/clinics/{code}", "code")) == codes
    assert values(parameter(copy, "/clinics", "limit")) == [5]
    media = copy["paths"]["/reports"]["post"]["requestBody"]["content"]["application/json"]
    assert values(media) == [world.examples["createReport"][0]["body"]]


def test_free_text_is_tried_in_thai_and_tokens_are_invented() -> None:
    """Search text gets a Thai word, patterns do not, and the cursor gets tokens that no app made."""
    copy = copied()
    assert THAI_TEXT in values(parameter(copy, "/clinics", "q"))
    assert THAI_TEXT not in values(parameter(copy, "/clinics", "area"))
    cursor = parameter(copy, "/clinics", "cursor")
    assert values(cursor) == list(INVENTED_TOKENS)
    assert cursor["x-opaque"] is True


def test_request_bodies_are_closed_and_answers_stay_open() -> None:
    """No request holds an unknown property, while an answer may hold more than the contract lists."""
    copy = copied()
    body = copy["paths"]["/reports"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    assert "additionalProperties" not in copy["components"]["schemas"]["Report"]
    assert "additionalProperties" not in copy["components"]["schemas"]["Clinic"]
