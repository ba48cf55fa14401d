"""Submissions whose verdict is known: reference solutions, and one believable mistake for each check."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from grader.errors import PackInvalid
from grader.evidence import Frozen
from grader.packs.documents import read_model, read_toml
from grader.packs.model import FULL_POINTS, Pack, Sample, SampleOutcome, Text

EXPECTED_FILE = "expected.toml"


class ExpectedFile(Frozen):
    """expected.toml of a sample. ``fails`` and ``kills`` must be said, even when they are empty."""

    outcome: SampleOutcome
    fails: tuple[str, ...]
    kills: str
    consequences: Mapping[str, str] = Field(default_factory=dict)
    points: int | None = Field(default=None, ge=0, le=FULL_POINTS)
    describe: Text


def samples(pack: Pack) -> tuple[Sample, ...]:
    """Every sample of the pack, in the order of the folder names.

    Raises:
        PackInvalid: a folder under ``samples/`` has no ``source/`` or no valid ``expected.toml``: a sample without an
            expectation is a fault, never something to skip.
    """
    folders = sorted(path for path in (pack.root / "samples").glob("*") if path.is_dir())
    return tuple(_read(pack, folder) for folder in folders if not folder.name.startswith("."))


def _read(pack: Pack, folder: Path) -> Sample:
    file = f"samples/{folder.name}/{EXPECTED_FILE}"
    expected = read_model(ExpectedFile, read_toml(pack.root, file), file=file)
    source = folder / "source"
    if not source.is_dir():
        raise PackInvalid(
            "pack.missing_file",
            file=f"samples/{folder.name}/source/",
            problem="the sample has no source/",
            fix="Put the files of the submission into source/.",
        )
    return Sample(
        name=folder.name,
        source=source,
        **{field: getattr(expected, field) for field in ExpectedFile.model_fields},
    )
