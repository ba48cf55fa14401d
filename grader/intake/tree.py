"""The plan of the normalised tree: which entries are kept, under which path, and what is said about the rest."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from grader.errors import SubmissionRejected
from grader.intake import names
from grader.intake.archive import check_entry
from grader.intake.limits import MAX_DIRECTORIES, MAX_DROPPED_SHOWN, MAX_FILES
from grader.intake.zipformat import FLAG_UTF8, Entry

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Files and directories in the order in which they are written; ``entry`` None is a directory."""

    members: tuple[tuple[str, Entry | None], ...]
    dropped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    decoded_names: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class _Draft:
    """What was collected so far. ``spelled`` maps the folded form of each path to its one spelling."""

    files: dict[Path, Entry] = field(default_factory=dict)
    directories: set[Path] = field(default_factory=set)
    listed: set[Path] = field(default_factory=set)
    spelled: dict[Path, Path] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    decoded_names: list[str] = field(default_factory=list)
    backslashes: bool = False


def plan(entries: Iterable[Entry]) -> Tree:
    """Decide about every entry before a byte of content is read.

    Raises:
        SubmissionRejected: codes of :mod:`grader.intake.names` and :func:`grader.intake.archive.check_entry`,
            ``archive.duplicate_name``, ``archive.too_many_files``, ``archive.empty`` (nothing is left).
    """
    draft = _Draft()
    named = [(entry, *_name(entry)) for entry in entries]
    vendors = frozenset(vendor for _, name, _ in named if (vendor := names.vendor_of(names.split(name)[0])))
    for entry, name, guessed in named:
        _take(draft, entry, name, guessed=guessed, vendors=vendors)
    for path in draft.spelled.values():
        names.check_portable(path)
    if not draft.files:
        raise SubmissionRejected("archive.empty")
    depth = _wrapping_folders(draft)
    notes = ["receipt.single_folder_unwrapped"] if depth else []
    if draft.backslashes:
        notes.append("receipt.backslash_paths")
    if any(len(path) == depth + 1 and path[-1].casefold() == "dockerfile" for path in draft.files):
        notes.append("receipt.dockerfile_ignored")
    members: dict[str, Entry | None] = {"/".join(path[depth:]): None for path in draft.directories if len(path) > depth}
    members |= {"/".join(path[depth:]): entry for path, entry in draft.files.items()}
    return Tree(
        members=tuple(sorted(members.items(), key=lambda member: member[0].encode())),
        dropped=tuple(sorted(draft.dropped.items()))[:MAX_DROPPED_SHOWN],
        notes=tuple(notes),
        decoded_names=tuple(draft.decoded_names),
    )


def _name(entry: Entry) -> tuple[str, bool]:
    return names.decode(entry.raw_name, utf8_flag=bool(entry.flags & FLAG_UTF8), unicode_path=entry.unicode_path)


def _take(draft: _Draft, entry: Entry, name: str, *, guessed: bool, vendors: frozenset[Path]) -> None:
    path, directory = names.split(name)
    at = names.dropped_at(path, vendors)
    if at is not None:
        draft.dropped.setdefault("/".join(path[: at + 1]), path[at].casefold())
        return
    check_entry(entry, name, directory=directory)
    names.check_size(path)
    draft.backslashes = draft.backslashes or "\\" in name
    if guessed:
        draft.decoded_names.append("/".join(path))
    if not path:  # "./", the folder itself
        return
    if path in draft.listed:
        raise SubmissionRejected("archive.duplicate_name", name=names.shown(name), other=names.shown(name))
    draft.listed.add(path)
    for length in range(1, len(path)):
        _spell(draft, path[:length])
        draft.directories.add(path[:length])
    _spell(draft, path)
    if directory:
        draft.directories.add(path)
    else:
        draft.files[path] = entry
    # A path that is both: a file in one entry, the folder of another.
    for candidate in (path[:length] for length in range(1, len(path) + 1)):
        if candidate in draft.files and candidate in draft.directories:
            shown = names.shown("/".join(candidate))
            raise SubmissionRejected("archive.duplicate_name", name=shown, other=shown)
    if len(draft.files) > MAX_FILES or len(draft.directories) > MAX_DIRECTORIES:
        raise SubmissionRejected("archive.too_many_files", limit=MAX_FILES)


def _spell(draft: _Draft, path: Path) -> None:
    """Keep one spelling for each path: two that differ in case or accents would be one file on other systems."""
    first = draft.spelled.setdefault(tuple(names.folded(component) for component in path), path)
    if first != path:
        one, other = sorted(("/".join(path), "/".join(first)))
        raise SubmissionRejected("archive.duplicate_name", name=names.shown(one), other=names.shown(other))


def _wrapping_folders(draft: _Draft) -> int:
    """Return how many folders hold everything else: zipping a folder, or unpacking and zipping it again, adds them."""
    depth = 0
    while len({path[: depth + 1] for path in draft.files}) == 1 and all(len(path) > depth + 1 for path in draft.files):
        top = next(iter(draft.files))[: depth + 1]
        if any(path[: depth + 1] != top for path in draft.directories if len(path) > depth):
            break
        depth += 1
    return depth
