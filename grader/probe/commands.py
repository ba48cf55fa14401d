"""The lines that come into the probe: one JSON object each, naming its command."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, Field, TypeAdapter, field_validator

from grader.evidence import Frozen

MAX_COMMAND_BYTES = 32_000_000


class AgencyAccess(Frozen):
    """How the probe reaches an agency: as the owner of its data.

    ``dsn`` is the database's, or the base URL that the app uses for a REST agency; ``app_role`` is the account that the
    app uses in a database. ``control`` is the URL of the agency's control side and ``token`` what it asks for.
    ``app_token`` is the app's credential at a REST agency.
    """

    engine: str
    dsn: str = ""
    app_role: str = "app"
    control: str = ""
    token: str = ""
    app_token: str = ""


class Load(Frozen):
    """Take this exercise (base64 of a tar), build its world and put the guard before the app."""

    command: Literal["load"]
    pack: Base64Bytes
    seed: int
    agencies: dict[str, AgencyAccess] = Field(default_factory=dict)
    app: str


class Seed(Frozen):
    """Create and fill the agencies; later again: put the world's rows back."""

    command: Literal["seed"]


class Ready(Frozen):
    """Wait until GET /healthz answers 200; ``timeout`` in seconds."""

    command: Literal["ready"]
    timeout: float = Field(default=60.0, gt=0, le=600)


class Examine(Frozen):
    """Run one check family; ``only`` names the checks that are wanted (None: all)."""

    command: Literal["contract", "scenarios", "universal", "privacy"]
    only: frozenset[str] | None = None


class OneRequest(Frozen):
    """Send one request through the guard and tell what came back."""

    command: Literal["request"]
    method: str = "GET"
    path: str
    headers: dict[str, str] = Field(default_factory=dict)
    body: str = ""

    @field_validator("path")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        if not PurePosixPath(path).is_absolute():
            message = "a path begins with /"
            raise ValueError(message)
        return path


class Reply(Frozen):
    """What came of something that the probe asked for; valid only while it waits for it."""

    command: Literal["reply"]
    reply: dict[str, Any]


class Ping(Frozen):
    """Say that you are there."""

    command: Literal["ping"]


class Shutdown(Frozen):
    """Close everything and end."""

    command: Literal["shutdown"]


Command = Load | Seed | Ready | Examine | OneRequest | Ping | Shutdown
COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="command")])
