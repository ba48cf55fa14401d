"""Dependency files: names, versions, markers, extras and hashes only; everything else is refused by line (rule S20).

This is what all runtimes share, and the files of Python; :mod:`grader.intake.node_packages` and
:mod:`grader.intake.php_packages` have those of Node and PHP.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from grader.errors import SubmissionRejected
from grader.intake.limits import MAX_CONFIG_BYTES, MAX_REQUIREMENTS

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_HASH = re.compile(r"\s+--hash(?:=|\s+)(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})(?=\s|$)")
_PLACE = re.compile(r"\s@\s|^[.~]|[\\/]")
# Such a name is a valid name of a package, but an installer takes it for a file when one is there.
_ARCHIVE = re.compile(r"\.(?:whl|zip|tgz|tbz|txz|tlz|tar|tar\.(?:gz|bz2|xz|lz|lzma))$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_VARIABLE = re.compile(r"\$\{\w+\}")
_MAX_LINE = 64 * 1024
_MAX_REQUIREMENT = 1_000
_MAX_SHOWN = 200
_ENCODINGS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The dependencies of a project: line number (from 1) and normalised requirement, in Python with its hashes.

    ``packages`` maps canonical names to the extras asked for. ``notes`` are codes for the receipt. ``lock`` and
    ``autoload`` are what :class:`grader.submission.Dependencies` says.
    """

    file: str
    lines: tuple[tuple[int, str], ...]
    packages: Mapping[str, frozenset[str]]
    notes: tuple[str, ...] = ()
    lock: str = ""
    autoload: str = ""


def read_dependencies(files: Mapping[str, bytes]) -> Found | None:
    """Read ``requirements.txt``, else the ``[project]`` table of ``pyproject.toml``; None if there is neither.

    Raises:
        SubmissionRejected: ``dependencies.not_allowed`` and ``dependencies.bad_line`` (file, line, text),
            ``dependencies.encoding``, ``dependencies.bad_file`` (problem), ``dependencies.too_large``.
    """
    notes: tuple[str, ...] = ()
    if REQUIREMENTS in files:
        text, notes = _decoded(REQUIREMENTS, files[REQUIREMENTS])
        requirements = list(_requirements(text))
        file = REQUIREMENTS
    elif PYPROJECT in files:
        listed = _project_dependencies(files[PYPROJECT])
        if listed is None:
            return None
        requirements = listed
        file = PYPROJECT
    else:
        return None
    if len(requirements) > MAX_REQUIREMENTS:
        raise SubmissionRejected("dependencies.too_large", file=file, limit=MAX_REQUIREMENTS)
    packages: dict[str, frozenset[str]] = {}
    for _, requirement, _ in requirements:
        name = canonicalize_name(requirement.name)
        packages[name] = packages.get(name, frozenset()) | {extra.lower() for extra in requirement.extras}
    lines = tuple((line, " ".join((str(requirement), *hashes))) for line, requirement, hashes in requirements)
    return Found(file=file, lines=lines, packages=packages, notes=notes)


_Parsed = tuple[int, Requirement, tuple[str, ...]]


def _decoded(file: str, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Decode the file. PowerShell's ``pip freeze > requirements.txt`` writes UTF-16 with a byte order mark."""
    if len(content) > MAX_CONFIG_BYTES:
        raise SubmissionRejected("dependencies.too_large", file=file, limit=MAX_CONFIG_BYTES)
    encoding = next((name for mark, name in _ENCODINGS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise SubmissionRejected("dependencies.encoding", file=file) from None
    if "\0" in text:
        raise SubmissionRejected("dependencies.encoding", file=file)
    return text, (("receipt.dependencies_utf16",) if encoding == "utf-16" else ())


def _requirements(text: str) -> Iterator[_Parsed]:
    for number, line in _logical_lines(text):
        yield _parse(REQUIREMENTS, number, line)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines and strip comments, as pip does; the number is that of the first physical line."""
    start, parts = 0, list[str]()
    for number, physical in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        comment = physical.lstrip().startswith("#")
        start = start if parts else number
        continued = physical.endswith("\\") and not comment
        parts.append(physical[:-1] if continued else "" if comment else physical)
        if continued:
            continue
        line = _COMMENT.sub("", "".join(parts)).strip()
        parts = []
        if line:
            yield start, line
    if line := _COMMENT.sub("", "".join(parts)).strip():
        yield start, line


def _parse(file: str, number: int, line: str) -> _Parsed:
    if len(line) > _MAX_LINE:
        raise refused_line("dependencies.bad_line", file, number, line)
    hashes = tuple(f"--hash={found}" for found in _HASH.findall(" " + line))
    bare = _HASH.sub("", " " + line).strip()
    if bare.startswith("-") or re.search(r"\s-", bare):
        raise refused_line("dependencies.not_allowed", file, number, line)
    if len(bare) > _MAX_REQUIREMENT or _VARIABLE.search(bare):
        raise refused_line("dependencies.bad_line", file, number, line)
    try:
        requirement = Requirement(bare)
    except (InvalidRequirement, RecursionError):
        # Markers may contain almost anything; a place is only looked for before them.
        place = _PLACE.search(bare.split(";")[0].strip())
        code = "dependencies.not_allowed" if place else "dependencies.bad_line"
        raise refused_line(code, file, number, line) from None
    if requirement.url is not None or _ARCHIVE.search(requirement.name):
        raise refused_line("dependencies.not_allowed", file, number, line)
    return number, requirement, hashes


def refused_line(code: str, file: str, number: int, text: str, **more: str) -> SubmissionRejected:
    """Return the refusal of one line of a file; ``text`` is shown without credentials and control characters."""
    return SubmissionRejected(code, file=file, line=number, text=printable(text), **more)


def printable(text: str) -> str:
    """Return submitted text that may stand in a message: short, printable, without credentials of an address."""
    masked = _CREDENTIALS.sub("//***@", text)
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in masked)
    return shown[:_MAX_SHOWN]


def read_toml(file: str, content: bytes, *, code: str) -> dict[str, Any]:
    """Parse a submitted TOML file; whatever is wrong with it is refused with ``code`` (file, problem)."""
    if len(content) > MAX_CONFIG_BYTES:
        raise SubmissionRejected(code, file=file, problem="too_large")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SubmissionRejected(code, file=file, problem="not_utf8") from None
    except tomllib.TOMLDecodeError as error:
        raise SubmissionRejected(code, file=file, problem=str(error)[:_MAX_SHOWN]) from None
    except (RecursionError, ValueError, OverflowError):
        raise SubmissionRejected(code, file=file, problem="too_complex") from None


def _project_dependencies(content: bytes) -> list[_Parsed] | None:
    """Return the static dependencies, or None when the file has no ``[project]`` table (settings of tools only)."""
    document = read_toml(PYPROJECT, content, code="dependencies.bad_file")
    lines = content.decode("utf-8-sig").splitlines()
    project = document.get("project")
    tool = document.get("tool")
    if project is None and isinstance(tool, dict) and isinstance(tool.get("poetry"), dict):
        raise refused_line("dependencies.not_allowed", PYPROJECT, _line_of(lines, "[tool.poetry", 1), "[tool.poetry]")
    if project is None:
        return None
    if not isinstance(project, dict):
        raise SubmissionRejected("dependencies.bad_file", file=PYPROJECT, problem="project is no table")
    dynamic = project.get("dynamic", [])
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        raise refused_line(
            "dependencies.not_allowed", PYPROJECT, _line_of(lines, "dynamic", 1), "dynamic = [dependencies]"
        )
    listed = project.get("dependencies", [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise SubmissionRejected("dependencies.bad_file", file=PYPROJECT, problem="dependencies is no list of strings")
    parsed, at = [], _line_of(lines, "dependencies", 1)
    for item in listed:
        at = _line_of(lines, item, at)
        parsed.append(_parse(PYPROJECT, at, item.strip()))
    return parsed


def _line_of(lines: list[str], text: str, start: int) -> int:
    """Return the first line from ``start`` (counted from 1) that contains ``text``, or ``start``."""
    return next((number for number in range(start, len(lines) + 1) if text in lines[number - 1]), start)
