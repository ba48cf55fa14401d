"""Whether the file of a backup is whole: every part is hashed and compared with the signed manifest."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError

from grader.errors import GraderError
from grader.records import Keys
from grader.records.blobs import CHUNK
from grader.records.keys import KEY_FILE
from grader.services.backups import MANIFEST, Manifest, Part

MANIFEST_BYTES: Final = 256 * 1024 * 1024
"""A longer manifest is not read: a million blobs need less."""
KEY_BYTES: Final = 64 * 1024

Keep: TypeAlias = Callable[[str, Iterator[bytes]], None]
"""Gets the name of a part and its content in pieces."""


class BackupUnusable(GraderError):
    """The backup cannot be used: it is damaged, cut off, of a later version, or keeps a promise no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What was found in a backup. ``wrong`` are ``part problem`` of all that does not hold; ``bytes`` were read.

    ``manifest`` is None when none can be read.
    """

    manifest: Manifest | None
    wrong: tuple[str, ...]
    bytes: int

    @property
    def holds(self) -> bool:
        """Whether the backup can be restored."""
        return not self.wrong

    def need(self) -> Manifest:
        """The manifest of a backup that holds.

        Raises:
            BackupUnusable: ``backup.damaged``.
        """
        if self.manifest is None or self.wrong:
            raise BackupUnusable("backup.damaged", part=self.wrong[0], count=len(self.wrong))
        return self.manifest


def parts_of(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Each part with its content in pieces. Content that is not asked for is passed over.

    Raises:
        tarfile.TarError, OSError: it ends too early, or is no archive.
    """
    with tarfile.open(path, mode="r:") as archive:
        while (member := archive.next()) is not None:
            source = archive.extractfile(member)
            if source is None:  # a folder, a link or a device: nothing that a backup has
                yield member.name, iter(())
                continue
            with source:
                yield member.name, iter(lambda file=source: file.read(CHUNK), b"")  # type: ignore[misc]
            archive.members.clear()  # type: ignore[attr-defined]


def prove(path: Path, keep: Keep | None = None) -> Proof:
    """Read a backup from end to end and compare it with its manifest; ``keep`` gets every part but the manifest."""
    found, wrong, small = dict[str, Part](), list[str](), dict[str, bytes]()
    try:
        for name, chunks in parts_of(path):
            if name in found:
                wrong.append(f"{name} twice")
            seen = _Seen(chunks, most={MANIFEST: MANIFEST_BYTES, KEY_FILE: KEY_BYTES}.get(name, 0))
            if keep is not None and name != MANIFEST:
                keep(name, iter(seen))
            for _ in seen:
                pass
            found[name] = Part(name=name, size=seen.size, sha256=seen.digest.hexdigest())
            small[name] = bytes(seen.kept)
    except (tarfile.TarError, EOFError, OSError) as problem:
        wrong.append(f"{path.name} {type(problem).__name__}")
    total = sum(part.size for part in found.values())
    try:
        manifest = Manifest.model_validate_json(small.get(MANIFEST, b""))
    except ValidationError:
        return Proof(manifest=None, wrong=(*wrong, f"{MANIFEST} missing_or_changed"), bytes=total)
    wrong += _differences(manifest, found)
    wrong += [] if _genuine(manifest, small.get(KEY_FILE, b"")) else [f"{MANIFEST} signature"]
    return Proof(manifest=manifest, wrong=tuple(wrong), bytes=total)


class _Seen:
    """Pieces that are measured as they pass; the first ``most`` bytes are kept."""

    def __init__(self, chunks: Iterator[bytes], *, most: int) -> None:
        self._chunks, self._most = chunks, most
        self.digest, self.size, self.kept = hashlib.sha256(), 0, bytearray()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.digest.update(chunk)
            self.size += len(chunk)
            self.kept += chunk[: self._most - len(self.kept)]
            yield chunk


def _differences(manifest: Manifest, found: Mapping[str, Part]) -> list[str]:
    promised = {part.name: part for part in manifest.parts}
    wrong = [f"{name} missing" for name in promised if name not in found]
    wrong += [f"{name} unexpected" for name in found if name not in promised and name != MANIFEST]
    wrong += [f"{name} changed" for name, part in promised.items() if name in found and found[name] != part]
    return wrong


def _genuine(manifest: Manifest, pem: bytes) -> bool:
    try:
        private = load_pem_private_key(pem, password=None)
    except ValueError:
        return False
    if not isinstance(private, Ed25519PrivateKey):
        return False
    keys = Keys(private)
    return keys.id == manifest.key and keys.verify(manifest.signed(), manifest.signature)
