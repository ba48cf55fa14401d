"""From a code and its params to sentences, in the reader's language.

One data file a family of codes (``texts/<family>.toml``), one table a code, each with ``title`` (a few words), ``text``
(one sentence: what was seen) and ``todo`` (the next step) in every language. In a template ``{name}`` is a value and
``[ … ]`` a part that is left out when one of its values is unknown; ``[ … | … ]`` has another wording for that case;
``[[`` and ``]]`` are plain brackets. So a missing value never breaks a sentence, and an unknown code still has one.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias, get_args

from grader.evidence import Frozen
from grader.reports.plain import clean_line, shorten

Lang: TypeAlias = Literal["th", "en"]
LANGS: Final[tuple[Lang, ...]] = get_args(Lang)

Values: TypeAlias = Mapping[str, object]

UNKNOWN_CODE = "verdict.unknown"
ANY = "any"
"""The entry of a family that serves its codes without an entry of their own. Only the families of the author's and our
own faults have one: their readers act on the params, and a trainee's code always has its own words."""

MAX_VALUE_SHOWN = 120
"""Characters of one value inside a sentence; the whole is shown elsewhere."""

_VALUE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PART = re.compile(r"\[\[|\]\]|\[(?P<part>[^\[\]]*)\]")


class Wording(Frozen):
    """The three templates of one code in one language."""

    title: str
    text: str
    todo: str

    def templates(self) -> tuple[str, str, str]:
        """All three, for checks that look at every template."""
        return (self.title, self.text, self.todo)


class Explanation(Frozen):
    """A code in words: what it is called, what was seen, and what to do next."""

    code: str
    title: str
    sentence: str
    next_step: str


def explain(code: str, params: Values, lang: Lang) -> Explanation:
    """Put a code into words; a code that has no entry gets a sentence that shows the code."""
    words = catalogue(lang)
    wording = words.get(code) or words.get(f"{code.partition('.')[0]}.{ANY}")
    if wording is None:
        wording, params = words[UNKNOWN_CODE], {**params, "code": code}
    params = {name: _worded(name, value, lang) for name, value in params.items()}
    title, sentence, next_step = (fill(template, params) for template in wording.templates())
    return Explanation(code=code, title=title, sentence=sentence, next_step=next_step)


def sentence(code: str, params: Values, lang: Lang) -> str:
    """The sentence of a code alone."""
    return explain(code, params, lang).sentence


def label(name: str, lang: Lang, /, **values: object) -> str:
    """A fixed word or phrase of the reports.

    Raises:
        KeyError: there is no such label; labels are ours, so this is a bug.
    """
    return fill(labels()[name][lang], values)


@cache
def catalogue(lang: Lang) -> Mapping[str, Wording]:
    """Every code with its wording in one language, read once from ``texts/``."""
    return {
        code: Wording(**{field: entry[field][lang] for field in Wording.model_fields}) for code, entry in _entries()
    }


@cache
def labels() -> Mapping[str, Mapping[str, str]]:
    """Every label: name -> language -> words."""
    text = files("grader.reports").joinpath("labels.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _entries() -> Iterator[tuple[str, Mapping[str, Mapping[str, str]]]]:
    for file in sorted(files("grader.reports").joinpath("texts").iterdir(), key=lambda file: file.name):
        family, dot, ending = file.name.partition(".")
        if dot and ending == "toml":
            for name, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
                yield f"{family}.{name}", entry


def placeholders(template: str) -> set[str]:
    """The names of the values that a template uses."""
    return set(_VALUE.findall(template))


def fill(template: str, values: Values) -> str:
    """Fill a template; parts in brackets with an unknown value are left out, a bare unknown value becomes "–".

    Values are inserted once and never read as templates, whatever they hold.
    """
    known = {name: text for name in placeholders(template) if (text := shown(values.get(name)))}
    filled, last = [], 0
    for match in _PART.finditer(template):
        filled += [_insert(template[last : match.start()], known), _part(match, known)]
        last = match.end()
    filled.append(_insert(template[last:], known))
    return " ".join("".join(filled).split())


def shown(value: object) -> str:
    """One value in a sentence: safe, short, on one line, empty when unknown."""
    return "" if value is None else shorten(clean_line(str(value)), MAX_VALUE_SHOWN)


def _worded(name: str, value: object, lang: Lang) -> object:
    """A value that is itself a short code (``kind`` = ``cid``) in words, where there are words for it."""
    known = labels().get(f"value_{name}_{value}")
    return known[lang] if known else value


def _part(match: re.Match[str], known: Mapping[str, str]) -> str:
    if match["part"] is None:
        return match.group()[0]
    wanted, _, otherwise = match["part"].partition("|")
    return _insert(wanted if placeholders(wanted) <= known.keys() else otherwise, known)


def _insert(text: str, known: Mapping[str, str]) -> str:
    return _VALUE.sub(lambda match: known.get(match[1], "–"), text)
