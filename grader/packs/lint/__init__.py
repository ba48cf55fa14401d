"""One-sentence rules that an exercise must hold before anyone is graded by it.

The registry :data:`RULES` is the whole list; ``docs/packs.md`` shows it. Rules PK001 to PK004 are the loading itself:
when it fails, the rules that need its result are left out, because one cause should give one problem.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from grader.errors import PackInvalid
from grader.packs.lint import code, contract, people, samples, texts, worlds
from grader.packs.lint.problem import Found, Problem, Rule, Severity, Subject
from grader.packs.load import load_pack
from grader.packs.model import Pack
from grader.packs.samples import samples as read_samples
from grader.packs.world import World
from grader.packs.worldbuild import build_world

__all__ = ["LOADING", "RULES", "Problem", "Rule", "Severity", "lint", "sentences"]

T = TypeVar("T")

LOADING = {
    "PK001": "The exercise loads without an error.",
    "PK002": "Every sample has an expected.toml that can be read, and a source folder or a base.",
    "PK003": "The worlds of seeds 1 to 5 build, with every quota met.",
    "PK004": "Scenarios and world code are valid Python.",
}

RULES: tuple[Rule, ...] = (
    Rule(id="PK010", look=texts.both_briefs),
    Rule(id="PK011", look=texts.tasks_are_headings),
    Rule(id="PK012", look=texts.starter_for_every_runtime),
    Rule(id="PK013", look=texts.short_titles),
    Rule(id="PK014", look=texts.short_hints),
    Rule(id="PK015", look=texts.named_after_id, severity="warning"),
    Rule(id="PK020", look=code.checks_have_scenarios),
    Rule(id="PK021", look=code.scenarios_have_checks),
    Rule(id="PK022", look=code.scenario_imports),
    Rule(id="PK023", look=code.scenarios_are_repeatable),
    Rule(id="PK024", look=code.world_is_pure),
    Rule(id="PK030", look=samples.checks_have_bad_samples),
    Rule(id="PK031", look=samples.references_pass),
    Rule(id="PK032", look=samples.fails_are_explained),
    Rule(id="PK033", look=samples.outcomes_follow),
    Rule(id="PK034", look=samples.bases_are_references),
    Rule(id="PK035", look=samples.overlays_differ),
    Rule(id="PK040", look=contract.success_documented),
    Rule(id="PK041", look=contract.errors_documented),
    Rule(id="PK042", look=contract.errors_are_problems),
    Rule(id="PK043", look=contract.numbers_are_safe),
    Rule(id="PK044", look=contract.path_parameters_described),
    Rule(id="PK045", look=contract.health_stays_out),
    Rule(id="PK050", look=worlds.same_seed_same_world),
    Rule(id="PK051", look=worlds.seeds_differ),
    Rule(id="PK052", look=worlds.nobody_is_real),
    Rule(id="PK053", look=worlds.operations_have_examples),
    Rule(id="PK054", look=worlds.agencies_have_rows),
    Rule(id="PK055", look=worlds.world_knows_its_seed),
    Rule(id="PK056", look=worlds.rows_fit_descriptions),
    Rule(id="PK057", look=people.privacy_checks_have_people),
    Rule(id="PK058", look=people.people_are_complete),
    Rule(id="PK059", look=people.nobody_is_public),
)

_NEEDS_SAMPLES = samples.__name__
_NEEDS_WORLDS = worlds.__name__


def sentences() -> dict[str, str]:
    """Rule id to its sentence, in order."""
    return {**LOADING, **{rule.id: rule.sentence for rule in RULES}}


def lint(path: Path, rules: Sequence[Rule] = RULES) -> list[Problem]:
    """Everything to mend in the pack at ``path``, in the order of the rules; an empty list is a clean pack.

    world.py is run for seeds 1 to 5, in this process and in another one; nothing else of the pack is.
    """
    problems: list[Problem] = []
    pack = _attempt(problems, "PK001", lambda: load_pack(path))
    if pack is None:
        return problems
    subject = _subject(pack, problems)
    for rule in rules:
        if (rule.look.__module__ == _NEEDS_SAMPLES and subject.samples is None) or (
            rule.look.__module__ == _NEEDS_WORLDS and subject.worlds is None
        ):
            continue
        problems += (_problem(rule.id, rule.severity, found) for found in rule.look(subject))
    return sorted(problems, key=lambda problem: problem.rule)


def _subject(pack: Pack, problems: list[Problem]) -> Subject:
    return Subject(
        pack=pack,
        samples=_attempt(problems, "PK002", lambda: read_samples(pack)),
        worlds=_attempt(problems, "PK003", lambda: _build(pack)),
        scenarios=dict(_trees(pack.root, "scenarios/**/*.py", problems)),
        worldcode=dict(_trees(pack.root, "*.py", problems)),
    )


def _build(pack: Pack) -> dict[int, World]:
    return {seed: build_world(pack, seed) for seed in worlds.SEEDS}


def _trees(root: Path, pattern: str, problems: list[Problem]) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(root.glob(pattern)):
        file = path.relative_to(root).as_posix()
        try:
            yield file, ast.parse(path.read_bytes(), file)
        except (SyntaxError, ValueError) as error:
            place = f"line {error.lineno}" if isinstance(error, SyntaxError) else ""
            found = Found(path=file, where=place, problem=f"not valid Python: {error}", fix="Correct this line.")
            problems.append(_problem("PK004", "error", found))


def _attempt(problems: list[Problem], rule: str, work: Callable[[], T]) -> T | None:
    try:
        return work()
    except PackInvalid as error:
        found = Found(path=error.file, where=error.where, problem=error.problem, fix=error.fix)
        problems.append(_problem(rule, "error", found))
        return None


def _problem(rule: str, severity: Severity, found: Found) -> Problem:
    return Problem(
        rule=rule, severity=severity, path=found.path, where=found.where, problem=found.problem, fix=found.fix
    )
