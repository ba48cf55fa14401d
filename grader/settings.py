"""Where things are and what this machine differs in; frozen, read by entry points only.

Every setting is an environment variable ``GRADER_<NAME>``; lower stages receive plain values.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageProblem

LANGUAGES = ("th", "en")


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
    )
