"""Samples: expectations as data, never skipped."""

from pathlib import Path

import pytest

from grader.errors import PackInvalid, UsageProblem
from grader.packs import Sample, samples, submission_of, write_submission
from grader.packs.lint import lint
from grader.packs.new import create_pack
from tests.fixtures.pack_builder import PackBuilder, build_pack

BAD = "samples/bad-s1/expected.toml"


@pytest.fixture
def builder(tmp_path: Path) -> PackBuilder:
    """A clean pack with three samples."""
    return build_pack(tmp_path)


@pytest.fixture
def overlay(builder: PackBuilder) -> PackBuilder:
    """The pack, with `bad-s1` as an overlay on a reference of three files: one changed, one removed, one added."""
    builder.write("samples/reference/source/app.py", "right\n")
    builder.write("samples/reference/source/parts/cache.py", "cache\n")
    builder.remove("samples/bad-s1/source/requirements.txt")
    builder.write("samples/bad-s1/source/app.py", "wrong\n").write("samples/bad-s1/source/parts/more.py", "more\n")
    return builder.replace(BAD, "points =", 'base = "reference"\nremoved = ["parts/cache.py"]\npoints =')


def bad_s1(builder: PackBuilder) -> Sample:
    """The sample `bad-s1` of the pack as it is now."""
    return next(sample for sample in samples(builder.load()) if sample.name == "bad-s1")


def contents(folder: Path) -> dict[str, str]:
    """Every file under a folder, with what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files}


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


def test_a_whole_copy_is_graded_where_it_lies(builder: PackBuilder) -> None:
    """A sample without base is not copied, so the folder of the report is the author's."""
    sample = bad_s1(builder)
    assert (sample.base, sample.base_source) == ("", None)
    with submission_of(sample) as source:
        assert source == sample.source
    assert source.is_dir()


def test_an_overlay_is_graded_on_its_base(overlay: PackBuilder) -> None:
    """The base's files without the removed ones, then the sample's own; the folder is gone afterwards."""
    before = contents(overlay.root)
    with submission_of(bad_s1(overlay)) as source:
        assert contents(source) == {"app.py": "wrong\n", "parts/more.py": "more\n", "requirements.txt": "flask\n"}
    assert not source.exists()
    assert contents(overlay.root) == before


def test_the_folder_is_gone_also_when_the_grading_breaks_off(overlay: PackBuilder) -> None:
    """What is raised inside goes on, and nothing is left behind."""
    with pytest.raises(KeyboardInterrupt), submission_of(bad_s1(overlay)) as source:
        raise KeyboardInterrupt
    assert not source.exists()


def test_an_overlay_may_only_remove(overlay: PackBuilder) -> None:
    """Git keeps no empty folder, so an overlay without files of its own needs no source/."""
    (overlay.root / "samples/bad-s1/source").rename(overlay.root / "samples/.gone")
    with submission_of(bad_s1(overlay)) as source:
        assert contents(source) == {"app.py": "right\n", "requirements.txt": "flask\n"}


def test_links_stay_links(overlay: PackBuilder, tmp_path: Path) -> None:
    """A link of the author's takes the place of the base's file and is not followed, so that intake can judge it."""
    (overlay.root / "samples/bad-s1/source/requirements.txt").symlink_to("/etc/passwd")
    write_submission(bad_s1(overlay), tmp_path / "whole")
    assert (tmp_path / "whole/requirements.txt").is_symlink()
    assert (tmp_path / "whole/app.py").read_text("utf-8") == "wrong\n"


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("base", 'base = "reference"', 'base = "referense"'),
        ("base", 'base = "reference"', 'base = "../reference"'),
        ("base", 'base = "reference"', 'base = "bad-s1"'),
        ("removed", 'base = "reference"\n', ""),
        ("removed", "parts/cache.py", "parts/cash.py"),
        ("removed", "parts/cache.py", "../expected.toml"),
        ("removed", "parts/cache.py", "app.py"),
    ],
)
def test_an_overlay_on_what_is_not_there_is_told(overlay: PackBuilder, where: str, old: str, new: str) -> None:
    """A base that is no other sample, and removed files that are not the base's alone, are faults with their place."""
    overlay.replace(BAD, old, new)
    with pytest.raises(PackInvalid) as caught:
        samples(overlay.load())
    assert (caught.value.code, caught.value.file, caught.value.where) == ("pack.wrong_value", BAD, where)


def test_overlays_do_not_chain(overlay: PackBuilder) -> None:
    """An overlay on an overlay would hide which mistakes a sample has."""
    overlay.replace("samples/bad-s2/expected.toml", "points =", 'base = "bad-s1"\npoints =')
    with pytest.raises(PackInvalid, match="overlay itself") as caught:
        samples(overlay.load())
    assert (caught.value.file, caught.value.where) == ("samples/bad-s2/expected.toml", "base")


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
