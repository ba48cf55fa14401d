"""Version constraints of Composer: which are well formed, and whether a version satisfies one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

Version = tuple[int, int, int, int]

_MAX_CONSTRAINT = 200
_STABILITY = r"(?:[._-]?(?:stable|beta|alpha|patch|rc|pl|a|b|p)(?:[.-]?[0-9]{1,9}){0,3})?"
_ATOM = re.compile(
    r"(?P<sign>\^|~|>=|<=|==|!=|<>|=|>|<)?v?(?P<numbers>[0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?P<any>(?:\.[*x]){1,3})?"
    rf"(?P<stability>{_STABILITY})(?:@(?:stable|rc|beta|alpha))?",
    re.IGNORECASE,
)
_ANY = re.compile(r"[*x](?:\.[*x]){0,3}(?:@(?:stable|rc|beta|alpha))?", re.IGNORECASE)
_EXACT = re.compile(r"v?(?P<numbers>[0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?P<stability>[-+._@].{0,100})?", re.IGNORECASE)
_FIRST: Version = (0, 0, 0, 0)
_LAST: Version = (10**10, 0, 0, 0)
_PARTS = 4
_FULL = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Range:
    """Versions from ``low`` to before ``high``; those outside of it when ``outside`` is set."""

    low: Version
    high: Version
    outside: bool = False

    def holds(self, version: Version) -> bool:
        return (self.low <= version < self.high) != self.outside


def is_constraint(text: str) -> bool:
    """Say whether the text is a constraint on released versions: no branch, no commit, no alias."""
    return len(text) <= _MAX_CONSTRAINT and all(ranges is not None for ranges in _alternatives(text))


def read_version(text: str) -> Version | None:
    """Read a released version such as ``v4.14.0``; None for a branch, and for a version before its release."""
    found = _EXACT.fullmatch(text)
    return _padded(_numbers(found["numbers"])) if found and not found["stability"] else None


def satisfies(version: Version, constraint: str) -> bool:
    """Say whether a released version satisfies the constraint; one that cannot be read is taken to be satisfied."""
    alternatives = list(_alternatives(constraint))
    if None in alternatives:
        return True
    return any(all(one.holds(version) for one in ranges or ()) for ranges in alternatives)


def _alternatives(text: str) -> Iterator[list[_Range] | None]:
    """Yield the ranges of each alternative, all of which must hold; None for what is no constraint."""
    for alternative in re.split(r"\|\|?", text[: _MAX_CONSTRAINT + 1]):
        plain = " ".join(alternative.split())
        first, dash, last = plain.partition(" - ")
        yield _between(first, last) if dash else _all_of(plain)


def _between(first: str, last: str) -> list[_Range] | None:
    low, high = _ATOM.fullmatch(first), _ATOM.fullmatch(last)
    if not low or not high or low["sign"] or high["sign"] or low["any"] or high["any"]:
        return None
    numbers = _numbers(high["numbers"])
    end = _after(numbers, len(numbers) - 1) if len(numbers) < _FULL else _next(_padded(numbers))
    return [_Range(low=_padded(_numbers(low["numbers"])), high=end)]


def _all_of(plain: str) -> list[_Range] | None:
    joined = re.sub(r"(?<=[<>=^~!]) ", "", plain)
    ranges = []
    for word in re.split(r" ?, ?| ", joined):
        found = _ATOM.fullmatch(word)
        if found:
            ranges.append(_range(found))
        elif _ANY.fullmatch(word):
            ranges.append(_Range(low=_FIRST, high=_LAST))
        else:
            return None
    return ranges


def _range(found: re.Match[str]) -> _Range:
    numbers, sign = _numbers(found["numbers"]), found["sign"]
    version, last = _padded(numbers), len(numbers) - 1
    if sign in ("<", "<="):
        return _Range(low=_FIRST, high=version if sign == "<" else _next(version))
    if sign in (">", ">="):
        return _Range(low=version if sign == ">=" else _next(version), high=_LAST)
    if sign == "^":
        place = next((at for at, number in enumerate(numbers) if number), last)
        return _Range(low=version, high=_after(numbers, place))
    if sign == "~":
        return _Range(low=version, high=_after(numbers, max(0, last - 1)))
    end = _after(numbers, last) if found["any"] else _next(version)
    return _Range(low=version, high=end, outside=sign in ("!=", "<>"))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))


def _padded(numbers: tuple[int, ...]) -> Version:
    one, two, three, four = (*numbers, *_FIRST)[:_PARTS]
    return one, two, three, four


def _after(numbers: tuple[int, ...], place: int) -> Version:
    """Return the first version in which the number at ``place`` is higher."""
    return _padded((*numbers[:place], numbers[place] + 1))


def _next(version: Version) -> Version:
    return (*version[:3], version[3] + 1)
