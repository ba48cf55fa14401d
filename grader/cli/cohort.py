"""Grade many samples side by side and compare each with what its author expects."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from grader.grading import grade
from grader.packs import Pack, Sample, submission_of
from grader.sandbox.driver import SandboxDriver
from grader.verdict import CheckVerdict, Verdict


@dataclass(frozen=True, kw_only=True)
class SampleResult:
    """One sample's verdict beside its expectation; ``differences`` is empty when they agree."""

    pack: Pack
    sample: Sample
    verdict: Verdict
    seconds: float
    differences: tuple[str, ...]

    @property
    def failing(self) -> tuple[str, ...]:
        """The ids of the checks that did not pass."""
        return failing_checks(self.verdict)


def failing_checks(verdict: Verdict) -> tuple[str, ...]:
    """The ids of the failed checks of a verdict, sorted."""
    return tuple(sorted(check.id for check in verdict.checks if check.outcome == "fail"))


def compare(sample: Sample, verdict: Verdict) -> tuple[str, ...]:
    """How a verdict differs from what the sample's author expects, in words for the author."""
    found = []
    if verdict.outcome != sample.outcome:
        found.append(f"outcome {verdict.outcome} ({verdict.code}), expected {sample.outcome}")
    wanted, got = sorted({*sample.fails, *sample.consequences}), list(failing_checks(verdict))
    if sample.outcome in {"pass", "fail"} and wanted != got:
        found.append(f"failing checks {', '.join(got) or 'none'}, expected {', '.join(wanted) or 'none'}")
        found += (_first_cause(check) for check in verdict.checks if check.outcome == "fail" and check.id not in wanted)
    if sample.points is not None and verdict.points != sample.points:
        found.append(f"{verdict.points} points, expected {sample.points}")
    return tuple(found)


def _first_cause(check: CheckVerdict) -> str:
    """Why a check failed that nobody expected to: without it, a sample that fails once in a hundred says nothing."""
    for one in check.findings:
        asked = f" {one.exchange.method} {one.exchange.path[:200]}" if one.exchange else ""
        said = f", expected {str(one.expected)[:100]}, got {str(one.got)[:100]}" if one.expected is not None else ""
        detail = f" {one.params}" if one.params else ""
        return f"{check.id}: {one.code}{asked}{f' at {one.at}' if one.at else ''}{said}{detail}"
    return f"{check.id}: no finding"


def grade_samples(
    chosen: Sequence[tuple[Pack, Sample]],
    driver: SandboxDriver,
    *,
    seed: int,
    jobs: int,
    listen: Callable[[str, str], None],
    done: Callable[[SampleResult], None],
) -> list[SampleResult]:
    """Grade each sample, ``jobs`` at a time; ``done`` is called for each as it ends, the list is in the given order."""

    def one(pack: Pack, sample: Sample) -> SampleResult:
        started = time.monotonic()
        with submission_of(sample) as source:
            verdict = grade(
                source,
                pack,
                driver,
                seed=seed,
                listen=lambda phase, what: listen(f"{pack.exercise.id}/{sample.name}", f"{phase} {what}"),
            )
        seconds = time.monotonic() - started
        return SampleResult(
            pack=pack, sample=sample, verdict=verdict, seconds=seconds, differences=compare(sample, verdict)
        )

    results: dict[int, SampleResult] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(one, pack, sample): place for place, (pack, sample) in enumerate(chosen)}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            done(results[futures[future]])
    return [results[place] for place in sorted(results)]
