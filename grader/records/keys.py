"""The key of this installation: it signs receipts and checkpoints, and proves later that they are ours."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from grader.errors import EnvironmentProblem

KEY_FILE: Final = "signing-key.pem"


_OTHERS: Final = 0o007
"""What everybody else on the machine may do with a file. A group may read: that is how services are given secrets."""


def need_private(*files: Path) -> None:
    """Refuse keys that lie open: whoever read one once can use it for ever.

    Raises:
        EnvironmentProblem: ``records.key_exposed``.
    """
    for file in files:
        if file.stat().st_mode & _OTHERS:
            raise EnvironmentProblem("records.key_exposed", file=str(file))


class Keys:
    """An Ed25519 key pair; ``id`` names the public key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public: Ed25519PublicKey = private.public_key()
        raw = self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new key pair in this folder, readable by its owner only; one that is there already is kept."""
        file = folder / KEY_FILE
        if not file.exists():
            private = Ed25519PrivateKey.generate()
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor with the mode it must have
                stream.write(pem)
                stream.flush()
                os.fsync(stream.fileno())
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The key pair of this folder.

        Raises:
            EnvironmentProblem: ``records.key_missing``, ``records.key_unreadable``.
        """
        file = folder / KEY_FILE
        try:
            private = load_pem_private_key(file.read_bytes(), password=None)
        except FileNotFoundError as problem:
            raise EnvironmentProblem("records.key_missing", file=str(file)) from problem
        except (OSError, ValueError) as problem:
            raise EnvironmentProblem("records.key_unreadable", file=str(file)) from problem
        if not isinstance(private, Ed25519PrivateKey):
            raise EnvironmentProblem("records.key_unreadable", file=str(file))
        return cls(private)

    def sign(self, message: bytes) -> str:
        """The signature of a message in base64."""
        return base64.b64encode(self._private.sign(message)).decode()

    def verify(self, message: bytes, signature: str) -> bool:
        """Whether this key signed that message."""
        try:
            self._public.verify(base64.b64decode(signature, validate=True), message)
        except (InvalidSignature, ValueError):
            return False
        return True
