"""contract.yaml: the OpenAPI 3.1 document of an exercise, whole in one file, and the operations it names."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.errors import PackInvalid
from grader.packs.documents import read_yaml
from grader.packs.model import Operation

CONTRACT_FILE = "contract.yaml"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_OPERATION_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def read_contract(root: Path) -> dict[str, Any]:
    """The parsed contract of the pack at ``root``.

    Raises:
        PackInvalid: ``pack.missing_file``, ``pack.yaml_syntax``, ``pack.contract_version``, ``pack.contract_shape``,
            ``pack.contract_external_ref`` or ``pack.contract_ref``.
    """
    parsed = read_yaml(root, CONTRACT_FILE)
    document: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    version = document.get("openapi")
    if not re.fullmatch(r"3\.1\.[0-9]+", str(version)):
        raise _invalid(
            "pack.contract_version",
            where="openapi",
            problem=f"openapi is {version!r}",
            fix="Write the contract as OpenAPI 3.1 and say so: openapi: 3.1.0.",
        )
    paths = document.get("paths")
    if not isinstance(paths, dict) or not all(isinstance(item, dict) for item in paths.values()):
        raise _invalid(
            "pack.contract_shape",
            where="paths",
            problem="paths is missing, or a path holds no operations",
            fix="Describe at least one path with one operation.",
        )
    for place, node in walk(document):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            _refuse_foreign(document, node["$ref"], place)
    return document


def read_operations(contract: Mapping[str, Any]) -> tuple[Operation, ...]:
    """The operations of a contract in the order it writes them.

    Raises:
        PackInvalid: ``pack.no_operation``, ``pack.operation_id`` (missing or no identifier) or
            ``pack.duplicate_operation``.
    """
    found: dict[str, Operation] = {}
    for method, path, node in operation_nodes(contract):
        name = node.get("operationId")
        where = f"paths.{path}.{method}"
        if not isinstance(name, str) or not _OPERATION_ID.fullmatch(name):
            raise _invalid(
                "pack.operation_id",
                where=where,
                problem=f"operationId is {name!r}",
                fix="Give every operation an operationId of letters, digits and _, starting with a letter.",
            )
        if name in found:
            raise _invalid(
                "pack.duplicate_operation",
                where=where,
                problem=f"operationId {name} is also that of {found[name].method} {found[name].path}",
                fix="Give every operation its own operationId.",
            )
        found[name] = Operation(operation_id=name, method=method.upper(), path=path)
    if not found:
        raise _invalid(
            "pack.no_operation",
            where="paths",
            problem="no path has an operation",
            fix="Describe at least one operation, such as get:.",
        )
    return tuple(found.values())


def operation_nodes(contract: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation as (method in lower case, path template, its object)."""
    for path, item in contract["paths"].items():
        for method in METHODS:
            if isinstance(item.get(method), dict):
                yield method, path, item[method]


def walk(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a document with the dotted path to it, from the outside in."""
    yield place, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{place}.{key}" if place else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{place}[{index}]")


def resolve(contract: Mapping[str, Any], node: Any) -> Any:
    """``node`` itself, or what its ``$ref`` chain points to in the same document; a chain is at most 20 long."""
    for _ in range(20):
        if not (isinstance(node, dict) and isinstance(node.get("$ref"), str)):
            return node
        node = _follow(contract, node["$ref"])
    return {}


def _follow(contract: Mapping[str, Any], reference: str) -> Any:
    node: Any = contract
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or key not in node:
            raise KeyError(reference)
        node = node[key]
    return node


def _refuse_foreign(contract: Mapping[str, Any], reference: str, place: str) -> None:
    if not reference.startswith("#/"):
        raise _invalid(
            "pack.contract_external_ref",
            where=place,
            problem=f"$ref points outside of the file: {reference}",
            fix="Copy what it points to under components and refer to it as #/components/….",
        )
    try:
        _follow(contract, reference)
    except KeyError as error:
        raise _invalid(
            "pack.contract_ref",
            where=place,
            problem=f"$ref points to nothing: {reference}",
            fix="Correct the name, or add it under components.",
        ) from error


def _invalid(code: str, *, where: str, problem: str, fix: str) -> PackInvalid:
    return PackInvalid(code, file=CONTRACT_FILE, where=where, problem=problem, fix=fix)
