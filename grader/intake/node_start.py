"""How a Node project starts: read from ``package.json`` and the names of the files, without npm and without a shell."""

import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Any

from grader.errors import SubmissionRejected
from grader.intake.dependencies import printable
from grader.intake.json_files import JsonFile

_ENTRY_NAMES = ("server", "app", "index", "main")
_ENTRY_FOLDERS = ("", "src/", "dist/", "build/")
_ENDINGS = (".js", ".mjs", ".cjs")
_TYPESCRIPT = (".ts", ".mts", ".cts", ".tsx")
ENTRY_FILES = (
    *(f"{folder}{name}{ending}" for folder in _ENTRY_FOLDERS for name in _ENTRY_NAMES for ending in _ENDINGS),
    "bin/www",
)
"""Where an entry point is looked for when nothing names it, best first."""

_TYPESCRIPT_TOOLS = frozenset({"ts-node", "ts-node-dev", "ts-node-esm", "tsnd", "tsx", "tsc", "swc-node", "vite-node"})
_RUNNERS = frozenset(
    {"npm", "npx", "yarn", "yarnpkg", "pnpm", "pnpx", "corepack", "bun", "bunx", "deno"}
    | {"nodemon", "pm2", "pm2-runtime", "forever", "supervisor", "concurrently", "npm-run-all", "dotenv", "cross-env"}
    | {"next", "nuxt", "nest", "vite", "remix", "astro", "react-scripts", "vue-cli-service", "ng", "webpack"},
)
"""Programs that stand in start scripts and are not in the sandbox, which has Node only."""

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_SHELL = re.compile(r"[&|;<>()`\n\r]|\$(?!PORT\b|\{PORT\})")
# Options of Node whose value is the next word; options with which it runs no file, or does not end when the app does.
_WITH_VALUE = frozenset(
    {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file", "--title"},
)
_NO_FILE = frozenset({"-e", "--eval", "-p", "--print", "-c", "--check", "-i", "--interactive", "--test", "--run"})
_WATCH = "--watch"
_MAX_ARGUMENTS = 64
_MAX_SCRIPT = 2_000

Started = tuple[tuple[str, ...], tuple[str, ...]]
"""A start command and notes for the receipt."""


def start_of(package: JsonFile, paths: frozenset[str]) -> Started:
    """Return the command of ``scripts.start``, else of ``main``, else of the first usual entry point that exists.

    Raises:
        SubmissionRejected: ``project.start_script`` (a script that only npm or a shell can run),
            ``project.start_typescript``, ``project.start_file_missing``, ``project.no_start_file``.
    """
    scripts = package.section("scripts")
    if scripts.get("start"):
        return _of_script(package, scripts, paths)
    main = package.value.get("main")
    found = _main(package, paths)
    if found:
        return ("node", found), ()
    # `npm init` writes a main that nobody keeps up to date, so a wrong one is no reason to stop looking.
    notes = ["receipt.main_ignored"] if main else []
    usual = [path for path in ENTRY_FILES if path in paths]
    if not usual:
        raise _nothing(main, paths)
    if len(usual) > 1:
        notes.append("receipt.several_entry_points")
    return ("node", usual[0]), tuple(notes)


def check_configured(start: Sequence[str], where: str, package: JsonFile, paths: frozenset[str]) -> None:
    """Refuse a start command of ``grader.toml`` that cannot work: a program that is missing, a file that is missing.

    Raises:
        SubmissionRejected: ``project.start_script``, ``project.start_typescript``, ``project.start_file_missing``.
    """
    _, command = _split([*start])
    name = posixpath.basename(command[0]) if command else ""
    if name in _TYPESCRIPT_TOOLS:
        raise _typescript(where, " ".join(start))
    if name in _RUNNERS:
        raise _refused(where, " ".join(start), name, paths, command)
    at = _file_at(command) if name == "node" else None
    if at is not None:
        _checked(command[at], where, package, paths)


def _of_script(package: JsonFile, scripts: dict[str, Any], paths: frozenset[str]) -> Started:
    script = scripts["start"]
    where = f"{package.file} scripts.start"
    if not isinstance(script, str):
        raise package.bad("scripts.start is no text")
    words = _words(script, where, paths)
    settings, command = _split(words)
    notes = ["receipt.start_hooks_ignored"] if scripts.get("prestart") or scripts.get("poststart") else []
    kept = [setting for setting in settings if not setting.startswith("PORT=")]
    if len(kept) < len(settings):
        # The port is the grader's to choose: with another one nobody would find the app.
        notes.append("receipt.start_port_ignored")
    name = posixpath.basename(command[0]) if command else ""
    if name in _TYPESCRIPT_TOOLS or _translates(command):
        raise _typescript(where, script)
    if name not in ("node", "nodejs") or len(words) > _MAX_ARGUMENTS:
        raise _refused(where, script, name, paths, command)
    at = _file_at(command)
    if at is None:
        option = next((word for word in command[1:] if _stops(word)), name)
        raise _refused(where, script, option, paths, command)
    file = _checked(command[at], where, package, paths)
    return (*(("env", *kept) if kept else ()), "node", *command[1:at], file, *command[at + 1 :]), tuple(notes)


def _words(script: str, where: str, paths: frozenset[str]) -> list[str]:
    """Return the words of a script that needs no shell."""
    # Windows separates folders so; on Linux npm would not find the file either, and the intention is plain.
    script = script.replace("\\", "/").replace("\t", " ")
    shell = _SHELL.search(script)
    if shell or len(script) > _MAX_SCRIPT or not script.isprintable():
        words = script[:_MAX_SCRIPT].split()
        if _TYPESCRIPT_TOOLS.intersection(words):
            raise _typescript(where, script)
        raise _refused(where, script, shell[0].strip() if shell else "", paths, words)
    try:
        return [word.replace("${PORT}", "$PORT") for word in shlex.split(script)]
    except ValueError:
        raise _refused(where, script, "", paths, script.split()) from None


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Part the variables that a command sets from the command; ``cross-env`` is how Windows writes them."""
    start = 1 if words and words[0] in ("cross-env", "env") else 0
    end = start
    while end < len(words) and _ASSIGNMENT.fullmatch(words[end]):
        end += 1
    return words[start:end], words[end:]


def _stops(word: str) -> bool:
    return word in _NO_FILE or word.startswith(_WATCH) or word.partition("=")[0] in _NO_FILE


def _file_at(command: Sequence[str]) -> int | None:
    """Return where the file stands in a command of Node; None when it runs no file."""
    at = 1
    while at < len(command):
        word = command[at]
        if _stops(word):
            return None
        if not word.startswith("-"):
            return at
        at += 2 if word in _WITH_VALUE else 1
    return None


def _translates(command: Sequence[str]) -> bool:
    """Say whether an option loads a translator of TypeScript, as in ``node -r ts-node/register``."""
    values = [word.partition("=")[2] for word in command if word.startswith("--")]
    values += [command[at + 1] for at in range(len(command) - 1) if command[at] in _WITH_VALUE]
    return any(value.split("/")[0] in _TYPESCRIPT_TOOLS for value in values)


def _checked(word: str, where: str, package: JsonFile, paths: frozenset[str]) -> str:
    """Return the file that Node would run for this word."""
    if word.endswith(_TYPESCRIPT):
        raise _typescript(where, word)
    plain = posixpath.normpath(word)
    found = (_main(package, paths) if plain == "." else None) or _existing(word, paths)
    if found is None:
        raise _missing(word, where, paths)
    return found


def _main(package: JsonFile, paths: frozenset[str]) -> str | None:
    main = package.value.get("main")
    if not isinstance(main, str) or not main or main.endswith(_TYPESCRIPT):
        return None
    return _existing(main, paths)


def _existing(word: str, paths: frozenset[str]) -> str | None:
    """Find a file as Node does: by its name, with an ending, or as the index of a folder."""
    plain = posixpath.normpath(word.replace("\\", "/"))
    if plain == ".." or plain.startswith(("/", "../")):
        return None
    prefix = "" if plain == "." else f"{plain}/"
    candidates = [] if plain == "." else [plain, *(f"{plain}{ending}" for ending in _ENDINGS)]
    candidates += [f"{prefix}index{ending}" for ending in _ENDINGS]
    found = next((path for path in candidates if path in paths), None)
    return f"./{found}" if found and found.startswith("-") else found  # else Node takes it for an option


def _missing(word: str, where: str, paths: frozenset[str]) -> SubmissionRejected:
    wanted = posixpath.normpath(word.replace("\\", "/"))
    same = (path for path in sorted(paths) if path.casefold() == wanted.casefold())
    return SubmissionRejected(
        "project.start_file_missing",
        file=printable(wanted),
        where=where,
        found=printable(next(same, "")),
    )


def _typescript(where: str, script: str) -> SubmissionRejected:
    return SubmissionRejected("project.start_typescript", where=where, script=printable(script))


def _refused(where: str, script: str, word: str, paths: frozenset[str], words: Sequence[str]) -> SubmissionRejected:
    """Refuse a script, with what it would say without npm and without a shell."""
    named = (found for word in words for found in (_existing(word, paths),) if found and found.endswith(_ENDINGS))
    entry = next(named, next((path for path in ENTRY_FILES if path in paths), "server.js"))
    return SubmissionRejected(
        "project.start_script",
        where=where,
        script=printable(script),
        word=printable(word),
        example=f"node {printable(entry)}",
    )


def _nothing(main: object, paths: frozenset[str]) -> SubmissionRejected:
    typescript = sorted(path for path in paths if path.endswith(_TYPESCRIPT) and not path.endswith(".d.ts"))
    if typescript:
        return _typescript("", min(typescript, key=lambda path: (path.count("/"), path)))
    if isinstance(main, str) and main:
        return _missing(main, "package.json main", paths)
    usual = ", ".join(f"{name}{_ENDINGS[0]}" for name in _ENTRY_NAMES)
    return SubmissionRejected("project.no_start_file", looked_for=f"scripts.start, main, {usual}, src/")
