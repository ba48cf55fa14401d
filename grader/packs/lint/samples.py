"""Rules about samples: every check must have shown that it fires, and a correct app that it does not."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from grader.packs.lint.problem import Found, Subject
from grader.packs.model import CONTRACT_CHECK, FULL_POINTS, Sample
from grader.packs.samples import own_files, submission_of

RUNTIME_FILES = {
    "python": ("requirements.txt", "pyproject.toml"),
    "node": ("package.json",),
    "php": ("composer.json", "public/index.php", "index.php", "web/index.php"),
}


def checks_have_bad_samples(subject: Subject) -> Iterator[Found]:
    """Every specific check has a known-bad sample that is there for it."""
    killed = {sample.kills for sample in subject.samples or ()}
    for check in subject.specific:
        if check.id not in killed:
            yield Found(
                path="samples/",
                where=check.id,
                problem=f"no sample kills {check.id}: nothing shows that the check ever fires",
                fix=f'Add a sample with one believable mistake and kills = "{check.id}" in its expected.toml.',
            )


def references_pass(subject: Subject) -> Iterator[Found]:
    """Every runtime has a reference sample that passes all checks."""
    references = [sample for sample in subject.samples or () if _is_reference(sample)]
    runtimes = {runtime for sample in references for runtime in _runtimes(sample)}
    for runtime in subject.pack.exercise.runtimes:
        if runtime not in runtimes:
            yield Found(
                path="samples/",
                where=runtime,
                problem=f"no reference solution for {runtime} passes every check",
                fix='Add a sample with outcome = "pass", fails = [] and kills = "".',
            )


def fails_are_explained(subject: Subject) -> Iterator[Found]:
    """A sample fails exactly the check it kills and its consequences, all of them checks of this exercise."""
    for sample in subject.samples or ():
        named = {*sample.fails, *sample.consequences, *([sample.kills] if sample.kills else [])}
        unknown = sorted(named - set(subject.pack.checks))
        if unknown:
            yield _found(sample, "fails", f"unknown checks: {', '.join(unknown)}", "Correct the ids.")
        explained = {*sample.consequences, *([sample.kills] if sample.kills else [])}
        if set(sample.fails) != explained or len(set(sample.fails)) != len(sample.fails):
            yield _found(
                sample,
                "fails",
                f"fails {sorted(sample.fails)}, but kills and consequences name {sorted(explained)}",
                "List in fails what kills and consequences name, once each, and say in consequences why.",
            )


def outcomes_follow(subject: Subject) -> Iterator[Found]:
    """Outcome and points of a sample follow from the checks it fails."""
    checks, rule = subject.pack.checks, subject.pack.exercise.pass_rule
    for sample in subject.samples or ():
        if sample.outcome not in ("pass", "fail"):
            if sample.fails:
                yield _found(sample, "fails", f"{sample.outcome} leaves nothing to check", "Write fails = [].")
            continue
        failed = [checks[name] for name in sample.fails if name in checks]
        if any(check.id == CONTRACT_CHECK for check in failed):
            continue  # its points are a share, which only a grading knows
        points = FULL_POINTS - sum(check.points for check in failed)
        outcome = "pass" if points >= rule.points and not any(check.mandatory for check in failed) else "fail"
        if sample.outcome != outcome:
            yield _found(
                sample,
                "outcome",
                f"{sample.outcome}, but failing {sorted(sample.fails)} gives {points} points: {outcome}",
                "Correct outcome, or what the sample fails.",
            )
        if sample.points not in (None, points):
            yield _found(sample, "points", f"{sample.points}, but the checks give {points}", f"Write {points}.")


def bases_are_references(subject: Subject) -> Iterator[Found]:
    """The base of an overlay is a reference sample, so that the overlay's mistake is the only one."""
    samples = {sample.name: sample for sample in subject.samples or ()}
    for sample in samples.values():
        if sample.base and not _is_reference(samples[sample.base]):
            yield _found(
                sample,
                "base",
                f"{sample.base} is no reference: it does not pass every check",
                "Name a reference sample as base, or put a whole copy into source/.",
            )


def overlays_differ(subject: Subject) -> Iterator[Found]:
    """An overlay holds or removes at least one file, and no file that is the same in its base."""
    for sample in subject.samples or ():
        if sample.base_source is None:
            continue
        own = own_files(sample.source)
        if not own and not sample.removed:
            yield _found(
                sample,
                "base",
                f"nothing differs from {sample.base}",
                "Put the file with the mistake into source/, or name in removed what is left out.",
            )
        same = sorted(file for file in own if _same(sample.source / file, sample.base_source / file))
        if same:
            yield _found(
                sample,
                "base",
                f"the same as in {sample.base}: {', '.join(same)}",
                "Delete these files: an overlay shows its mistake and nothing else.",
            )


def _is_reference(sample: Sample) -> bool:
    return sample.outcome == "pass" and not sample.kills and not sample.fails


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _runtimes(sample: Sample) -> set[str]:
    """Runtimes that a sample can be for: what its grader.toml says, else its dependency files."""
    with submission_of(sample) as source:
        try:
            named = tomllib.loads((source / "grader.toml").read_text("utf-8")).get("runtime")
        except (OSError, ValueError):
            named = None
        if isinstance(named, str):
            return {named}
        return {name for name, files in RUNTIME_FILES.items() if any((source / file).is_file() for file in files)}


def _found(sample: Sample, where: str, problem: str, fix: str) -> Found:
    return Found(path=f"samples/{sample.name}/expected.toml", where=where, problem=problem, fix=fix)
