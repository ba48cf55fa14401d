"""Samples: expectations as data, never skipped."""

from pathlib import Path

import pytest

from grader.errors import PackInvalid, UsageProblem
from grader.packs import samples
from grader.packs.lint import lint
from grader.packs.new import create_pack
from tests.fixtures.pack_builder import PackBuilder, build_pack


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack with three samples."""
    return build_pack(tmp_path)


def test_samples_are_read_in_order(builder: PackBuilder) -> None:
    """Each sample knows its source folder and its whole expectation."""
    found = samples(builder.load())
    assert [sample.name for sample in found] == ["bad-s1", "bad-s2", "reference"]
    assert (found[0].kills, found[0].fails, found[0].points) == ("DEMO-S1", ("DEMO-S1",), 70)
    assert (found[0].source / "requirements.txt").is_file()


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("pack.unknown_key", "kills =", "kilss ="),
        ("pack.missing_key", 'kills = "DEMO-S1"', ""),
        ("pack.wrong_value", 'outcome = "fail"', 'outcome = "failed"'),
        ("pack.missing_translation", ', en = "A sample"', ""),
        ("pack.toml_syntax", "fails =", "fails"),
    ],
)
def test_a_bad_expectation_is_told(builder: PackBuilder, code: str, old: str, new: str) -> None:
    """expected.toml is read as strictly as every other file of the pack."""
    builder.replace("samples/bad-s1/expected.toml", old, new)
    with pytest.raises(PackInvalid) as caught:
        samples(builder.load())
    assert (caught.value.code, caught.value.file) == (code, "samples/bad-s1/expected.toml")


def test_a_sample_without_expectation_is_a_fault(builder: PackBuilder) -> None:
    """Neither a missing expected.toml nor a missing source is skipped."""
    builder.remove("samples/bad-s1/expected.toml")
    with pytest.raises(PackInvalid, match=r"samples/bad-s1/expected\.toml"):
        samples(builder.load())


def test_a_sample_without_source_is_a_fault(builder: PackBuilder) -> None:
    """An expectation without a submission is told too."""
    builder.remove("samples/bad-s1/source/requirements.txt")
    (builder.root / "samples/bad-s1/source").rmdir()
    with pytest.raises(PackInvalid, match=r"samples/bad-s1/source/"):
        samples(builder.load())


def test_a_new_exercise_only_lacks_its_samples(tmp_path: Path) -> None:
    """What `new` writes loads and lints clean but for what only the author can write."""
    folder = create_pack("first-steps", tmp_path)
    assert {problem.rule for problem in lint(folder)} == {"PK030", "PK031"}
    text = "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert "{{" not in text
    assert "FIRST-STEPS-S1" in text


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    """An existing folder and a bad id are usage problems."""
    create_pack("first", tmp_path)
    with pytest.raises(UsageProblem) as caught:
        create_pack("first", tmp_path)
    assert caught.value.code == "usage.exercise_exists"
    with pytest.raises(UsageProblem) as caught:
        create_pack("../first", tmp_path)
    assert caught.value.code == "usage.bad_exercise_id"
