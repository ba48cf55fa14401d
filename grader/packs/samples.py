"""Submissions whose verdict is known: reference solutions, and one believable mistake for each check.

A sample is a whole submission, or an overlay on another one: then its ``source/`` holds only the files that differ.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from grader.errors import PackInvalid
from grader.evidence import Frozen
from grader.packs.documents import read_model, read_toml
from grader.packs.model import FULL_POINTS, Pack, Sample, SampleOutcome, Text

EXPECTED_FILE = "expected.toml"


class ExpectedFile(Frozen):
    """expected.toml of a sample. ``fails`` and ``kills`` must be said, even when they are empty.

    ``base`` names the sample that this one is an overlay on; ``removed`` are files of the base that it does not have.
    """

    outcome: SampleOutcome
    fails: tuple[str, ...]
    kills: str
    consequences: Mapping[str, str] = Field(default_factory=dict)
    points: int | None = Field(default=None, ge=0, le=FULL_POINTS)
    base: str = ""
    removed: tuple[str, ...] = ()
    describe: Text


def samples(pack: Pack) -> tuple[Sample, ...]:
    """Every sample of the pack, in the order of the folder names.

    Raises:
        PackInvalid: a folder under ``samples/`` has no ``source/`` or no valid ``expected.toml``: a sample without an
            expectation is a fault, never something to skip. Or it is an overlay on what is not there, or on another
            overlay: whoever reads a sample must find its code in two folders at most.
    """
    folders = sorted(path for path in (pack.root / "samples").glob("*") if path.is_dir())
    wanted = {path.name: path for path in folders if not path.name.startswith(".")}
    expectations = {name: _expected(pack, name) for name in wanted}
    return tuple(_read(name, folder, expectations) for name, folder in wanted.items())


@contextmanager
def submission_of(sample: Sample) -> Iterator[Path]:
    """The folder to grade: ``source`` itself, or for an overlay a temporary folder that is gone afterwards."""
    if sample.base_source is None:
        yield sample.source
        return
    with tempfile.TemporaryDirectory(prefix="sample-") as folder:
        whole = Path(folder) / "source"
        write_submission(sample, whole)
        yield whole


def write_submission(sample: Sample, folder: Path) -> None:
    """Write the whole submission to ``folder``, which must not exist yet: the base without ``removed``, then its own.

    Links are copied as links, so that intake sees what the author made.
    """
    if sample.base_source is not None:
        shutil.copytree(sample.base_source, folder, symlinks=True)
        for file in {*sample.removed, *own_files(sample.source)}:
            (folder / file).unlink(missing_ok=True)
    if sample.source.is_dir():
        shutil.copytree(sample.source, folder, symlinks=True, dirs_exist_ok=True)


def own_files(folder: Path) -> frozenset[str]:
    """The files under a source folder, as paths inside it; empty when the folder is not there."""
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _expected(pack: Pack, name: str) -> ExpectedFile:
    file = _file(name)
    return read_model(ExpectedFile, read_toml(pack.root, file), file=file)


def _file(name: str) -> str:
    return f"samples/{name}/{EXPECTED_FILE}"


def _read(name: str, folder: Path, expectations: Mapping[str, ExpectedFile]) -> Sample:
    expected = expectations[name]
    source = folder / "source"
    if not expected.base and not source.is_dir():
        raise PackInvalid(
            "pack.missing_file",
            file=f"samples/{name}/source/",
            problem="the sample has no source/",
            fix="Put the files of the submission into source/, or name in base the sample that this one differs from.",
        )
    return Sample(
        name=name,
        source=source,
        base_source=_base(name, folder, expectations),
        **{field: getattr(expected, field) for field in ExpectedFile.model_fields},
    )


def _base(name: str, folder: Path, expectations: Mapping[str, ExpectedFile]) -> Path | None:
    """The source folder of a sample's base, after everything that writing the submission relies on was looked at."""
    expected = expectations[name]
    if not expected.base:
        if expected.removed:
            raise _wrong(name, "removed", "removed without base", "Name in base the sample whose files these are.")
        return None
    base = expectations.get(expected.base)
    if base is None or expected.base == name:
        raise _wrong(name, "base", f"no other sample is called {expected.base!r}", "Write the name of its folder.")
    if base.base:
        raise _wrong(
            name, "base", f"{expected.base} is an overlay itself", f"Write the base that it has: {base.base!r}."
        )
    source = folder.parent / expected.base / "source"
    strange = sorted(set(expected.removed) - own_files(source))
    if strange:
        raise _wrong(name, "removed", f"not among the files of the base: {', '.join(strange)}", "Correct the paths.")
    both = sorted(set(expected.removed) & own_files(folder / "source"))
    if both:
        raise _wrong(name, "removed", f"removed, but in source/ too: {', '.join(both)}", "Keep one of the two.")
    return source


def _wrong(name: str, where: str, problem: str, fix: str) -> PackInvalid:
    return PackInvalid("pack.wrong_value", file=_file(name), where=where, problem=problem, fix=fix)
