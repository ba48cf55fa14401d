"""world.py of a pack, run for one seed; whatever goes wrong in it is the author's fault and names the line."""

import importlib.util
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.errors import PackInvalid
from grader.packs.model import Pack
from grader.packs.world import Person, World, cid_check_digit

WORLD_FILE = "world.py"
SYNTHETIC_DIGITS = frozenset({"97", "98", "99"})
"""Digits 2-3 of a citizen number that no province has; 98 and 99 only come from the third-digit mutator."""

_CID = re.compile(r"[0-9]{13}")
_RUN = re.compile(r"(?<![0-9])[0-9]{13}(?![0-9])")
_ARABIC = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_IDENTIFIER = re.compile(r"[0-9]{7,15}")
_DAY = r"(?:0[0-9]|1[0-2])(?:[0-2][0-9]|3[01])"
_ORDINARY = re.compile(
    rf"(?:19|20|24|25)[0-9]{{2}}{_DAY}|(?:20|25)[0-9]{{2}}{_DAY}[0-9]{{4}}(?:[0-9]{{2}})?|97[0-9]{{6}}"
)
"""Dates and times as agencies write them (CE or BE, unknown parts as 00), and area codes of 8 digits."""
_serial = count(1)


def build_world(pack: Pack, seed: int) -> World:
    """The world of one attempt.

    world.py is loaded afresh for every call, as a module of a package of its own: it may import a neighbour as
    ``from .oracle import …`` and keeps nothing between two calls.

    Raises:
        PackInvalid: ``pack.world_raises`` (with the line), ``pack.world_no_build``, ``pack.world_type``,
            ``pack.world_as_of``, ``pack.world_agency``, ``pack.world_operation``, ``pack.world_person`` or
            ``pack.quota_empty``.
    """
    module = _load(pack.root)
    build = getattr(module, "build", None)
    if not callable(build):
        raise _invalid(
            "pack.world_no_build",
            where="build",
            problem="world.py has no function build",
            fix="Write def build(seed: int) -> World.",
        )
    try:
        world = build(seed)
    except (Exception, SystemExit) as error:  # the author's code may raise anything
        raise _raised(pack.root, error) from error
    if not isinstance(world, World):
        raise _invalid(
            "pack.world_type",
            where="build",
            problem=f"build gave a {type(world).__name__}",
            fix="Return a grader.packs.world.World.",
        )
    _refuse_inconsistent(pack, world)
    return world


def _load(root: Path) -> ModuleType:
    package = f"grader_exercise_{next(_serial)}"
    parent = ModuleType(package)
    parent.__path__ = [str(root)]
    spec = importlib.util.spec_from_file_location(f"{package}.world", root / WORLD_FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A module that loaded stays registered: its oracle may still import a neighbour while scenarios run.
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # the folder may be read-only, and a cache would change nothing but the folder
    sys.modules[package], sys.modules[f"{package}.world"] = parent, module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the author's code may raise anything
        for name in [one for one in sys.modules if one == package or one.startswith(f"{package}.")]:
            del sys.modules[name]
        raise _raised(root, error) from error
    finally:
        sys.dont_write_bytecode = before
    return module


def _raised(root: Path, error: BaseException) -> PackInvalid:
    file, line = WORLD_FILE, 0
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(root):
        file, line = Path(error.filename).relative_to(root).as_posix(), error.lineno or 0
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename).is_relative_to(root):
                file, line = Path(frame.filename).relative_to(root).as_posix(), frame.lineno or 0
    return PackInvalid(
        "pack.world_raises",
        file=file,
        where=f"line {line}" if line else "",
        problem=f"{type(error).__name__}: {str(error)[:300]}",
        fix="Mend world.py so that build works for every seed.",
    )


def _refuse_inconsistent(pack: Pack, world: World) -> None:
    if not _has_offset(world.as_of):
        raise _invalid(
            "pack.world_as_of",
            where="as_of",
            problem=f"as_of is {world.as_of!r}",
            fix="Write a time with offset, such as 2026-11-22T08:00:00+07:00.",
        )
    _refuse_unknown("pack.world_agency", "tables", "agency", world.tables, list(pack.exercise.agencies))
    _refuse_unknown(
        "pack.world_operation", "examples", "operation", world.examples, [one.operation_id for one in pack.operations]
    )
    for person in world.people:
        _refuse_unfair(person)
    for quota in world.empty_quotas():
        raise _invalid(
            "pack.quota_empty",
            where=quota.name,
            problem=f"seed {world.seed}: {quota.name} has {quota.count}, needs {quota.minimum}",
            fix="Let world.py make these cases on purpose instead of by chance.",
        )


def _refuse_unfair(person: Person) -> None:
    """People are looked for in all that an app says: what could stand there by chance would accuse the innocent."""
    if not is_synthetic(person.cid):
        raise _invalid(
            "pack.world_person",
            where="people",
            problem="a person's citizen number is not 13 digits with 97, 98 or 99 as digits 2-3",
            fix="Make every person with grader.packs.world.synthetic_cid.",
        )
    if person.name and len(person.name.split()) < 2:  # noqa: PLR2004 - a given name and a family name
        raise _invalid(
            "pack.world_person",
            where="people.name",
            problem="a person's name is a single word, which may be a word of the language",
            fix="Give the person a full name, or none at all.",
        )
    for identifier in person.identifiers:
        if not _IDENTIFIER.fullmatch(identifier) or _ORDINARY.fullmatch(identifier):
            raise _invalid(
                "pack.world_person",
                where="people.identifiers",
                problem=f"the identifier {identifier[:20]!r} is not 7 to 15 digits, or reads as a date or an area code",
                fix="Give PIDs and HNs at least 7 digits that no date and no area code of the province has.",
            )


def _refuse_unknown(code: str, where: str, kind: str, named: Mapping[str, Any], known: list[str]) -> None:
    for name in named:
        if name not in known:
            raise _invalid(
                code,
                where=f"{where}.{name}",
                problem=f"{name} is no {kind} of this exercise; known: {', '.join(known) or 'none'}",
                fix=f"Correct the name, or declare the {kind}.",
            )


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False


def is_synthetic(cid: str) -> bool:
    """Whether ``cid`` is 13 ASCII digits that belong to nobody: digits 2-3 are no province."""
    return bool(_CID.fullmatch(cid)) and cid[1:3] in SYNTHETIC_DIGITS


def is_real_looking(cid: str) -> bool:
    """Whether ``cid`` has a valid check digit and could belong to a person."""
    return bool(_CID.fullmatch(cid)) and not is_synthetic(cid) and cid_check_digit(cid[:12]) == int(cid[12])


def digit_runs(text: str) -> list[str]:
    """The runs of exactly 13 digits in ``text``; Thai digits count, and spaces and hyphens inside are left out."""
    return _RUN.findall(re.sub(r"(?<=[0-9])[ -](?=[0-9])", "", text.translate(_ARABIC)))


def _invalid(code: str, *, where: str, problem: str, fix: str) -> PackInvalid:
    return PackInvalid(code, file=WORLD_FILE, where=where, problem=problem, fix=fix)
