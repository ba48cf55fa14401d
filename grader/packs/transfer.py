"""The graded files of a pack: what its digest covers and what travels to the probe.

Everything in the folder decides a verdict, but for what is listed here: samples and starter, the briefs and README
(people read them), hidden files and caches.
"""

import hashlib
import io
import tarfile
from pathlib import Path, PurePosixPath

from grader.errors import InfrastructureFault, PackInvalid
from grader.packs.model import Pack

UNGRADED_FOLDERS = frozenset({"samples", "starter"})
UNGRADED_FILES = frozenset({"brief.th.md", "brief.en.md", "README.md"})
MAX_GRADED_BYTES = 8 * 1024 * 1024
"""The graded files travel to the probe as one line of base64."""
MAX_GRADED_FILES = 500

UNIVERSAL = Path(__file__).with_name("universal.toml")
"""The engine's own checks; part of every digest, because they decide verdicts too."""


def graded_files(root: Path) -> tuple[str, ...]:
    """The graded files as sorted paths inside the pack, with ``/``.

    Raises:
        PackInvalid: ``pack.link`` (a symbolic link or special file) or ``pack.too_large``.
    """
    found: list[str] = []
    total = 0
    for path in sorted(root.rglob("*")):
        inside = PurePosixPath(path.relative_to(root).as_posix())
        if not _is_graded(inside):
            continue
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise PackInvalid(
                "pack.link",
                file=str(inside),
                problem=f"{inside} is not a regular file",
                fix="Replace the link by a copy of the file: a pack must be whole in one folder.",
            )
        if path.is_file():
            found.append(str(inside))
            total += path.stat().st_size
    if total > MAX_GRADED_BYTES or len(found) > MAX_GRADED_FILES:
        raise PackInvalid(
            "pack.too_large",
            file="",
            problem=f"{len(found)} graded files with {total} bytes; at most {MAX_GRADED_FILES} and {MAX_GRADED_BYTES}",
            fix="Let world.py make the data from the seed instead of shipping it.",
        )
    return tuple(sorted(found))


def _is_graded(inside: PurePosixPath) -> bool:
    parts = inside.parts
    if any(part.startswith(".") or part == "__pycache__" for part in parts) or inside.suffix == ".pyc":
        return False
    return parts[0] not in UNGRADED_FOLDERS and str(inside) not in UNGRADED_FILES


def digest(root: Path) -> str:
    """``sha256:`` over the sorted graded files, each as path and content hash, and over the engine's own checks."""
    whole = hashlib.sha256()
    entries = [(name, root / name) for name in graded_files(root)]
    for name, path in [*entries, ("engine/universal.toml", UNIVERSAL)]:
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def pack_tar(pack: Pack) -> bytes:
    """The graded files of a pack as a tar that is the same on every machine: sorted, owner 0, time 0."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in graded_files(pack.root):
            content = (pack.root / name).read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack_pack(data: bytes, folder: Path) -> Path:
    """Write what :func:`pack_tar` made into ``folder``, which must be empty or new; gives ``folder``.

    Raises:
        InfrastructureFault: ``infrastructure.pack_transfer``: the bytes are not such a tar, so the transfer is broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            total = 0
            for place, member in enumerate(tar):
                total += member.size
                _refuse_unsafe(member, place=place, total=total)
                content = tar.extractfile(member)
                assert content is not None
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                # "x": a name that stands twice, or a file that was there, is an error and nothing is overwritten.
                with target.open("xb") as file:
                    file.write(content.read())
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InfrastructureFault("infrastructure.pack_transfer", problem=str(error)) from error
    return folder


def _refuse_unsafe(member: tarfile.TarInfo, *, place: int, total: int) -> None:
    inside = PurePosixPath(member.name)
    problem = ""
    if not member.isreg():
        problem = "not a regular file"
    elif inside.is_absolute() or ".." in inside.parts or "\\" in member.name or not inside.parts:
        problem = "a path that leaves the folder"
    elif total > MAX_GRADED_BYTES or place >= MAX_GRADED_FILES:
        problem = "too large"
    if problem:
        raise InfrastructureFault("infrastructure.pack_transfer", problem=f"{member.name[:200]!r}: {problem}")
