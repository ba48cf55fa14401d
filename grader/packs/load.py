"""An exercise folder in, a Pack out; or PackInvalid with the file, the place, the problem and the fix."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from grader.errors import PackInvalid, UsageProblem
from grader.evidence import Frozen
from grader.packs.contract import read_contract, read_operations
from grader.packs.documents import read_model, read_text, read_toml, unknown_key
from grader.packs.model import (
    CHECK_ID,
    CONTRACT_CHECK,
    FULL_POINTS,
    AgencySpec,
    Check,
    Exercise,
    Family,
    Pack,
    Sentence,
    Text,
    Visibility,
    Weights,
)
from grader.packs.rest import read_description
from grader.packs.transfer import UNIVERSAL, digest

EXERCISE_FILE = "exercise.toml"
CHECKS_FILE = "checks.toml"
WORLD_FILE = "world.py"


class CheckTable(Frozen):
    """One table of checks.toml that describes a specific check."""

    family: Family = "scenario"
    mandatory: bool = False
    points: int = Field(ge=0, le=FULL_POINTS)
    task: Sentence
    visibility: Visibility = "open"
    title: Text
    hint: Text


class PointsTable(Frozen):
    """One table of checks.toml that gives an engine's check other points."""

    points: int = Field(ge=0, le=FULL_POINTS)


def load_pack(path: Path) -> Pack:
    """The exercise in the folder ``path``. Nothing of it is run; see :func:`grader.packs.build_world`.

    Raises:
        PackInvalid: with the first thing that is wrong.
    """
    if not path.is_dir():
        raise PackInvalid(
            "pack.missing_folder",
            file=path.name,
            problem=f"{path} is no folder",
            fix="Give the folder that holds exercise.toml.",
        )
    root = path.resolve()
    exercise = read_model(Exercise, read_toml(root, EXERCISE_FILE), file=EXERCISE_FILE)
    for name, agency in exercise.agencies.items():
        _refuse_missing_schema(root, name, agency)
        if agency.engine == "http":
            read_description(read_text(root, agency.schema_file), file=agency.schema_file)
    checks = _read_checks(root, exercise)
    contract = read_contract(root)
    operations = read_operations(contract)
    read_text(root, WORLD_FILE)
    if not any((root / "scenarios").glob("test_*.py")):
        raise PackInvalid(
            "pack.missing_file",
            file="scenarios/",
            problem="scenarios/ holds no test_*.py",
            fix="Write at least one scenario for each check of checks.toml.",
        )
    return Pack(
        root=root,
        exercise=exercise,
        checks=checks,
        contract=contract,
        operations=operations,
        digest=digest(root),
    )


def _refuse_missing_schema(root: Path, name: str, agency: AgencySpec) -> None:
    file = (root / agency.schema_file).resolve()
    if not file.is_relative_to(root) or not file.is_file():
        raise PackInvalid(
            "pack.missing_file",
            file=agency.schema_file,
            where=f"agencies.{name}.schema",
            problem=f"{agency.schema_file} is no file of this pack",
            fix=f"Write the file that creates the agency {name}, or correct the path in exercise.toml.",
        )


def _read_checks(root: Path, exercise: Exercise) -> Mapping[str, Check]:
    """Specific checks in the order of checks.toml, then C, then U1 to U7; their points fit the weights."""
    supplied = {
        name: read_model(Check, {"id": name, **table}, file="universal.toml", where=name)
        for name, table in read_toml(UNIVERSAL.parent, UNIVERSAL.name).items()
    }
    contract = supplied[CONTRACT_CHECK]
    supplied[CONTRACT_CHECK] = contract.model_copy(update={"points": exercise.weights.contract})
    specific: dict[str, Check] = {}
    for name, table in read_toml(root, CHECKS_FILE).items():
        if not isinstance(table, dict):
            raise unknown_key(name, ["[CHECK-ID] (one table a check)"], file=CHECKS_FILE, where=name)
        if name in supplied and name != CONTRACT_CHECK:
            points = read_model(PointsTable, table, file=CHECKS_FILE, where=name).points
            supplied[name] = supplied[name].model_copy(update={"points": points})
        else:
            specific[name] = _specific(name, table)
    if not specific:
        raise PackInvalid(
            "pack.no_checks",
            file=CHECKS_FILE,
            problem="no specific check is listed",
            fix=f"Add a table such as [{exercise.id.upper()}-S1].",
        )
    checks = {**specific, **supplied}
    _refuse_wrong_sums(checks.values(), exercise.weights)
    return checks


def _specific(name: str, table: Mapping[str, Any]) -> Check:
    if not CHECK_ID.fullmatch(name):
        raise PackInvalid(
            "pack.bad_id",
            file=CHECKS_FILE,
            where=name,
            problem=f"{name} is not the id of a check that an exercise may list",
            fix="Name the table after the exercise and a number: [E1-S1]. Points of C come from [weights] contract.",
        )
    values = read_model(CheckTable, table, file=CHECKS_FILE, where=name)
    if values.family in ("contract", "universal"):
        raise PackInvalid(
            "pack.wrong_value",
            file=CHECKS_FILE,
            where=f"{name}.family",
            problem=f"the family {values.family} belongs to the engine",
            fix='Use "scenario", "resilience" or "privacy".',
        )
    return Check(id=name, **{field: getattr(values, field) for field in CheckTable.model_fields})


def _refuse_wrong_sums(checks: Any, weights: Weights) -> None:
    sums = dict.fromkeys(Weights.model_fields, 0)
    for check in checks:
        sums[check.group] += check.points
    expected = weights.model_dump()
    if sum(expected.values()) != FULL_POINTS:
        raise PackInvalid(
            "pack.weights_sum",
            file=EXERCISE_FILE,
            where="weights",
            problem=f"the weights sum to {sum(expected.values())}",
            fix=f"Make them sum to {FULL_POINTS}.",
        )
    for group, points in expected.items():
        if sums[group] != points:
            raise PackInvalid(
                "pack.points_sum",
                file=CHECKS_FILE,
                where=group,
                problem=f"the checks of the group {group} have {sums[group]} points, [weights] gives it {points}",
                fix="Change the points of its checks, or the weight in exercise.toml.",
            )


def find_pack(ref: str, root: Path) -> Path:
    """The folder of an exercise: ``ref`` is an id under ``root``, or the path of a folder anywhere.

    Raises:
        UsageProblem: ``usage.unknown_exercise`` with the known ids.
    """
    known = _folders(root)
    if ref in known:
        return known[ref]
    path = Path(ref)
    if path.is_dir() and (path / EXERCISE_FILE).is_file():
        return path
    if ("/" in ref or path.is_dir()) and path.exists():
        raise UsageProblem("usage.not_a_pack", ref=ref, file=EXERCISE_FILE)
    raise UsageProblem("usage.unknown_exercise", ref=ref, known=", ".join(known))


def list_packs(root: Path) -> list[Pack]:
    """Every exercise under ``root``, in the order of the folder names.

    Raises:
        PackInvalid: one of them does not load.
    """
    return [load_pack(folder) for folder in _folders(root).values()]


def _folders(root: Path) -> dict[str, Path]:
    return {file.parent.name: file.parent for file in sorted(root.glob(f"*/{EXERCISE_FILE}"))}


def describe(pack: Pack) -> dict[str, Any]:
    """What a person is shown about an exercise before it is tried, as JSON values.

    Hidden checks are listed with their titles and points: a trainee knows what counts, not how it is looked at.
    """
    exercise = pack.exercise.model_dump(mode="json", by_alias=True)
    return {
        **exercise,
        "digest": pack.digest,
        "path": str(pack.root),
        "operations": [operation.model_dump(mode="json") for operation in pack.operations],
        "checks": [
            check.model_dump(mode="json", exclude={"hint"} if check.visibility == "hidden" else set())
            for check in pack.checks.values()
        ],
    }
