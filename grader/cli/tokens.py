"""Where the command keeps the tokens of servers: one file of the user's own, readable by nobody else."""

import json
import os
import sys
from pathlib import Path
from typing import Final

from grader.errors import UsageProblem

FOLDER: Final = "anamai-grader"
MARK: Final = "gt_"


def config_folder() -> Path:
    """The folder for what a user configures, as the platform has it."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / FOLDER
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / FOLDER
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / FOLDER


def token_for(server: str) -> str:
    """The token for a server: that of GRADER_TOKEN, else the one that was kept; "" without either."""
    return os.environ.get("GRADER_TOKEN", "").strip() or _kept().get(server, "")


def keep(server: str, token: str) -> Path:
    """Keep a token; the file is never, not for a moment, readable by others.

    Raises:
        UsageProblem: ``usage.path_unreadable``: the folder cannot be written.
    """
    file = _file()
    content = json.dumps({**_kept(), server: token}, indent=1, sort_keys=True)
    new = file.with_name(f"{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as target:
            target.write(content)
        new.replace(file)
    except OSError as problem:
        raise UsageProblem("usage.path_unreadable", path=str(file), reason=problem.strerror) from problem
    return file


def need_token(text: str) -> str:
    """A token as it was typed.

    Raises:
        UsageProblem: ``server.bad_token``.
    """
    token = text.strip()
    if not token.startswith(MARK) or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageProblem("server.bad_token")
    return token


def _file() -> Path:
    return config_folder() / "tokens.json"


def _kept() -> dict[str, str]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
