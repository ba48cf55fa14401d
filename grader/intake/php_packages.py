"""The dependencies of ``composer.json``: names and versions of the package index only (rule S20).

PHP itself and its extensions are no packages: they are in the runtime's image or they are not, and the trainee is told
which one is missing. The project's own class loading (``autoload``) is handed on, because the class loader is written
where the packages are installed and the source is not.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.dependencies import Found
from grader.intake.json_files import JsonFile, Place, read_json
from grader.intake.limits import MAX_CONFIG_BYTES, MAX_LOCK_BYTES, MAX_REQUIREMENTS
from grader.intake.php_lock import Locked, Platform, autoload_of, is_package_name, normalise
from grader.intake.php_versions import Version, is_constraint, satisfies

COMPOSER = "composer.json"
LOCK = "composer.lock"
EXAMPLE = '"slim/slim": "^4.14"'

PHP_VERSION: Version = (8, 2, 99, 0)
"""PHP of the runtime's image. The last numbers change with its updates: any release of 8.2 is taken to be there."""

_BUILT_IN = (
    "core ctype date fileinfo filter hash json libxml openssl pcre phar random reflection session sodium spl standard"
)
_SHARED = (
    "calendar exif ffi ftp gettext iconv pcntl posix readline shmop sockets sysvmsg sysvsem sysvshm tokenizer zlib"
)
_ADDED = (
    "curl dom mbstring mysqli mysqlnd pdo pdo_mysql pdo_pgsql pgsql simplexml xml xmlreader xmlwriter xsl zend-opcache"
)
PHP_EXTENSIONS = frozenset(f"{_BUILT_IN} {_SHARED} {_ADDED}".split())
"""The extensions of the runtime's image (``php -m`` there), as Composer names them behind ``ext-``."""

_PLATFORM = re.compile(
    r"php(?:-64bit|-ipv6|-zts|-debug)?|hhvm|lib-[a-z0-9._-]+|composer(?:-plugin-api|-runtime-api)?"
    r"|ext-(?P<extension>[a-z0-9._ -]+)",
)
_MAX_NAME = 200
_PLACE = re.compile(r"[:/\\#]|^\.|\bdev\b|@dev$| as ", re.IGNORECASE)


def read_packages(files: Mapping[str, bytes], paths: frozenset[str]) -> Found:
    """Read what a PHP project needs from its ``composer.json`` and, where there is one, its ``composer.lock``.

    Raises:
        SubmissionRejected: ``dependencies.not_allowed`` and ``dependencies.bad_line`` (file, line, text),
            ``dependencies.extension_missing``, ``dependencies.php_version``, ``dependencies.autoload``,
            ``dependencies.encoding``, ``dependencies.bad_file`` (problem), ``dependencies.too_large``.
    """
    if COMPOSER not in files:
        raise SubmissionRejected("dependencies.too_large", file=COMPOSER, limit=MAX_CONFIG_BYTES)
    composer = read_json(COMPOSER, files[COMPOSER], limit=MAX_CONFIG_BYTES)
    if composer.value.get("repositories"):
        raise composer.refused("dependencies.not_allowed", ("repositories",), None, example=EXAMPLE)
    wanted: dict[str, tuple[int, str]] = {}
    platform: list[Platform] = []
    for written, constraint in composer.section("require").items():
        name, line = written.lower(), composer.line("require", written)
        checked = _checked(composer, ("require", written), name, constraint)
        if _PLATFORM.fullmatch(name):
            platform.append(Platform(file=COMPOSER, line=line, name=name, constraint=checked))
        else:
            wanted[name] = (line, checked)
    if len(wanted) > MAX_REQUIREMENTS:
        raise SubmissionRejected("dependencies.too_large", file=COMPOSER, limit=MAX_REQUIREMENTS)
    lock = _lock({name: constraint for name, (_, constraint) in wanted.items()}, files, paths)
    for one in (*platform, *lock.platform):
        _check_platform(one, lock.provided)
    return Found(
        file=COMPOSER,
        lines=tuple((line, f"{name}:{constraint}") for name, (line, constraint) in wanted.items()),
        packages=dict.fromkeys(wanted, frozenset[str]()),
        notes=(*_notes(composer), *lock.notes),
        lock=lock.text,
        autoload=_autoload(composer),
    )


def _notes(composer: JsonFile) -> list[str]:
    notes = []
    if composer.value.get("require-dev"):
        notes.append("receipt.dev_dependencies_ignored")
    if composer.value.get("scripts"):
        notes.append("receipt.composer_scripts_ignored")
    config = composer.value.get("config")
    if isinstance(config, dict) and config.get("allow-plugins"):
        notes.append("receipt.composer_plugins_ignored")
    if composer.value.get("minimum-stability", "stable") != "stable":
        notes.append("receipt.minimum_stability_ignored")
    return notes


def _checked(composer: JsonFile, place: Place, name: str, constraint: Any) -> str:
    """Return the constraint in one spelling."""
    is_platform = len(name) <= _MAX_NAME and _PLATFORM.fullmatch(name)
    if not isinstance(constraint, str) or not (is_platform or is_package_name(name)):
        raise composer.refused("dependencies.bad_line", place, constraint, example=EXAMPLE)
    plain = " ".join(constraint.split())
    if not is_constraint(plain):
        code = "dependencies.not_allowed" if _PLACE.search(plain) else "dependencies.bad_line"
        raise composer.refused(code, place, constraint, example=EXAMPLE)
    return plain


def _check_platform(asked: Platform, provided: frozenset[str]) -> None:
    """Refuse what the image does not have; ``provided`` are extensions for which a package stands in."""
    found = _PLATFORM.fullmatch(asked.name)
    extension = found["extension"] if found else None
    if extension and asked.name not in provided and extension.replace(" ", "-") not in PHP_EXTENSIONS:
        raise SubmissionRejected(
            "dependencies.extension_missing",
            file=asked.file,
            line=asked.line,
            extension=extension,
            package=asked.package,
        )
    if asked.name in ("php", "php-64bit") and not satisfies(PHP_VERSION, asked.constraint):
        raise SubmissionRejected(
            "dependencies.php_version",
            file=asked.file,
            line=asked.line,
            wanted=asked.constraint,
            offered=".".join(str(number) for number in PHP_VERSION[:2]),
            package=asked.package,
        )


def _lock(wanted: Mapping[str, str], files: Mapping[str, bytes], paths: frozenset[str]) -> Locked:
    if not wanted:
        return Locked()
    if LOCK not in paths:
        return Locked(notes=("receipt.no_lock",))
    if LOCK not in files:
        raise SubmissionRejected("dependencies.too_large", file=LOCK, limit=MAX_LOCK_BYTES)
    return normalise(read_json(LOCK, files[LOCK], limit=MAX_LOCK_BYTES), wanted)


def _autoload(composer: JsonFile) -> str:
    """Return what the class loader must know of the project itself, as text; empty when there is nothing.

    A class map is made by reading the source, which the installer never sees: it is refused, not silently missing.
    """
    listed = composer.section("autoload")
    if listed.get("classmap"):
        raise composer.refused("dependencies.autoload", ("autoload", "classmap"), None)
    found = autoload_of(listed)
    if found is None:
        raise composer.refused("dependencies.autoload", ("autoload",), None)
    return json.dumps(found, sort_keys=True) if found else ""
