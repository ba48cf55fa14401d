"""Our own reading of a zip: central directory and local headers, byte by byte, with no tolerance.

An archive is accepted only if every byte of it belongs to exactly one structure (rule S6): the entries follow each
other from the first byte, the central directory follows the last entry and the end record closes the file. That
excludes prepended and appended bytes, gaps, overlaps and headers that tell two stories, whichever tool reads them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from grader.errors import SubmissionRejected
from grader.intake.limits import MAX_ENTRIES, MAX_FILES

LOCAL_SIGNATURE = b"PK\x03\x04"
END_SIGNATURE = b"PK\x05\x06"

_CENTRAL_SIGNATURE = b"PK\x01\x02"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR64_SIGNATURE = b"PK\x06\x07"
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_EXTRA_HEADER = struct.Struct("<2H")
_MAX_COMMENT = 0xFFFF
_FULL16 = 0xFFFF
_FULL32 = 0xFFFFFFFF

FLAG_ENCRYPTED = 0x0001
FLAG_DESCRIPTOR = 0x0008
FLAG_PATCHED = 0x0020
FLAG_STRONG = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED = 0x2000
# Bits that change how an entry is read; the others are hints of the compressor and differ between honest headers.
_FLAGS_COMPARED = FLAG_ENCRYPTED | FLAG_DESCRIPTOR | FLAG_PATCHED | FLAG_STRONG | FLAG_UTF8 | FLAG_MASKED

EXTRA_ZIP64 = 0x0001
EXTRA_UNICODE_PATH = 0x7075
EXTRA_AES = 0x9901


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry as both of its headers describe it. Offsets count from the start of the archive."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    attributes: int
    header_offset: int
    data_offset: int
    unicode_path: bytes | None
    aes: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    entries: int
    directory_offset: int
    directory_end: int


def read_entries(data: bytes) -> list[Entry]:
    """List the entries of the zip in the order of its central directory.

    Raises:
        SubmissionRejected: ``archive.not_zip``, ``archive.empty``, ``archive.corrupt`` (truncated),
            ``archive.ambiguous`` (``why`` says which structure disagrees), ``archive.too_many_files``.
    """
    if not data:
        raise SubmissionRejected("archive.empty")
    tail = max(0, len(data) - _END.size - _MAX_COMMENT)
    if not data.startswith((LOCAL_SIGNATURE, END_SIGNATURE)):
        # Other tools would still open it: they look for the end record only.
        if data.rfind(END_SIGNATURE, tail) >= 0:
            raise _ambiguous("bytes_before_archive")
        raise SubmissionRejected("archive.not_zip")
    end = _read_end(data, tail)
    if end.entries > MAX_ENTRIES:
        raise SubmissionRejected("archive.too_many_files", limit=MAX_FILES)
    if end.entries == 0 and end.directory_end == end.directory_offset == 0:
        raise SubmissionRejected("archive.empty")
    headers = list(_central_headers(data, end))
    return _with_local_headers(data, headers, end)


def _ambiguous(why: str, name: bytes = b"") -> SubmissionRejected:
    shown = name[:120].decode("ascii", "backslashreplace")
    return SubmissionRejected("archive.ambiguous", why=why, name=shown)


def _read_end(data: bytes, tail: int) -> _End:
    """Find the one end record that closes the file exactly."""
    last = data.rfind(END_SIGNATURE, tail)
    if last < 0:
        raise SubmissionRejected("archive.corrupt", why="truncated", name="")
    fitting = [at for at in _positions(data, END_SIGNATURE, tail) if _closes(data, at)]
    if fitting != [last]:
        raise _ambiguous("bytes_after_archive" if not fitting else "two_end_records")
    _, disk, start_disk, here, entries, size, offset, _ = _END.unpack_from(data, last)
    directory_end = last
    if last >= _LOCATOR64.size and data.startswith(_LOCATOR64_SIGNATURE, last - _LOCATOR64.size):
        directory_end, here64, entries64, size64, offset64 = _read_end64(data, last - _LOCATOR64.size)
        for short, wide, full in (
            (here, here64, _FULL16),
            (entries, entries64, _FULL16),
            (size, size64, _FULL32),
            (offset, offset64, _FULL32),
        ):
            if short not in (wide, full):
                raise _ambiguous("end_records_differ")
        here, entries, size, offset = here64, entries64, size64, offset64
    if disk or start_disk or here != entries:
        raise _ambiguous("several_volumes")
    if offset + size != directory_end:
        raise _ambiguous("directory_position")
    return _End(entries=entries, directory_offset=offset, directory_end=directory_end)


def _positions(data: bytes, signature: bytes, start: int) -> Iterator[int]:
    at = data.find(signature, start)
    while at >= 0:
        yield at
        at = data.find(signature, at + 1)


def _closes(data: bytes, at: int) -> bool:
    """Say whether the end record at ``at``, with its comment, ends where the file ends."""
    if at + _END.size > len(data):
        return False
    comment = int.from_bytes(data[at + _END.size - 2 : at + _END.size], "little")
    return at + _END.size + comment == len(data)


def _read_end64(data: bytes, locator: int) -> tuple[int, int, int, int, int]:
    """Return (position, entries here, entries, directory size, directory offset) of the zip64 end record."""
    _, disk, at, disks = _LOCATOR64.unpack_from(data, locator)
    if disk or disks > 1 or at + _END64.size > locator or not data.startswith(_END64_SIGNATURE, at):
        raise _ambiguous("zip64_end_record")
    _, length, _, _, disk, start_disk, here, entries, size, offset = _END64.unpack_from(data, at)
    if disk or start_disk or at + 12 + length != locator:
        raise _ambiguous("zip64_end_record")
    return at, here, entries, size, offset


@dataclass(frozen=True, kw_only=True, slots=True)
class _Central:
    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    attributes: int
    header_offset: int
    extra: dict[int, bytes]


def _central_headers(data: bytes, end: _End) -> Iterator[_Central]:
    at = end.directory_offset
    for _ in range(end.entries):
        if at + _CENTRAL.size > end.directory_end or not data.startswith(_CENTRAL_SIGNATURE, at):
            raise _ambiguous("entry_count")
        fields = _CENTRAL.unpack_from(data, at)
        _, _, _, flags, method, _, _, crc, compressed, size = fields[:10]
        name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
        name_at = at + _CENTRAL.size
        extra_at = name_at + name_length
        at = extra_at + extra_length + comment_length
        if at > end.directory_end:
            raise _ambiguous("directory_length")
        raw_name = data[name_at:extra_at]
        extra = _extra_fields(data[extra_at : extra_at + extra_length], raw_name)
        size, compressed, offset = _widen(extra, (size, compressed, offset), raw_name)
        if disk:
            raise _ambiguous("several_volumes", raw_name)
        yield _Central(
            raw_name=raw_name,
            flags=flags,
            method=method,
            crc=crc,
            compressed=compressed,
            size=size,
            attributes=attributes,
            header_offset=offset,
            extra=extra,
        )
    if at != end.directory_end:
        raise _ambiguous("entry_count")


def _extra_fields(extra: bytes, name: bytes) -> dict[int, bytes]:
    """Split an extra field into its blocks; a kind that occurs twice has two readings."""
    blocks: dict[int, bytes] = {}
    at = 0
    while at + _EXTRA_HEADER.size <= len(extra):
        kind, length = _EXTRA_HEADER.unpack_from(extra, at)
        at += _EXTRA_HEADER.size
        known = kind in (EXTRA_ZIP64, EXTRA_UNICODE_PATH, EXTRA_AES)
        if at + length > len(extra) or (known and kind in blocks):
            raise _ambiguous("extra_field", name)
        blocks[kind] = extra[at : at + length]
        at += length
    if extra[at:].strip(b"\0"):
        raise _ambiguous("extra_field", name)
    return blocks


def _widen(extra: dict[int, bytes], values: tuple[int, ...], name: bytes) -> tuple[int, ...]:
    """Replace each saturated 32-bit value by the next 64-bit value of the zip64 block."""
    block = extra.get(EXTRA_ZIP64, b"")
    wide = []
    for value in values:
        if value != _FULL32 or EXTRA_ZIP64 not in extra:
            wide.append(value)
            continue
        if len(block) < 8:  # noqa: PLR2004 - a 64-bit value
            raise _ambiguous("zip64_field", name)
        wide.append(int.from_bytes(block[:8], "little"))
        block = block[8:]
    return tuple(wide)


def _with_local_headers(data: bytes, headers: list[_Central], end: _End) -> list[Entry]:
    """Read each local header at the only place where it may be, and compare it with the central one."""
    order = sorted(range(len(headers)), key=lambda index: headers[index].header_offset)
    starts = [headers[index].header_offset for index in order] + [end.directory_offset]
    if starts[0] != 0:
        raise _ambiguous("bytes_before_archive")
    entries: dict[int, Entry] = {}
    for index, following in zip(order, starts[1:], strict=True):
        entries[index] = _read_local(data, headers[index], following)
    return [entries[index] for index in range(len(headers))]


def _read_local(data: bytes, central: _Central, following: int) -> Entry:
    at, name = central.header_offset, central.raw_name
    if at + _LOCAL.size > following or not data.startswith(LOCAL_SIGNATURE, at):
        raise _ambiguous("local_header", name)
    _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = _LOCAL.unpack_from(data, at)
    name_at = at + _LOCAL.size
    data_at = name_at + name_length + extra_length
    data_end = data_at + central.compressed
    if data_end > following:
        raise _ambiguous("overlap", name)
    if data[name_at : name_at + name_length] != name:
        raise _ambiguous("names_differ", name)
    extra = _extra_fields(data[name_at + name_length : data_at], name)
    size, compressed = _widen(extra, (size, compressed), name)
    if method != central.method or (flags ^ central.flags) & _FLAGS_COMPARED:
        raise _ambiguous("headers_differ", name)
    wanted = (central.crc, central.compressed, central.size)
    streamed = bool(flags & FLAG_DESCRIPTOR)
    for local_value, central_value in zip((crc, compressed, size), wanted, strict=True):
        if local_value != central_value and not (streamed and local_value == 0):
            raise _ambiguous("headers_differ", name)
    if following != data_end and not (streamed and _is_descriptor(data[data_end:following], wanted)):
        raise _ambiguous("gap", name)
    if streamed and following == data_end and (crc, compressed, size) != wanted:
        raise _ambiguous("descriptor_missing", name)
    return Entry(
        raw_name=name,
        flags=flags,
        method=method,
        crc=central.crc,
        compressed=central.compressed,
        size=central.size,
        attributes=central.attributes,
        header_offset=at,
        data_offset=data_at,
        unicode_path=_unicode_path(central, extra),
        aes=EXTRA_AES in extra or EXTRA_AES in central.extra,
    )


def _unicode_path(central: _Central, local: dict[int, bytes]) -> bytes | None:
    """Return the block with the name in Unicode; the local header may leave it out, but not say something else."""
    block = central.extra.get(EXTRA_UNICODE_PATH)
    if local.get(EXTRA_UNICODE_PATH, block) != block:
        raise _ambiguous("names_differ", central.raw_name)
    return block


def _is_descriptor(found: bytes, wanted: tuple[int, int, int]) -> bool:
    """Say whether the bytes after an entry are its data descriptor, in one of the four shapes that tools write."""
    shapes = ("<3L", "<L2Q")
    expected = [struct.pack(shape, *wanted) for shape in shapes if max(wanted) <= _FULL32]
    return found in expected or found in [_DESCRIPTOR_SIGNATURE + body for body in expected]
