"""A tar writer with one possible output for a given tree: owner 0, modes 0644 and 0755, time 0, pax names where needed.

It is our own because the process that reads a submission must not hold ``tarfile`` (rule S1), and because the bytes are
the content hash: a change of a library's writer must not change the hash of a submission.
"""

from collections.abc import Callable

BLOCK_BYTES = 512
_NAME_BYTES = 100
_FILE, _DIRECTORY, _PAX = b"0", b"5", b"x"


class TarStream:
    """Writes members one after the other; ``write`` takes all bytes it is given."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._left = 0
        self._padding = 0

    def directory(self, path: str) -> None:
        """Add a directory."""
        self._member(path + "/", 0, _DIRECTORY, mode=0o755)

    def file(self, path: str, size: int) -> None:
        """Begin a file; exactly ``size`` bytes must follow through :meth:`add`."""
        self._member(path, size, _FILE, mode=0o644)
        self._left, self._padding = size, -size % BLOCK_BYTES
        self._pad()

    def add(self, chunk: bytes) -> None:
        """Add bytes to the file that was begun last.

        Raises:
            ValueError: more bytes than announced.
        """
        if len(chunk) > self._left:
            message = "more bytes than announced"
            raise ValueError(message)
        self._left -= len(chunk)
        self._write(chunk)
        self._pad()

    def close(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK_BYTES))

    def _pad(self) -> None:
        if not self._left and self._padding:
            self._write(bytes(self._padding))
            self._padding = 0

    def _member(self, path: str, size: int, kind: bytes, *, mode: int) -> None:
        if self._left:
            message = "the last file is not complete"
            raise ValueError(message)
        name = path.encode()
        if len(name) > _NAME_BYTES or not name.isascii():
            record = _pax_record(b"path", name)
            self._write(_header(b"pax", len(record), _PAX, mode=0o644) + record + bytes(-len(record) % BLOCK_BYTES))
            name = path.encode("ascii", "replace")[:_NAME_BYTES]
        self._write(_header(name, size, kind, mode=mode))


def _pax_record(key: bytes, value: bytes) -> bytes:
    r"""Return ``length key=value\n``, where the length counts its own digits."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    if len(str(length)) != len(str(len(body))):
        length += 1
    return str(length).encode() + body


def _header(name: bytes, size: int, kind: bytes, *, mode: int) -> bytes:
    fields = (
        name.ljust(100, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,
        kind,
        bytes(100),
        b"ustar\x0000",
        bytes(32 + 32),
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        bytes(155 + 12),
    )
    header = b"".join(fields)
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]
