"""Exercises as their authors see them: the folders that are here, which rounds use which version, and what changed."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grader.errors import PackInvalid
from grader.packs import Check, Pack, load_pack
from grader.packs.lint.texts import BRIEFS, count_words
from grader.packs.load import EXERCISE_FILE
from grader.packs.transfer import graded_files
from grader.records import Assignment, ExerciseVersion, Grading, Submission, TrainingRound
from grader.services.publishing import versions

_THAI: Final = re.compile("[\u0e01-\u0e5b]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """One exercise folder: its pack, or the first thing that keeps it from loading."""

    name: str
    path: Path
    pack: Pack | None
    invalid: PackInvalid | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A round that was given a version; ``graded`` counts its submissions whose standing result is of that version."""

    assignment: str
    round_code: str
    round_name: str
    digest: str
    version: str
    graded: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One difference between two versions: ``kind`` names what changed, the others from what to what."""

    kind: str
    what: str
    before: str = ""
    after: str = ""


def folders(root: Path) -> list[Folder]:
    """Every exercise folder under ``root``; one that does not load hides no other."""
    return [_folder(file.parent) for file in sorted(root.glob(f"*/{EXERCISE_FILE}"))]


def folder(root: Path, name: str) -> Folder | None:
    """The exercise folder with this name, if there is one."""
    return next((_folder(file.parent) for file in root.glob(f"*/{EXERCISE_FILE}") if file.parent.name == name), None)


def uses(session: Session, exercise: str, rounds: Collection[str] | None) -> list[Use]:
    """The rounds that were given an exercise, among these (None: all), the newest first."""
    graded = (
        select(func.count(Grading.id))
        .join(Submission, Submission.id == Grading.submission_id)
        .where(Submission.assignment_id == Assignment.id)
        .where(Grading.standing == "final", Grading.digest == Assignment.digest)
        .correlate(Assignment)
        .scalar_subquery()
    )
    statement = (
        select(Assignment, TrainingRound, ExerciseVersion.version, graded)
        .join(TrainingRound, TrainingRound.id == Assignment.round_id)
        .join(ExerciseVersion, ExerciseVersion.digest == Assignment.digest)
        .where(Assignment.exercise == exercise)
        .order_by(TrainingRound.created_at.desc(), TrainingRound.code)
    )
    if rounds is not None:
        statement = statement.where(TrainingRound.id.in_(list(rounds)))
    return [
        Use(
            assignment=given.id,
            round_code=training.code,
            round_name=training.name,
            digest=given.digest,
            version=version,
            graded=count,
        )
        for given, training, version, count in session.execute(statement)
    ]


def kept(session: Session, exercise: str) -> list[ExerciseVersion]:
    """The versions that were published, the newest first."""
    return versions(session, exercise)


def untranslated(pack: Pack) -> list[str]:
    """Places whose Thai holds no Thai letter or whose English holds one, and briefs that are not there."""
    found = [file for file in BRIEFS if not _text_of(pack.root / file).strip()]
    texts = [("title", pack.exercise.title), ("summary", pack.exercise.summary)]
    for check in pack.checks.values():
        texts.append((f"{check.id}.title", check.title))
        texts += [(f"{check.id}.hint", check.hint)] if check.hint else []
    return found + [place for place, text in texts if not _THAI.search(text.th) or _THAI.search(text.en)]


def hint_words(check: Check) -> tuple[int, int]:
    """About how many words a hint has, in Thai and in English."""
    return (count_words(check.hint.th), count_words(check.hint.en)) if check.hint else (0, 0)


def differences(old: Pack, new: Pack) -> list[Change]:
    """What is not the same in two versions of an exercise, in the order in which an author thinks of it."""
    found = [
        Change(kind="fact", what=name, before=str(before), after=str(after))
        for name, before, after in _facts(old, new)
        if before != after
    ]
    found += _checks(old, new)
    before, after = ({f"{one.method} {one.path}" for one in pack.operations} for pack in (old, new))
    found += [Change(kind="operation_gone", what=one) for one in sorted(before - after)]
    found += [Change(kind="operation_new", what=one) for one in sorted(after - before)]
    return found + _files(old, new)


def _facts(old: Pack, new: Pack) -> Iterable[tuple[str, object, object]]:
    one, other = old.exercise, new.exercise
    yield "version", one.version, other.version
    yield "pass_mark", one.pass_rule.points, other.pass_rule.points
    yield "memory", one.limits.memory_mb, other.limits.memory_mb
    yield "cpus", one.limits.cpus, other.limits.cpus
    yield "start_seconds", one.limits.start_seconds, other.limits.start_seconds
    for group, points in one.weights.model_dump().items():
        yield f"weight_{group}", points, getattr(other.weights, group)


def _checks(old: Pack, new: Pack) -> list[Change]:
    found = [Change(kind="check_gone", what=name) for name in old.checks if name not in new.checks]
    found += [Change(kind="check_new", what=name) for name in new.checks if name not in old.checks]
    for name, after in new.checks.items():
        before = old.checks.get(name)
        if before is None:
            continue
        if before.points != after.points:
            found.append(Change(kind="points", what=name, before=str(before.points), after=str(after.points)))
        if before.mandatory != after.mandatory:
            found.append(Change(kind="mandatory_now" if after.mandatory else "mandatory_no_more", what=name))
        if before.visibility != after.visibility:
            found.append(Change(kind="visibility", what=name, before=before.visibility, after=after.visibility))
        if (before.title, before.hint) != (after.title, after.hint):
            found.append(Change(kind="texts", what=name))
    return found


def _files(old: Pack, new: Pack) -> list[Change]:
    before, after = (_contents(pack) for pack in (old, new))
    found = [Change(kind="file_gone", what=name) for name in sorted(before.keys() - after.keys())]
    found += [Change(kind="file_new", what=name) for name in sorted(after.keys() - before.keys())]
    both = sorted(before.keys() & after.keys())
    return found + [Change(kind="file_changed", what=name) for name in both if before[name] != after[name]]


def _contents(pack: Pack) -> Mapping[str, bytes]:
    return {name: (pack.root / name).read_bytes() for name in graded_files(pack.root)}


def _text_of(file: Path) -> str:
    return file.read_text("utf-8", "replace") if file.is_file() else ""


def _folder(path: Path) -> Folder:
    try:
        return Folder(name=path.name, path=path, pack=load_pack(path))
    except PackInvalid as problem:
        return Folder(name=path.name, path=path, pack=None, invalid=problem)
