"""Submitted JSON: size, encoding, depth, numbers and duplicate keys are checked before it is believed (rule S10)."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.dependencies import printable, refused_line
from grader.intake.limits import MAX_JSON_DEPTH

Place = tuple[str | int, ...]

# A string that is not closed is taken to the end: what is wrong with it is for the parser to say.
_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,\n]', re.DOTALL)
_LINES_DEPTH = 2
_MAX_LINES = 20_000
_MAX_DIGITS = 20
_FOREIGN_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonFile:
    """An object from a file, with the line (from 1) of each key and element of its first two levels."""

    file: str
    value: dict[str, Any]
    lines: Mapping[Place, int]

    def line(self, *place: str | int) -> int:
        """Return the line of a place, or that of the nearest known place above it; 1 when none is known."""
        known = (self.lines.get(place[:length]) for length in range(len(place), 0, -1))
        return next((line for line in known if line), 1)

    def refused(self, code: str, place: Place, value: object, **more: str) -> SubmissionRejected:
        """Return the refusal of what stands at a place: ``code`` with file, line, text and ``more``."""
        return refused_line(code, self.file, self.line(*place), self._entry(place, value), **more)

    def bad(self, problem: str) -> SubmissionRejected:
        """Return the refusal of the whole file."""
        return SubmissionRejected("dependencies.bad_file", file=self.file, problem=printable(problem))

    def section(self, key: str) -> dict[str, Any]:
        """Return an object of the first level, empty when it is missing; PHP writes an empty object as ``[]``.

        Raises:
            SubmissionRejected: ``dependencies.bad_file`` when it is something else.
        """
        found = self.value.get(key)
        if found is None or found == []:
            return {}
        if not isinstance(found, dict):
            raise self.bad(f"{key} is no object")
        return found

    @staticmethod
    def _entry(place: Place, value: object) -> str:
        shown = f'"{value}"' if isinstance(value, str) else "…"
        return f'"{place[-1]}": {shown}' if isinstance(place[-1], str) else shown


class _Bad(Exception):
    """A value that JSON allows and no dependency file needs."""


def read_json(file: str, content: bytes, *, limit: int) -> JsonFile:
    """Read an object from a submitted file of at most ``limit`` bytes.

    Raises:
        SubmissionRejected: ``dependencies.too_large``, ``dependencies.encoding``, ``dependencies.bad_file`` (problem).
    """
    if len(content) > limit:
        raise SubmissionRejected("dependencies.too_large", file=file, limit=limit)
    text = _decoded(file, content)
    lines = _lines(file, text)
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}: {error.msg}"
        raise SubmissionRejected("dependencies.bad_file", file=file, problem=problem) from None
    except _Bad as error:
        raise SubmissionRejected("dependencies.bad_file", file=file, problem=printable(str(error))) from None
    if not isinstance(value, dict):
        raise SubmissionRejected("dependencies.bad_file", file=file, problem="not an object")
    return JsonFile(file=file, value=value, lines=lines)


def _decoded(file: str, content: bytes) -> str:
    """Decode UTF-8. UTF-16 is refused: the tools that read this file outside of the grader do not take it either."""
    if content.startswith(_FOREIGN_MARKS) or b"\0" in content:
        raise SubmissionRejected("dependencies.encoding", file=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SubmissionRejected("dependencies.encoding", file=file) from None


def _lines(file: str, text: str) -> Mapping[Place, int]:
    """Find the lines of the first levels, and refuse nesting that is deeper than allowed before anybody parses it."""
    walk = _Walk()
    for found in _PIECE.finditer(text):
        walk.take(found[0])
        if walk.depth > MAX_JSON_DEPTH:
            problem = f"line {walk.line}: nested deeper than {MAX_JSON_DEPTH}"
            raise SubmissionRejected("dependencies.bad_file", file=file, problem=problem)
    return walk.lines


class _Walk:
    """Goes over the pieces of a text that may not even be JSON, and remembers where things stand."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.line = 1
        self._path: list[str | int] = []  # one item for each open bracket: the key or the index where the walk is
        self._string, self._string_line = "", 1

    @property
    def depth(self) -> int:
        return len(self._path)

    def take(self, piece: str) -> None:
        match piece[0]:
            case "\n":
                self.line += 1
            case '"':
                self._string, self._string_line = piece, self.line
                self.line += piece.count("\n")
            case ":":
                self._key()
            case ",":
                if self._path and isinstance(self._path[-1], int):
                    self._path[-1] += 1
            case "{" | "[":
                if self._path and isinstance(self._path[-1], int):
                    self._note(self.line)
                self._path.append("" if piece == "{" else 0)
            case _:
                del self._path[-1:]

    def _key(self) -> None:
        if 0 < self.depth <= _LINES_DEPTH and isinstance(self._path[-1], str):
            try:
                self._path[-1] = str(json.loads(self._string))
            except ValueError:
                self._path[-1] = self._string
            self._note(self._string_line)

    def _note(self, line: int) -> None:
        if self.depth <= _LINES_DEPTH and len(self.lines) < _MAX_LINES:
            self.lines.setdefault(tuple(self._path), line)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse two values for one key: which of them counts depends on the reader."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        message = f"duplicate key {counted.most_common(1)[0][0]}"
        raise _Bad(message)
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        message = f"number of {len(digits)} digits"
        raise _Bad(message)
    return int(digits)


def _constant(name: str) -> float:
    message = f"{name} is no JSON"
    raise _Bad(message)
