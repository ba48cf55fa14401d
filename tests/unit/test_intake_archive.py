"""Archives: what is refused, and with which code."""

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from grader.errors import SubmissionRejected
from grader.intake import jail, limits
from grader.intake.tarstream import TarStream
from tests.fixtures.archives import DIRECTORY, PROJECT, Piece, deflate, forge, make_zip, project_pieces

HONEST = make_zip(PROJECT)


def examine(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Examine an archive in this process and return the report with the tar."""
    target = io.BytesIO()
    report = jail.examine(data, target.write)
    return report, target.getvalue()


def refusal(data: bytes) -> SubmissionRejected:
    """Return the refusal of an archive that must be refused."""
    with pytest.raises(SubmissionRejected) as caught:
        examine(data)
    return caught.value


def with_piece(**fields: Any) -> bytes:
    """Return the smallest project with one more, forged entry."""
    return forge(*project_pieces(Piece(**fields)))


def test_forged_project_is_accepted() -> None:
    """The forge tells the truth when nothing is overridden: the control of every test below."""
    report, _ = examine(with_piece(name=b"notes.txt", content=b"hello"))
    assert report["receipt"]["files"] == 3


REFUSED = {
    "no zip": (b"hello", "archive.not_zip"),
    "a tar": (b"main.py".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0"), "archive.not_zip"),
    "a rar": (b"Rar!\x1a\x07\x01\x00" + bytes(100), "archive.not_zip"),
    "nothing": (b"", "archive.empty"),
    "no entries": (make_zip({}), "archive.empty"),
    "folders only": (make_zip({"app/": b""}), "archive.empty"),
    "dropped only": (make_zip({".git/config": b"x", "node_modules/a.js": b"x"}), "archive.empty"),
    "traversal": (with_piece(name=b"../x"), "archive.path_traversal"),
    "traversal inside": (with_piece(name=b"a/../../x"), "archive.path_traversal"),
    "traversal with backslashes": (with_piece(name=b"..\\..\\x"), "archive.path_traversal"),
    "traversal with many dots": (with_piece(name=b"....//x"), "archive.path_traversal"),
    "traversal below a dropped folder": (with_piece(name=b".git/../../x"), "archive.path_traversal"),
    "full-width dots": (with_piece(name="\uff0e\uff0e/x".encode()), "archive.path_traversal"),
    "leader dots": (with_piece(name="\u2024\u2024/x".encode()), "archive.path_traversal"),
    "dots and a space": (with_piece(name=b".. /x"), "archive.path_traversal"),
    "absolute": (with_piece(name=b"/etc/cron.d/x"), "archive.absolute_path"),
    "share": (with_piece(name=b"//server/share/x"), "archive.absolute_path"),
    "drive": (with_piece(name=b"C:\\x"), "archive.absolute_path"),
    "drive without slash": (with_piece(name=b"C:x"), "archive.absolute_path"),
    "device path": (with_piece(name=b"\\\\?\\C:\\x"), "archive.absolute_path"),
    "NUL": (with_piece(name=b"a.py\0.txt"), "archive.bad_name"),
    "newline": (with_piece(name=b"x\r\nSet-Cookie: a"), "archive.bad_name"),
    "escape": (with_piece(name=b"\x1b[2J"), "archive.bad_name"),
    "right-to-left override": (with_piece(name="a\u202egpj.py".encode()), "archive.bad_name"),
    "undecodable": (with_piece(name=b"\xff\xfe.py"), "archive.bad_name"),
    "Shift JIS": (with_piece(name="日本.py".encode("shift_jis")), "archive.bad_name"),
    "surrogate": (with_piece(name=b"\xed\xa0\x80.py"), "archive.bad_name"),
    "bad UTF-8 with the flag": (with_piece(name=b"\xa1\xa2.py", flags=0x800), "archive.bad_name"),
    "device name": (with_piece(name=b"CON"), "archive.bad_name"),
    "trailing dot": (with_piece(name=b"notes."), "archive.bad_name"),
    "long path": (with_piece(name=b"a/" * 3_000 + b"x"), "archive.path_too_long"),
    "long component": (with_piece(name=b"a" * 300), "archive.path_too_long"),
    "deep path": (with_piece(name=b"a/" * 60 + b"x"), "archive.path_too_deep"),
    "same name": (with_piece(name=b"main.py"), "archive.duplicate_name"),
    "other case": (with_piece(name=b"Main.PY"), "archive.duplicate_name"),
    "trailing dot twin": (with_piece(name=b"main.py."), "archive.duplicate_name"),
    "file and folder": (with_piece(name=b"main.py/x"), "archive.duplicate_name"),
    "symlink": (with_piece(name=b"link", content=b"/etc/passwd", attributes=0o120777 << 16), "archive.entry_type"),
    "device": (with_piece(name=b"null", attributes=0o020666 << 16), "archive.entry_type"),
    "fifo": (with_piece(name=b"pipe", attributes=0o010666 << 16), "archive.entry_type"),
    "volume label": (with_piece(name=b"DISK", attributes=0x08), "archive.entry_type"),
    "encrypted": (with_piece(name=b"a", content=b"x", flags=1), "archive.encrypted"),
    "AES": (with_piece(name=b"a", content=b"x", method=99, flags=1), "archive.encrypted"),
    "bzip2": (with_piece(name=b"a", content=b"x", method=12), "archive.compression_method"),
    "lzma": (with_piece(name=b"a", content=b"x", method=14), "archive.compression_method"),
    "zstd": (with_piece(name=b"a", content=b"x", method=93), "archive.compression_method"),
    "prepended": (b"#!/bin/sh\n" + HONEST, "archive.ambiguous"),
    "prepended zip": (make_zip({"evil.py": b"x"}) + HONEST, "archive.ambiguous"),
    "appended": (HONEST + b"\n", "archive.ambiguous"),
    "end record in the comment": (forge(*project_pieces(), comment=HONEST[-22:]), "archive.ambiguous"),
    "gap": (forge(*project_pieces(), gap=b"hidden"), "archive.ambiguous"),
    "count too small": (forge(*project_pieces(), count=1), "archive.ambiguous"),
    "count too large": (forge(*project_pieces(), count=3), "archive.ambiguous"),
    "other local name": (with_piece(name=b"good", local={"name": b"evil"}), "archive.ambiguous"),
    "other local size": (with_piece(name=b"a", content=b"x", local={"size": 2}), "archive.ambiguous"),
    "other local method": (with_piece(name=b"a", content=b"x", local={"method": 8}), "archive.ambiguous"),
    "other local checksum": (with_piece(name=b"a", content=b"x", local={"crc": 1}), "archive.ambiguous"),
    "overlap": (with_piece(name=b"main.py", central={"offset": 0}), "archive.ambiguous"),
    "compressed size reaches out": (with_piece(name=b"a", central={"compressed": 99}), "archive.ambiguous"),
    "folder without slash": (with_piece(name=b"a", attributes=DIRECTORY), "archive.ambiguous"),
    "folder with content": (with_piece(name=b"a/", content=b"x", attributes=DIRECTORY), "archive.ambiguous"),
    "false descriptor": (
        with_piece(name=b"a", content=b"x", flags=8, descriptor=b"PK\x07\x08" + bytes(12)),
        "archive.ambiguous",
    ),
    "false checksum": (with_piece(name=b"a", content=b"x", central={"crc": 1}, local={"crc": 1}), "archive.corrupt"),
    "damaged stream": (with_piece(name=b"a", content=b"x" * 9, method=8, data=b"\xff\xff\xff"), "archive.corrupt"),
    "stream with a tail": (
        with_piece(name=b"a", content=b"x" * 99, method=8, data=deflate(b"x" * 99) + b"more"),
        "archive.corrupt",
    ),
    "fewer bytes than declared": (
        with_piece(name=b"a", method=8, data=deflate(b"x"), local={"size": 5}, central={"size": 5}),
        "archive.corrupt",
    ),
    "more bytes than declared": (
        with_piece(name=b"a", method=8, data=deflate(bytes(5_000_000)), local={"size": 5}, central={"size": 5}),
        "archive.bomb",
    ),
    "truncated": (HONEST[:-30], "archive.corrupt"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_hostile_archive_is_refused_with_its_code(data: bytes, code: str) -> None:
    """Each way in which an archive is wrong has its own stable code."""
    assert refusal(data).code == code


def test_refusal_names_the_entry_escaped() -> None:
    """The name in a refusal is printable whatever the archive says."""
    assert refusal(with_piece(name=b"../\x1b[2J")).params["name"] == "../\\x1b[2J"


def test_lying_header_cannot_hide_a_bomb() -> None:
    """A header that declares five bytes stops the stream at the first chunk beyond them."""
    content = bytes(30_000_000)
    data = with_piece(name=b"a", content=b"12345", method=8, data=deflate(content))
    target = io.BytesIO()
    with pytest.raises(SubmissionRejected) as caught:
        jail.examine(data, target.write)
    assert caught.value.code == "archive.bomb"
    assert target.tell() < 10_000


def test_unpacked_size_is_counted_while_streaming() -> None:
    """An honest archive of 240 MB in 240 KB is refused when 200 MB have come out, not after all of it."""
    half = bytes(120 * limits.MIB)
    data = make_zip({**PROJECT, "a.bin": half, "b.bin": half})
    written = 0

    def count(chunk: bytes) -> None:
        nonlocal written
        written += len(chunk)

    with pytest.raises(SubmissionRejected) as caught:
        jail.examine(data, count)
    assert caught.value.code == "archive.unpacked_too_large"
    assert written <= limits.MAX_UNPACKED_BYTES + limits.CHUNK_BYTES


def test_high_ratio_is_no_reason() -> None:
    """Twenty megabytes of zeros are accepted: limits count what comes out, not how well it was compressed."""
    report, _ = examine(make_zip({**PROJECT, "zeros.bin": bytes(20_000_000)}))
    assert report["receipt"]["size"] > 20_000_000


def test_too_many_files() -> None:
    """File 5 001 is refused, and 5 000 files are not."""
    files = {**PROJECT, **{f"data/{number}.txt": b"" for number in range(4_998)}}
    report, _ = examine(make_zip(files))
    assert report["receipt"]["files"] == 5_000
    assert refusal(make_zip({**files, "one/more.txt": b""})).code == "archive.too_many_files"


def test_entry_count_is_refused_before_the_directory_is_read() -> None:
    """Two hundred thousand entries are refused by the end record alone."""
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 200_000, 200_000, 0, 4)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0, 4, 0)
    assert refusal(b"PK\x03\x04" + end64 + locator + end).code == "archive.too_many_files"


def test_upload_limit_is_counted_by_the_jail(tmp_path: Path) -> None:
    """The jail stops reading one byte after 50 MB, whatever the parent believed."""
    path = tmp_path / "big.zip"
    with path.open("wb") as target:
        target.truncate(limits.MAX_ARCHIVE_BYTES + 1)
    with path.open("rb") as source, pytest.raises(SubmissionRejected) as caught:
        jail.read_upload(source.fileno())
    assert caught.value.code == "archive.too_large"


class Unseekable(io.RawIOBase):
    """A target that a writer can only append to, so that it writes data descriptors."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, chunk: Any) -> int:
        """Append."""
        self.written += bytes(chunk)
        return len(chunk)


@pytest.mark.parametrize("zip64", [False, True])
def test_streamed_archive_is_accepted(*, zip64: bool) -> None:
    """Data descriptors and zip64 fields, as streaming tools write them, are honest."""
    target = Unseekable()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PROJECT.items():
            with archive.open(name, "w", force_zip64=zip64) as member:
                member.write(content)
    assert target.written.count(b"PK\x07\x08") == len(PROJECT)
    report, _ = examine(target.written)
    assert report["receipt"]["files"] == 2


def test_comment_is_allowed() -> None:
    """Archives of code hosts carry the commit as the comment."""
    report, _ = examine(forge(*project_pieces(), comment=b"4b825dc642cb6eb9a060e54bf8d69288fbee4904"))
    assert report["runtime"] == "python"


def test_tar_is_normalised() -> None:
    """The tar is sorted, owned by nobody's name, without the archive's permissions and times, and has the contents."""
    pieces = (
        Piece(name=b"z/run.sh", content=b"#!/bin/sh\n", attributes=0o104777 << 16),
        *project_pieces(),
        Piece(name="ก".encode() * 40, content=b"thai", flags=0x800),
    )
    _, tar = examine(forge(*pieces))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
        contents = {member.name: archive.extractfile(member).read() for member in members if member.isfile()}  # type: ignore[union-attr]
    assert [member.name for member in members] == ["main.py", "requirements.txt", "z", "z/run.sh", "ก" * 40]
    assert {(member.uid, member.gid, member.mtime, member.uname) for member in members} == {(0, 0, 0, "")}
    assert {oct(member.mode) for member in members if member.isfile()} == {"0o644"}
    assert {oct(member.mode) for member in members if member.isdir()} == {"0o755"}
    assert contents == {**PROJECT, "z/run.sh": b"#!/bin/sh\n", "ก" * 40: b"thai"}


@pytest.mark.parametrize("length", range(80, 110))
def test_long_names_survive_the_tar(length: int) -> None:
    """Names around the limit of the header, where the pax record's own length changes its digits, come back whole."""
    target = io.BytesIO()
    stream = TarStream(target.write)
    stream.file("n" * length, 3)
    stream.add(b"abc")
    stream.close()
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as archive:
        assert archive.getnames() == ["n" * length]


def test_tar_stream_keeps_its_promise() -> None:
    """A file gets exactly the bytes that were announced."""
    stream = TarStream(lambda _: None)
    stream.file("a", 2)
    with pytest.raises(ValueError, match="more bytes"):
        stream.add(b"abc")
    with pytest.raises(ValueError, match="not complete"):
        stream.file("b", 0)


def test_second_reading_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the standard library sees another list than our own reading, the archive is refused."""
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda archive: archive.filelist[:-1])
    error = refusal(HONEST)
    assert (error.code, error.params["why"]) == ("archive.ambiguous", "second_reading")


def unicode_path(raw: bytes, name: str) -> bytes:
    """Return the extra field in which WinRAR and Info-ZIP repeat a name in UTF-8."""
    body = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + name.encode()
    return struct.pack("<2H", 0x7075, len(body)) + body


def test_unicode_path_must_not_contradict_the_name() -> None:
    """A readable name with a second name in Unicode beside it has two readings."""
    assert refusal(with_piece(name=b"good.py", extra=unicode_path(b"good.py", "evil.py"))).code == "archive.ambiguous"
    report, _ = examine(with_piece(name=b"good.py", extra=unicode_path(b"good.py", "good.py")))
    assert report["receipt"]["files"] == 3
