"""TOML and YAML files of a pack, read into models; whatever is wrong becomes PackInvalid with a place and a way out."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from grader.errors import PackInvalid

M = TypeVar("M", bound=BaseModel)

_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_LANGUAGES = frozenset({"th", "en"})
_EMPTY = frozenset({"string_too_short", "missing"})


def read_text(root: Path, file: str) -> str:
    """The text of one file of the pack.

    Raises:
        PackInvalid: ``pack.missing_file`` or ``pack.not_utf8``.
    """
    try:
        return (root / file).read_text("utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise PackInvalid(
            "pack.missing_file",
            file=file,
            problem=f"{file} is missing",
            fix=f"Write {file}; docs/packs.md shows what belongs in it.",
        ) from error
    except UnicodeDecodeError as error:
        raise PackInvalid(
            "pack.not_utf8",
            file=file,
            where=f"byte {error.start}",
            problem=f"{file} is not UTF-8",
            fix="Save the file as UTF-8.",
        ) from error


def read_toml(root: Path, file: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        PackInvalid: as :func:`read_text`, or ``pack.toml_syntax`` with the line.
    """
    return toml_of(read_text(root, file), file)


def toml_of(text: str, file: str) -> dict[str, Any]:
    """The tables of the TOML ``text`` that ``file`` holds.

    Raises:
        PackInvalid: ``pack.toml_syntax`` with the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise PackInvalid(
            "pack.toml_syntax",
            file=file,
            where=f"line {line}",
            problem=f"not valid TOML: {error}",
            fix="Correct this line; texts stand in double quotes, tables in [brackets].",
        ) from error


class _Loader(yaml.SafeLoader):
    """YAML as JSON: dates stay texts, keys are texts, and a key may not stand twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - pyyaml's own way of configuring a loader
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"the key {key} stands twice", problem_mark=key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def read_yaml(root: Path, file: str) -> Any:
    """The value of a YAML (or JSON) file; every key is a text, so a status 200 reads as ``"200"``.

    Raises:
        PackInvalid: as :func:`read_text`, or ``pack.yaml_syntax`` with the line.
    """
    text = read_text(root, file)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PackInvalid(
            "pack.yaml_syntax",
            file=file,
            where=f"line {mark.line + 1}" if mark else "",
            problem=f"not valid YAML: {getattr(error, 'problem', None) or error}",
            fix="Correct this line; indent with spaces and quote texts that hold a colon.",
        ) from error


def read_model(model: type[M], data: Mapping[str, Any], *, file: str, where: str = "") -> M:
    """``data`` as a model; ``where`` is the table it stands in.

    Raises:
        PackInvalid: ``pack.unknown_key``, ``pack.missing_key``, ``pack.missing_translation``, ``pack.bad_id`` or
            ``pack.wrong_value``.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # An unknown key is told first: it is mostly a misspelling of the key that is told missing.
        details = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        raise _invalid(model, details[0], file=file, where=where) from error


def _invalid(model: type[BaseModel], detail: ErrorDetails, *, file: str, where: str) -> PackInvalid:
    steps = [str(step) for step in detail["loc"]]
    place = ".".join([where, *steps] if where else steps)
    name = steps[-1] if steps else where
    if detail["type"] == "extra_forbidden":
        return unknown_key(name, valid_keys(model, detail["loc"][:-1]), file=file, where=place)
    if name in _LANGUAGES and detail["type"] in _EMPTY:
        return PackInvalid(
            "pack.missing_translation",
            file=file,
            where=place,
            problem=f"{place} is missing or empty",
            fix="Write the sentence in both languages: th and en.",
        )
    if detail["type"] == "missing":
        return PackInvalid(
            "pack.missing_key",
            file=file,
            where=place,
            problem=f"{place} is missing",
            fix=f"Add the key {name}; docs/packs.md shows an example.",
        )
    if name == "id" and detail["type"] == "string_pattern_mismatch":
        return PackInvalid(
            "pack.bad_id",
            file=file,
            where=place,
            problem=f"{detail['input']!r} is not an id",
            fix="Use 1 to 32 characters: small letters, digits and hyphens, starting with a letter.",
        )
    return PackInvalid(
        "pack.wrong_value",
        file=file,
        where=place,
        problem=f"{place} = {str(detail['input'])[:80]!r}: {detail['msg']}",
        fix="Give a value of the kind that docs/packs.md names for this key.",
    )


def unknown_key(name: str, valid: Iterable[str], *, file: str, where: str) -> PackInvalid:
    """The fault of a key that means nothing; names the nearest valid key, or all of them."""
    known = sorted(valid)
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known)
    return PackInvalid(
        "pack.unknown_key",
        file=file,
        where=where,
        problem=f"{name} is not a key here; valid keys: {listed}",
        fix=f"Write {near[0]} instead of {name}." if near else f"Remove {name}.",
    )


def valid_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at ``path`` of a model's document may have."""
    current: Any = model
    for step in path:
        field = next((one for key, one in current.model_fields.items() if step in (key, one.alias)), None)
        if field is None:
            continue  # the step names an entry of a mapping, whose value type was taken already
        inner = [kind for kind in (field.annotation, *_arguments(field.annotation)) if _is_model(kind)]
        if inner:
            current = inner[0]
    return [field.alias or name for name, field in current.model_fields.items()]


def _arguments(kind: Any) -> Iterable[Any]:
    for one in getattr(kind, "__args__", ()):
        yield one
        yield from _arguments(one)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
