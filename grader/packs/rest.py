"""A REST agency as data: the tables it holds and the routes it answers, from ``agencies/<name>.toml``.

The file is read twice: by the loader, so that a mistake is told with its place, and inside the agency's container.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from grader.errors import PackInvalid
from grader.evidence import Frozen
from grader.packs.documents import read_model, toml_of

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
Column: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Path: TypeAlias = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~:/{}-]*$", max_length=200)]
Method: TypeAlias = Literal["GET", "POST"]
Token: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]

PARAMETER = re.compile(r"\{([^{}]*)\}")
MAX_LIMIT = 1_000_000
_OK, _FIRST_ERROR = 200, 400


class Table(Frozen):
    """Rows of one kind. ``key`` names a column in which no two rows are equal ("" for none)."""

    columns: tuple[Column, ...] = Field(min_length=1)
    key: str = ""


class Auth(Frozen):
    """The header in which the app's token must stand, after ``scheme`` and a space when there is a scheme."""

    header: Token
    scheme: Annotated[str, StringConstraints(pattern=r"^[A-Za-z-]*$")] = ""


class _Route(Frozen):
    path: Path
    table: str
    wrap: str = ""
    """The member of the answer that holds what was found; "" when it is the answer itself."""


class Missing(Frozen):
    """What a route of the kind ``one`` answers when there is no such row; None: as problem+json."""

    status: int = Field(default=404, ge=200, le=599)
    body: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Missing":
        if self.status < _FIRST_ERROR and (self.status != _OK or self.body is None):
            message = "status is 400 to 599, or 200 with a body"
            raise ValueError(message)
        return self


class OneRoute(_Route):
    """``GET /v1/persons/{cid}``: the row whose ``column`` equals the path's parameter."""

    kind: Literal["one"]
    method: Method = "GET"
    column: str = ""
    missing: Missing = Missing()

    @property
    def sought(self) -> str:
        """The column that is compared."""
        return self.column or next(iter(PARAMETER.findall(self.path)), "")


class BatchRoute(_Route):
    """``POST /v1/persons:batch``: the rows whose ``column`` is in the list ``asks`` of the JSON body."""

    kind: Literal["batch"]
    method: Literal["POST"] = "POST"
    asks: Name
    column: str = ""
    limit: int = Field(ge=1, le=MAX_LIMIT)
    over_limit: Literal["refuse", "cut"] = "refuse"


class Filter(Frozen):
    """A parameter of a list that chooses rows by one column."""

    column: str
    by: Literal["equal", "prefix"] = "equal"

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


class Paging(Frozen):
    """How a list is cut into pages; ``default`` and ``maximum`` are rows a page."""

    style: Literal["none", "offset", "cursor"] = "none"
    default: int = Field(default=50, ge=1, le=MAX_LIMIT)
    maximum: int = Field(default=1_000, ge=1, le=MAX_LIMIT)


class ListRoute(_Route):
    """``GET /stations``: the rows that pass the filters."""

    kind: Literal["list"]
    method: Method = "GET"
    input: Literal["query", "body"] | None = None
    fixed: Mapping[str, str] = Field(default_factory=dict)
    filters: Mapping[str, Filter] = Field(default_factory=dict)
    paging: Paging = Paging()
    format: Literal["json", "csv"] = "json"
    encoding: Literal["utf-8", "utf-8-sig", "cp874"] = "utf-8"
    charset: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]*$")] = ""

    @property
    def reads_body(self) -> bool:
        """Whether its parameters stand in the body and not in the query."""
        return (self.input or ("body" if self.method == "POST" else "query")) == "body"


Route: TypeAlias = OneRoute | BatchRoute | ListRoute
_KINDS: Mapping[str, type[OneRoute | BatchRoute | ListRoute]] = {
    "one": OneRoute,
    "batch": BatchRoute,
    "list": ListRoute,
}


class RestDescription(Frozen):
    """One REST agency: its tables by name, its credential (None: asks for none), its routes by name."""

    tables: Mapping[Name, Table] = Field(min_length=1)
    auth: Auth | None = None
    routes: Mapping[Name, Annotated[Route, Field(discriminator="kind")]] = Field(min_length=1)


class RowMisfit(ValueError):
    """Rows that an agency cannot hold; ``where`` is ``table`` or ``table.column``."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where, self.problem = where, problem


def as_text(value: Any) -> str:
    """A value of a row as a path, a parameter or a CSV has it; None is the empty text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_unfit_row(description: RestDescription, table: str, values: Any) -> None:
    """Raise RowMisfit unless ``values`` are column -> value of this table, and can be sent by all of its routes."""
    if table not in description.tables:
        raise RowMisfit(table, f"there is no table {table}; there are: {', '.join(description.tables)}")
    columns = description.tables[table].columns
    if not isinstance(values, Mapping):
        raise RowMisfit(table, "a row maps column to value")
    sent = [one for one in description.routes.values() if isinstance(one, ListRoute) and one.table == table]
    for column, value in values.items():
        if column not in columns:
            raise RowMisfit(f"{table}.{column}", f"{table} has no column {column}; it has {', '.join(columns)}")
        for route in sent:
            if route.format == "csv" and not _encodable(as_text(value), route.encoding):
                raise RowMisfit(f"{table}.{column}", f"{value!r} cannot be written in {route.encoding}")


def refuse_equal_keys(description: RestDescription, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise RowMisfit when two rows have the same key."""
    key = description.tables[table].key
    seen: set[str] = set()
    for value in (as_text(row.get(key)) for row in rows if key):
        if value in seen:
            raise RowMisfit(f"{table}.{key}", f"two rows have the {key} {value!r}")
        seen.add(value)


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class _Outline(Frozen):
    """The description before its routes are read by their kind, so that a misspelt key is compared with its kind's."""

    tables: Mapping[Name, Table] = Field(min_length=1)
    auth: Auth | None = None
    routes: Mapping[Name, dict[str, Any]] = Field(min_length=1)


def read_description(text: str, *, file: str) -> RestDescription:
    """The agency that the TOML ``text`` of the pack's ``file`` describes.

    Raises:
        PackInvalid: ``pack.toml_syntax``, ``pack.unknown_key``, ``pack.missing_key`` or ``pack.wrong_value``.
    """
    outline = read_model(_Outline, toml_of(text, file), file=file)
    routes = {name: _read_route(name, raw, file) for name, raw in outline.routes.items()}
    description = RestDescription(tables=outline.tables, auth=outline.auth, routes=routes)
    _refuse_inconsistent(description, file)
    return description


def _read_route(name: str, raw: Mapping[str, Any], file: str) -> Route:
    kind = raw.get("kind", "")
    if kind not in _KINDS:
        raise _wrong(file, f"routes.{name}.kind", f"{kind!r} is no kind of route", f"Write {' or '.join(_KINDS)}.")
    return read_model(_KINDS[kind], raw, file=file, where=f"routes.{name}")


def _refuse_inconsistent(description: RestDescription, file: str) -> None:
    for name, table in description.tables.items():
        if len(set(table.columns)) < len(table.columns):
            raise _wrong(file, f"tables.{name}.columns", "a column stands twice", "Name each column once.")
        if table.key:
            _refuse_unknown(table.key, table.columns, file, f"tables.{name}.key")
    taken: dict[tuple[str, str], str] = {}
    for name, route in description.routes.items():
        where = f"routes.{name}"
        _refuse_unknown(route.table, description.tables, file, f"{where}.table")
        _refuse_route(route, description.tables[route.table], file, where)
        place = route.method, PARAMETER.sub("{}", route.path)
        if place in taken:
            problem = f"the route {taken[place]} has this method and path already"
            raise _wrong(file, f"{where}.path", problem, "Give each route a method and path of its own.")
        taken[place] = name


def _refuse_route(route: Route, table: Table, file: str, where: str) -> None:
    parameters = PARAMETER.findall(route.path)
    if len(parameters) != (1 if isinstance(route, OneRoute) else 0):
        fix = 'Only kind = "one" has a parameter in its path, and it has one, as in /v1/persons/{cid}.'
        raise _wrong(file, f"{where}.path", f"{route.path} has {len(parameters)} parameters", fix)
    match route:
        case OneRoute():
            _refuse_unknown(route.sought, table.columns, file, f"{where}.column" if route.column else f"{where}.path")
        case BatchRoute():
            if not (route.column or table.key):
                fix = "Write column, or give the table a key."
                raise _wrong(file, f"{where}.column", "the column that is looked up is not named", fix)
            _refuse_unknown(route.column or table.key, table.columns, file, f"{where}.column")
        case ListRoute():
            for parameter, chosen in route.filters.items():
                _refuse_unknown(chosen.column, table.columns, file, f"{where}.filters.{parameter}")
            _refuse_list(route, file, where)


def _refuse_list(route: ListRoute, file: str, where: str) -> None:
    if route.reads_body and route.method == "GET":
        raise _wrong(file, f"{where}.input", "a GET has no body", 'Write method = "POST", or input = "query".')
    if route.format == "csv" and (route.wrap or route.paging.style != "none"):
        raise _wrong(file, f"{where}.format", "a CSV has neither wrap nor paging", "Remove wrap and paging.")
    if route.format == "json" and (route.encoding != "utf-8" or route.charset):
        raise _wrong(file, f"{where}.encoding", "JSON is always UTF-8", 'Write format = "csv", or remove it.')


def _refuse_unknown(name: str, known: Iterable[str], file: str, where: str) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        problem = f"there is no {name}; there are: {', '.join(names)}"
        fix = f"Write {near[0]} instead of {name}." if near else "Name one of these, or declare it under [tables]."
        raise _wrong(file, where, problem, fix)


def _wrong(file: str, where: str, problem: str, fix: str) -> PackInvalid:
    return PackInvalid("pack.wrong_value", file=file, where=where, problem=problem, fix=fix)
