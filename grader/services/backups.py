"""The file of a backup: what is in it, and how rows are written.

It is a tar archive of plain files, so that any tool can open it in ten years:

* ``tables/<table>/<number>.jsonl``: rows, one JSON object a line, at most a few MiB a file;
* ``blobs/<sha256>``: every content that a row of the snapshot names;
* ``signing-key.pem``, ``second-factor.key``, ``audit-checkpoints.txt``;
* ``manifest.json``, the last one: it lists all others with their SHA-256, and is signed.

Rows do not know which engine they came from: what was kept by SQLite can be restored into PostgreSQL.
"""

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, BinaryIO, Final, Literal, TypeAlias

from pydantic import Field
from sqlalchemy import JSON, Boolean, Column, Date, Integer, LargeBinary, String
from sqlalchemy.types import TypeEngine

from grader.evidence import Frozen
from grader.kpi.fiscal import Moment
from grader.records.columns import UtcMoment

PART_BYTES: Final = 4 * 1024 * 1024
"""About so many bytes of rows go into one file, and so many are held in memory."""
MANIFEST: Final = "manifest.json"

Kind: TypeAlias = Literal["text", "int", "bool", "json", "date", "moment", "bytes"]
"""What a column holds, in words that outlive both the models and the engine."""

KINDS: Final[tuple[tuple[Kind, TypeEngine[Any]], ...]] = (
    ("moment", UtcMoment()),
    ("json", JSON(none_as_null=True)),
    ("bytes", LargeBinary()),
    ("bool", Boolean()),
    ("date", Date()),
    ("int", Integer()),
    ("text", String()),
)
"""Each kind with the type that binds it; the first that fits a column is its kind."""

Row: TypeAlias = Mapping[str, Any]


class Part(Frozen):
    """One file of a backup; ``size`` in bytes."""

    name: str
    size: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Table(Frozen):
    """How a table was written: its columns with their kinds, in order, and the number of its rows."""

    columns: dict[str, Kind]
    rows: int


class Manifest(Frozen):
    """What a backup holds. ``as_of``: everything that was acknowledged before that moment is in it.

    ``revision`` is that of the schema, ``program`` the version that wrote it. ``audit_number`` and ``audit_hash`` are
    those of the last entry of the chain, ``key`` names the key that signed.
    """

    format: Literal["backup/1"] = "backup/1"
    revision: str
    program: str
    engine: str
    as_of: Moment
    tables: dict[str, Table]
    blobs: int
    audit_number: int
    audit_hash: str
    parts: tuple[Part, ...]
    key: str
    signature: str = ""

    def signed(self) -> bytes:
        """What is signed: everything but the signature, as canonical JSON."""
        content = self.model_dump(mode="json", exclude={"signature"})
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """The SHA-256 by which this backup is known, in hex."""
        return hashlib.sha256(self.signed()).hexdigest()


# -- rows -------------------------------------------------------------------------------------------------------------


def kind_of(column: Column[Any]) -> Kind:
    """What a column holds; a type without a kind is a fault of the program that a test finds."""
    for kind, known in KINDS:
        if isinstance(column.type, type(known)):
            return kind
    message = f"{column} has a type that backups do not know"
    raise TypeError(message)


def to_line(row: Row, columns: Mapping[str, Kind]) -> bytes:
    """A row as one line of JSON; a lone surrogate, which an answer of an app may hold, survives it."""
    plain = {name: None if row[name] is None else _plain(kind, row[name]) for name, kind in columns.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def from_line(line: bytes, columns: Mapping[str, Kind]) -> dict[str, Any]:
    """The row of such a line, as the engine wants it."""
    plain = json.loads(line.decode("utf-8", "surrogatepass"))
    return {name: None if plain[name] is None else _typed(kind, plain[name]) for name, kind in columns.items()}


def _plain(kind: Kind, value: Any) -> Any:
    if kind == "moment":
        return value.isoformat(timespec="microseconds")
    if kind == "date":
        return value.isoformat()
    return base64.b64encode(value).decode() if kind == "bytes" else value


def _typed(kind: Kind, value: Any) -> Any:
    if kind == "moment":
        return datetime.fromisoformat(value)
    if kind == "date":
        return date.fromisoformat(value)
    return base64.b64decode(value) if kind == "bytes" else value


# -- writing ----------------------------------------------------------------------------------------------------------


class Writer:
    """Puts parts into a backup, one after the other; nothing of them stays in memory but their names and digests."""

    def __init__(self, file: BinaryIO, *, at: datetime) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - see finish
        self._at = at
        self.parts: list[Part] = []

    def add(self, name: str, content: bytes) -> None:
        """A small part."""
        self.stream(name, io.BytesIO(content), len(content))

    def stream(self, name: str, source: BinaryIO, size: int) -> Part:
        """A part that is read in pieces; returns what was really there.

        Raises:
            OSError: the file cannot be written, or the source ends before ``size`` bytes.
        """
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self._at.timestamp())
        watched = _Hashed(source)
        self._tar.addfile(info, watched)
        self._tar.members.clear()  # type: ignore[attr-defined]  # else every name is kept once more
        part = Part(name=name, size=size, sha256=watched.digest.hexdigest())
        self.parts.append(part)
        return part

    def rows(self, table: str, rows: Iterable[Row], columns: Mapping[str, Kind]) -> int:
        """The rows of a table; returns how many."""
        lines, count, number, size = list[bytes](), 0, 0, 0
        for row in rows:
            lines.append(to_line(row, columns))
            count, size = count + 1, size + len(lines[-1])
            if size >= PART_BYTES:
                number += 1
                self.add(_rows_name(table, number), b"".join(lines))
                lines, size = [], 0
        if lines:
            self.add(_rows_name(table, number + 1), b"".join(lines))
        return count

    def finish(self, manifest: Manifest) -> None:
        """The manifest, and the end of the archive."""
        self.add(MANIFEST, manifest.model_dump_json(indent=1).encode())
        self._tar.close()


class _Hashed:
    """A source whose bytes are hashed as they are read."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._source.read(size)
        self.digest.update(chunk)
        return chunk


def _rows_name(table: str, number: int) -> str:
    return f"tables/{table}/{number:06}.jsonl"
