"""The entries of an archive that two independent readings agree on, and their contents as a bounded stream."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from grader.errors import SubmissionRejected
from grader.intake.limits import CHUNK_BYTES
from grader.intake.names import decode, shown
from grader.intake.zipformat import (
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_PATCHED,
    FLAG_STRONG,
    FLAG_UTF8,
    Entry,
    read_entries,
)

STORED = 0
DEFLATED = 8
_METHOD_AES = 99
_DOS_DIRECTORY = 0x10
_DOS_VOLUME_LABEL = 0x08


def read_archive(data: bytes) -> list[Entry]:
    """List the entries of a zip, once by our own reading and once by the standard library's; both must be the same.

    Raises:
        SubmissionRejected: what :func:`grader.intake.zipformat.read_entries` refuses, and ``archive.ambiguous`` when
            the readings differ; ``archive.bad_name`` when a name is no text.
    """
    entries = read_entries(data)
    for entry in entries:
        decode(entry.raw_name, utf8_flag=bool(entry.flags & FLAG_UTF8), unicode_path=entry.unicode_path)
    if _standard_reading(data) != [_identity(entry) for entry in entries]:
        raise SubmissionRejected("archive.ambiguous", why="second_reading", name="")
    return entries


def _identity(entry: Entry) -> tuple[str, int, int, int, int, int, int]:
    """Return what both readings must agree on; the name decoded as the standard library does, to compare only."""
    encoding = "utf-8" if entry.flags & FLAG_UTF8 else "cp437"
    name = entry.raw_name.decode(encoding, "replace")
    return name, entry.header_offset, entry.compressed, entry.size, entry.crc, entry.method, entry.attributes


def _standard_reading(data: bytes) -> list[tuple[str, int, int, int, int, int, int]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [
                (
                    info.orig_filename,
                    info.header_offset,
                    info.compress_size,
                    info.file_size,
                    info.CRC,
                    info.compress_type,
                    info.external_attr,
                )
                for info in archive.infolist()
            ]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError, IndexError):
        raise SubmissionRejected("archive.ambiguous", why="second_reading", name="") from None


def check_entry(entry: Entry, name: str, *, directory: bool) -> None:
    """Refuse an entry that is no plain file or directory, is encrypted, or uses another method than 0 and 8.

    ``directory`` says what the name promises (a trailing slash); the attributes must not say otherwise.
    """
    kind = stat.S_IFMT(entry.attributes >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or entry.attributes & _DOS_VOLUME_LABEL:
        raise SubmissionRejected("archive.entry_type", name=shown(name), kind=_KINDS.get(kind, "special"))
    if entry.flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED) or entry.aes or entry.method == _METHOD_AES:
        raise SubmissionRejected("archive.encrypted", name=shown(name))
    if entry.method not in (STORED, DEFLATED) or entry.flags & FLAG_PATCHED:
        raise SubmissionRejected("archive.compression_method", name=shown(name), method=entry.method)
    marked_directory = kind == stat.S_IFDIR or (kind == 0 and bool(entry.attributes & _DOS_DIRECTORY))
    if (marked_directory and not directory) or (directory and (kind == stat.S_IFREG or entry.size)):
        raise SubmissionRejected("archive.ambiguous", why="file_or_directory", name=shown(name))


_KINDS = {
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def content(data: bytes, entry: Entry, name: str) -> Iterator[bytes]:
    """Yield what the entry contains, in chunks; never more than its header declares.

    Raises:
        SubmissionRejected: ``archive.bomb`` when more comes out than declared, ``archive.corrupt`` when less comes out,
            the stream is damaged or does not end where it should, or the check sum differs.
    """
    produced, crc = 0, 0
    for chunk in _chunks(data, entry, name):
        produced += len(chunk)
        if produced > entry.size:
            raise SubmissionRejected("archive.bomb", name=shown(name), declared=entry.size)
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if produced != entry.size:
        raise _corrupt("length", name)
    if crc != entry.crc:
        raise _corrupt("checksum", name)


def _corrupt(why: str, name: str) -> SubmissionRejected:
    return SubmissionRejected("archive.corrupt", why=why, name=shown(name))


def _chunks(data: bytes, entry: Entry, name: str) -> Iterator[bytes]:
    view = memoryview(data)[entry.data_offset : entry.data_offset + entry.compressed]
    if entry.method == STORED:
        for at in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[at : at + CHUNK_BYTES])
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for at in range(0, len(view), CHUNK_BYTES):
            pending: bytes | memoryview = view[at : at + CHUNK_BYTES]
            # One piece of input may yield a thousand times its size: it comes out in bounded chunks. A full chunk may
            # leave output inside the inflater even when all input was taken.
            while True:
                chunk = inflater.decompress(pending, CHUNK_BYTES)
                pending = inflater.unconsumed_tail
                if chunk:
                    yield chunk
                if inflater.eof or (not pending and len(chunk) < CHUNK_BYTES):
                    break
            if inflater.eof:
                break
    except zlib.error:
        raise _corrupt("deflate", name) from None
    consumed = min(len(view), at + CHUNK_BYTES) - len(inflater.unused_data) if len(view) else 0
    if not inflater.eof or consumed != len(view):
        raise _corrupt("deflate", name)
