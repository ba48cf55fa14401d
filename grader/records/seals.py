"""The key that second factors are kept under. It seals what has to be read again, and is used for nothing else.

It lies in a file beside the records and not in the database: whoever reads the tables alone, or a dump of them, gets no
second factor. The file holds one key a line; the first one seals, all of them open, so that a new one can be put before
the old one.
"""

import base64
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from grader.errors import EnvironmentProblem

SEAL_FILE: Final = "second-factor.key"
_BETWEEN: Final = "\0"
_LEAST_DIFFERENT: Final = 16
"""Different bytes in a key of 32: of one that was drawn there are about 30, of one that somebody made up few."""


class Unsealable(Exception):
    """What came was sealed by no key of ours, for another purpose or owner, or too long ago."""


class Seals:
    """The keys of one installation."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new key in this folder, readable by its owner only; what is there already is kept."""
        with suppress(FileExistsError):
            descriptor = os.open(folder / SEAL_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor with the mode it must have
                stream.write(Fernet.generate_key() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The keys of this folder.

        Raises:
            EnvironmentProblem: ``records.seal_unusable``: there are none, or they cannot be read.
        """
        file = folder / SEAL_FILE
        try:
            keys = file.read_bytes().split()
            if any(len(set(base64.urlsafe_b64decode(key))) < _LEAST_DIFFERENT for key in keys):
                raise EnvironmentProblem("records.seal_unusable", file=str(file))
            return cls(keys)
        except (OSError, ValueError) as problem:
            raise EnvironmentProblem("records.seal_unusable", file=str(file)) from problem

    def seal(self, secret: str, *, purpose: str, owner: str, at: datetime) -> str:
        """The secret as nobody else can read it; it opens for this purpose and owner only."""
        plain = _BETWEEN.join((purpose, owner, secret)).encode()
        return self._keys.encrypt_at_time(plain, int(at.timestamp())).decode("ascii")

    def open(self, sealed: str, *, purpose: str, owner: str, lasts: timedelta | None = None, at: datetime) -> str:
        """The secret again, if it was sealed at most so long ago.

        Raises:
            Unsealable: it is none of ours.
        """
        try:
            token = sealed.encode("ascii")
            plain = (
                self._keys.decrypt(token)
                if lasts is None
                else self._keys.decrypt_at_time(token, int(lasts.total_seconds()), int(at.timestamp()))
            )
        except (InvalidToken, UnicodeEncodeError) as problem:
            raise Unsealable from problem
        found_purpose, found_owner, secret = plain.decode().split(_BETWEEN)
        if (found_purpose, found_owner) != (purpose, owner):
            raise Unsealable
        return secret
