"""Names of entries: how their bytes become text, and which of them are refused or dropped (rules S4, S5, S9)."""

import re
import unicodedata
import zlib

from grader.errors import SubmissionRejected
from grader.intake.limits import MAX_COMPONENT_BYTES, MAX_DEPTH, MAX_PATH_BYTES

DROPPED_NAMES = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        "__macosx",
        "node_modules",
        ".venv",
        "venv",
        "__pycache__",
        ".ds_store",
        ".pytest_cache",
        ".mypy_cache",
        ".idea",
        ".vscode",
    },
)
"""Names, casefolded, that are left out wherever they stand: version control, installed packages, caches, editors."""

VENDOR = "vendor"
VENDOR_MARKS = ("installed.json", "autoload_real.php")
"""Composer's folder of installed packages has one of these in its ``composer`` folder; other vendor folders stay."""

_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
# They reorder or break what a reviewer sees.
_DISPLAY_CONTROLS = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Vowels above and below, and tone marks: they stand on a letter, never first.
_THAI_MARKS = frozenset(
    "\u0e31\u0e34\u0e35\u0e36\u0e37\u0e38\u0e39\u0e3a\u0e47\u0e48\u0e49\u0e4a\u0e4b\u0e4c\u0e4d\u0e4e"
)
_MAX_SHOWN = 120


def shown(name: str) -> str:
    """Return a name that is safe to print anywhere: control characters escaped, long names cut in the middle."""
    if len(name) > _MAX_SHOWN:
        name = f"{name[: _MAX_SHOWN // 2]}…{name[-_MAX_SHOWN // 2 :]}"
    return "".join(_escaped(character) for character in name)


def _escaped(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs") or character in _DISPLAY_CONTROLS:
        return f"\\x{ord(character):02x}"
    return character


def decode(raw: bytes, *, utf8_flag: bool, unicode_path: bytes | None) -> tuple[str, bool]:
    """Return the name as text, and whether its encoding had to be guessed (the trainee is shown guessed names).

    Order: the UTF-8 flag, strict UTF-8, the Unicode path that WinRAR and Info-ZIP add, cp874 as Windows writes it in
    Thailand; else ``archive.bad_name``. A Unicode path that contradicts a readable name is ``archive.ambiguous``.
    """
    alternative = _unicode_path(raw, unicode_path)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        if utf8_flag:
            raise _bad(raw.decode("utf-8", "backslashreplace"), "encoding") from None
        return (alternative or _decode_thai(raw)), True
    if alternative is not None and alternative != name:
        raise SubmissionRejected("archive.ambiguous", why="names_differ", name=shown(name))
    return name, False


def _unicode_path(raw: bytes, block: bytes | None) -> str | None:
    """Read the Unicode path field: version 1, the check sum of the name it belongs to, the name in UTF-8."""
    if block is None:
        return None
    # A check sum that does not fit: a tool renamed the entry and left the field. Every reader ignores it then.
    if block[:1] != b"\x01" or int.from_bytes(block[1:5], "little") != zlib.crc32(raw):
        return None
    try:
        return block[5:].decode("utf-8")
    except UnicodeDecodeError:
        raise _bad(raw.decode("latin-1"), "encoding") from None


def _decode_thai(raw: bytes) -> str:
    escaped = raw.decode("ascii", "backslashreplace")
    try:
        name = raw.decode("cp874")
    except UnicodeDecodeError:
        raise _bad(escaped, "encoding") from None
    before = ""
    for character in name:
        # Text of another code page gives marks without a letter, or the signs that cp874 puts outside the Thai block.
        misplaced = character in _THAI_MARKS and not "\u0e01" <= before <= "\u0e4e"
        if misplaced or (character > "\x7f" and not "\u0e01" <= character <= "\u0e5b"):
            raise _bad(escaped, "encoding")
        before = character
    return name


def _bad(name: str, why: str) -> SubmissionRejected:
    return SubmissionRejected("archive.bad_name", name=shown(name), why=why)


def split(name: str) -> tuple[tuple[str, ...], bool]:
    r"""Return the components of a name and whether it is a directory; both ``/`` and ``\`` separate.

    Windows PowerShell writes backslashes. Reading them as part of a name would hide folders, and the other way round.

    Raises:
        SubmissionRejected: ``archive.bad_name``, ``archive.absolute_path``, ``archive.path_traversal``.
    """
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cs") or character in _DISPLAY_CONTROLS:
            raise _bad(name, "control_character")
    path = name.replace("\\", "/")
    if path.startswith("/") or _DRIVE.match(path):
        raise SubmissionRejected("archive.absolute_path", name=shown(name))
    parts = path.split("/")
    if any(_climbs(part) for part in parts):
        raise SubmissionRejected("archive.path_traversal", name=shown(name))
    directory = parts[-1] in ("", ".")
    components = tuple(part for part in (parts[:-1] if directory else parts) if part != ".")
    if "" in components:
        raise _bad(name, "empty_component")
    if not components and not directory:
        raise _bad(name, "empty_component")
    return components, directory


def _climbs(part: str) -> bool:
    """Say whether a component is ``..`` for some reader: more dots, look-alike dots, trailing spaces."""
    for piece in re.split(r"[/\\]", unicodedata.normalize("NFKC", part)):
        bare = piece.strip(" ")
        if bare and not bare.strip(".") and (len(bare) > 1 or bare != part):
            return True
    return False


def vendor_of(components: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return Composer's folder of installed packages if this path is one that only such a folder has."""
    is_mark = components[-3:-1] == (VENDOR, "composer") and components[-1] in VENDOR_MARKS
    return components[:-2] if is_mark else None


def dropped_at(components: tuple[str, ...], vendors: frozenset[tuple[str, ...]] = frozenset()) -> int | None:
    """Return the index of the component by which the path is dropped by rule, or None; ``vendors`` are dropped too."""
    for index, component in enumerate(components):
        if component.casefold() in DROPPED_NAMES or (component == VENDOR and components[: index + 1] in vendors):
            return index
    return None


def check_size(components: tuple[str, ...]) -> None:
    """Refuse a path that is too long or too deep for any file system it may meet."""
    path = "/".join(components)
    longest = max((len(component.encode()) for component in components), default=0)
    if len(path.encode()) > MAX_PATH_BYTES or longest > MAX_COMPONENT_BYTES:
        raise SubmissionRejected("archive.path_too_long", name=shown(path), limit=MAX_PATH_BYTES)
    if len(components) > MAX_DEPTH:
        raise SubmissionRejected("archive.path_too_deep", name=shown(path), limit=MAX_DEPTH)


def folded(component: str) -> str:
    """Return what a file system that ignores case, accents' form or trailing dots takes the component for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", component).casefold()).rstrip(". ")


def check_portable(components: tuple[str, ...]) -> None:
    """Refuse names that another system would store under another name, or take for a device."""
    for component in components:
        if component.rstrip(". ") != component or _DEVICE.fullmatch(component):
            raise _bad("/".join(components), "not_portable")
