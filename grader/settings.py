"""Where things are and what this machine differs in; frozen, read by entry points only.

Every setting is an environment variable ``GRADER_<NAME>``; lower stages receive plain values.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageProblem
from grader.services.addresses import GitHosts

LANGUAGES = ("th", "en")

_LONGEST_DAYS = 36_500
_HOST = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}(?::[0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process."""

    home: Path
    """GRADER_HOME: the folder that holds ``exercises/``, ``sandboxes/`` and ``constraints.txt``."""
    language: str
    """GRADER_LANG: ``th`` or ``en``."""
    ca_bundle: Path | None
    """GRADER_CA_BUNDLE: a file of extra certificate authorities (PEM) that containers must trust while building."""
    index_url: str
    """GRADER_INDEX_URL: a package index to use instead of the stock one."""
    npm_registry_url: str
    """GRADER_NPM_REGISTRY_URL: a registry of Node packages to use instead of the stock one."""
    composer_repository_url: str
    """GRADER_COMPOSER_REPOSITORY_URL: a repository of PHP packages to use instead of the stock one."""
    data: Path
    """GRADER_DATA: the folder of the records: handed-in work, the signing key, and the embedded database."""
    database_url: str
    """GRADER_DATABASE_URL: a PostgreSQL address to keep the records in, instead of the embedded database."""
    git_hosts: tuple[str, ...] = ()
    """GRADER_GIT_HOSTS: hosts that git may fetch work from, as ``name`` or ``name:port``; none: from nowhere."""
    git_private_hosts: tuple[str, ...] = ()
    """GRADER_GIT_PRIVATE_HOSTS: the same, for hosts whose addresses belong to the office's own network."""
    keep_code_days: int | None = None
    """GRADER_KEEP_CODE_DAYS: how long code that was handed in is kept; none: the office has not said it."""
    keep_names_days: int | None = None
    """GRADER_KEEP_NAMES_DAYS: how long names are kept after a person's last round; none: the office has not said it."""

    @property
    def git(self) -> GitHosts:
        """The hosts that work may be fetched from."""
        return GitHosts(public=self.git_hosts, private=self.git_private_hosts)

    @property
    def exercises(self) -> Path:
        """The folder of the exercises."""
        return self.home / "exercises"

    @property
    def sandboxes(self) -> Path:
        """The folder of the images."""
        return self.home / "sandboxes"


def read_settings() -> Settings:
    """Read the environment; a value that cannot be used is a UsageProblem that names the variable."""
    home = Path(os.environ.get("GRADER_HOME") or Path(__file__).resolve().parent.parent)
    if not (home / "sandboxes").is_dir():
        raise UsageProblem("usage.bad_setting", setting="GRADER_HOME", value=str(home))
    language = os.environ.get("GRADER_LANG") or "th"
    if language not in LANGUAGES:
        raise UsageProblem("usage.bad_setting", setting="GRADER_LANG", value=language)
    bundle = os.environ.get("GRADER_CA_BUNDLE")
    if bundle and not Path(bundle).is_file():
        raise UsageProblem("usage.bad_setting", setting="GRADER_CA_BUNDLE", value=bundle)
    return Settings(
        home=home,
        language=language,
        ca_bundle=Path(bundle) if bundle else None,
        index_url=os.environ.get("GRADER_INDEX_URL", ""),
        npm_registry_url=os.environ.get("GRADER_NPM_REGISTRY_URL", ""),
        composer_repository_url=os.environ.get("GRADER_COMPOSER_REPOSITORY_URL", ""),
        data=Path(os.environ.get("GRADER_DATA") or home / "data"),
        database_url=os.environ.get("GRADER_DATABASE_URL", ""),
        git_hosts=_hosts("GRADER_GIT_HOSTS", os.environ.get("GRADER_GIT_HOSTS", "")),
        git_private_hosts=_hosts("GRADER_GIT_PRIVATE_HOSTS", os.environ.get("GRADER_GIT_PRIVATE_HOSTS", "")),
        keep_code_days=_days("GRADER_KEEP_CODE_DAYS", os.environ.get("GRADER_KEEP_CODE_DAYS", "")),
        keep_names_days=_days("GRADER_KEEP_NAMES_DAYS", os.environ.get("GRADER_KEEP_NAMES_DAYS", "")),
    )


def _days(setting: str, value: str) -> int | None:
    if not value:
        return None
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= _LONGEST_DAYS:
        raise UsageProblem("usage.bad_setting", setting=setting, value=value)
    return int(value)


def _hosts(setting: str, value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(one.strip().lower() for one in value.split(",") if one.strip()))
    if not all(_HOST.fullmatch(one) for one in found):
        raise UsageProblem("usage.bad_setting", setting=setting, value=value)
    return found
