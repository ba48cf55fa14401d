"""Rules about what people read: briefs, titles, hints, starter."""

import re
from collections.abc import Iterator
from math import ceil

from grader.packs.lint.problem import Found, Subject

MAX_TITLE = 80
"""Characters, in each language."""
MAX_HINT_WORDS = 80
THAI_CHARACTERS_A_WORD = 4
"""Thai is written without spaces; this is the average length of a word, vowel and tone signs included."""

BRIEFS = ("brief.th.md", "brief.en.md")

_HEADING = re.compile(r"^#{1,6}\s*([0-9]+(?:\.[0-9]+)*)", re.MULTILINE)
_THAI = re.compile(r"[\u0e00-\u0e7f]+")


def both_briefs(subject: Subject) -> Iterator[Found]:
    """The brief exists in Thai and in English, and holds text."""
    for file in BRIEFS:
        path = subject.pack.root / file
        if not path.is_file() or not path.read_text("utf-8", "replace").strip():
            yield Found(path=file, problem=f"{file} is missing or empty", fix="Write the brief in this language.")


def tasks_are_headings(subject: Subject) -> Iterator[Found]:
    """The task of every check is the number of a heading in both briefs."""
    for file in BRIEFS:
        path = subject.pack.root / file
        if not path.is_file():
            continue
        numbers = set(_HEADING.findall(path.read_text("utf-8", "replace")))
        for check in subject.specific:
            if check.task not in numbers:
                yield Found(
                    path="checks.toml",
                    where=f"{check.id}.task",
                    problem=f"{file} has no heading numbered {check.task}",
                    fix=f'Start a heading with the number, such as "## {check.task}. …", or correct task.',
                )


def starter_for_every_runtime(subject: Subject) -> Iterator[Found]:
    """Every runtime of exercise.toml has a starter folder with files in it."""
    for runtime in subject.pack.exercise.runtimes:
        folder = subject.pack.root / "starter" / runtime
        if not folder.is_dir() or not any(path.is_file() for path in folder.rglob("*")):
            yield Found(
                path=f"starter/{runtime}/",
                problem=f"there is no starter for {runtime}",
                fix="Add what a trainee downloads: at least a dependency file and an app that answers /healthz.",
            )


def short_titles(subject: Subject) -> Iterator[Found]:
    """Titles of the exercise and of its checks have at most 80 characters."""
    titles = [("exercise.toml", "title", subject.pack.exercise.title)]
    titles += [("checks.toml", f"{check.id}.title", check.title) for check in subject.specific]
    for file, where, text in titles:
        for language, sentence in (("th", text.th), ("en", text.en)):
            if len(sentence) > MAX_TITLE:
                yield Found(
                    path=file,
                    where=f"{where}.{language}",
                    problem=f"{len(sentence)} characters, at most {MAX_TITLE}",
                    fix="Say it shorter; details belong into the brief.",
                )


def short_hints(subject: Subject) -> Iterator[Found]:
    """Hints have at most 80 words."""
    for check in subject.specific:
        for language, sentence in (("th", check.hint.th), ("en", check.hint.en)) if check.hint else ():
            if (words := count_words(sentence)) > MAX_HINT_WORDS:
                yield Found(
                    path="checks.toml",
                    where=f"{check.id}.hint.{language}",
                    problem=f"about {words} words, at most {MAX_HINT_WORDS}",
                    fix="Give one direction only.",
                )


def count_words(text: str) -> int:
    """Words of a text; a run of Thai letters counts one word for every four characters, rounded up."""
    thai = sum(ceil(len(run) / THAI_CHARACTERS_A_WORD) for run in _THAI.findall(text))
    return thai + len(re.findall(r"\w+", _THAI.sub(" ", text)))


def named_after_id(subject: Subject) -> Iterator[Found]:
    """The folder has the name of the id, and ids of checks start with it in capitals."""
    pack = subject.pack
    if pack.root.name != pack.id:
        yield Found(
            path="exercise.toml",
            where="id",
            problem=f"the folder is called {pack.root.name}, the id is {pack.id}",
            fix="Rename one of them: an exercise is found by its folder.",
        )
    for check in subject.specific:
        if not check.id.startswith(f"{pack.id.upper()}-S"):
            yield Found(
                path="checks.toml",
                where=check.id,
                problem=f"{check.id} does not start with {pack.id.upper()}-S",
                fix=f"Rename it: evidence sheets of all exercises cite ids, such as {pack.id.upper()}-S1.",
            )
