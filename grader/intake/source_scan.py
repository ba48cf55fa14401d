"""Citizen numbers and secrets in the source (check U2): structured patterns only, each with a proof where one exists.

The check is mandatory, so an accusation must be right: there is no entropy or keyword rule, every number must have a
valid check digit, and placeholders and published samples are let through. What is found leaves this module masked.
"""

import base64
import binascii
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grader.intake.limits import MAX_LEAKS_PER_FILE, MAX_SCANNED_BYTES

LOCK_FILES = frozenset(
    {
        "bun.lock",
        "cargo.lock",
        "composer.lock",
        "npm-shrinkwrap.json",
        "package-lock.json",
        "pdm.lock",
        "pipfile.lock",
        "pnpm-lock.yaml",
        "poetry.lock",
        "uv.lock",
        "yarn.lock",
    },
)
"""Files of hashes that a tool writes: a run of digits in them is no person."""

_BINARY_PROBE_BYTES = 8_000
_MIN_DISTINCT = 8
_CITIZEN_DIGITS = 13
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_PUBLISHED_NUMBER = b"1234567890121"
_RESERVED_PREFIXES = (b"97", b"98", b"99")
_FIRST_MILLISECOND = 1_000_000_000_000
_LAST_MILLISECOND = 2_200_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """One find. ``shown`` is masked."""

    file: str
    line: int
    kind: str
    shown: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    """A pattern that is tried only where one of ``hints`` occurs; ``proof`` returns the masked text, or None."""

    kind: str
    pattern: re.Pattern[bytes]
    hints: tuple[bytes, ...]
    proof: Callable[[re.Match[bytes]], str | None]


def scan(path: str, content: bytes) -> list[Leak]:
    """Return what is found in one file, in the order of its lines, at most MAX_LEAKS_PER_FILE."""
    if path.rsplit("/", 1)[-1].lower() in LOCK_FILES:
        return []
    content = content[:MAX_SCANNED_BYTES]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        content = content.decode("utf-16", "replace").encode()
    if b"\0" in content[:_BINARY_PROBE_BYTES]:
        return []
    found = sorted((at, kind, shown) for at, kind, shown in _matches(content))
    leaks, line, counted = [], 1, 0
    for at, kind, shown in found[:MAX_LEAKS_PER_FILE]:
        line += content.count(b"\n", counted, at)
        counted = at
        leaks.append(Leak(file=path, line=line, kind=kind, shown=shown))
    return leaks


def _matches(content: bytes) -> Iterator[tuple[int, str, str]]:
    lowered = content.lower()
    for rule in _RULES:
        if any(hint in lowered for hint in rule.hints):
            tried = ((match.start(), rule.kind, rule.proof(match)) for match in rule.pattern.finditer(content))
            proven = ((at, kind, shown) for at, kind, shown in tried if shown is not None)
            yield from itertools.islice(proven, MAX_LEAKS_PER_FILE)


def citizen_number_is_valid(digits: bytes) -> bool:
    """Say whether 13 ASCII digits carry the right check digit (modulo 11)."""
    weighted = sum((digit - 48) * (13 - index) for index, digit in enumerate(digits[:12]))
    return (11 - weighted % 11) % 10 == digits[12] - 48


def _citizen_number(match: re.Match[bytes]) -> str | None:
    """Accept a number on its own: not part of a hexadecimal value, a fraction or a longer number with dashes."""
    digits = match[0].replace(b"-", b"")
    before, after = match.string[max(0, match.start() - 2) : match.start()], match.string[match.end() : match.end() + 2]
    joint = b"-" if b"-" in match[0] else b"."
    if len(digits) != _CITIZEN_DIGITS or _HEXADECIMAL.intersection(before[-1:] + after[:1]):
        return None
    if (before[:1].isdigit() and before[1:] == joint) or (after[:1] == joint and after[1:].isdigit()):
        return None
    if digits == _PUBLISHED_NUMBER or digits[1:3] in _RESERVED_PREFIXES or not citizen_number_is_valid(digits):
        return None
    if match[0] == digits and _is_whole_second(digits):
        return None
    return f"{digits[:1].decode()}-xxxx-xxxxx-xx-{digits[12:].decode()}"


def _is_whole_second(digits: bytes) -> bool:
    """Tell a moment in Unix milliseconds (2001 to 2039) from a person.

    One moment in ten has a valid check digit, and U2 fails a submission by itself. The number of a person ends like
    this once in a thousand.
    """
    return digits.endswith(b"000") and _FIRST_MILLISECOND <= int(digits) < _LAST_MILLISECOND


def _token(match: re.Match[bytes]) -> str | None:
    """Mask a token; one of few different characters (``AKIAXXXX…``) or of a manual is a placeholder."""
    secret = match[0]
    if len(set(secret[4:])) < _MIN_DISTINCT or secret.upper().endswith(b"EXAMPLE"):
        return None
    return f"{secret[:4].decode()}… ({len(secret)})"


def _json_web_token(match: re.Match[bytes]) -> str | None:
    header, payload = (_json_part(part) for part in match[0].split(b".")[:2])
    if header is None or payload is None or "alg" not in header:
        return None
    if payload.get("sub") == "1234567890":  # the sample of every tutorial
        return None
    return _token(match)


def _json_part(part: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_KEY_NOISE = re.compile(rb"(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]*|\\[nrt]|[\s\"'+,|()]")
_KEY_BODY = re.compile(rb"[A-Za-z0-9+/=]{48}")
_KEY_LOOKAHEAD_BYTES = 600


def _private_key(match: re.Match[bytes]) -> str | None:
    """Accept a key block only with a body: the marker alone stands in documentation and in code that reads keys."""
    following = match.string[match.end() : match.end() + _KEY_LOOKAHEAD_BYTES]
    # The base64 alphabet contains the plus sign that some languages join strings with; a body is recognised without it.
    body = _KEY_NOISE.sub(b"", following)
    if not _KEY_BODY.match(body) or len(set(body[:48])) < _MIN_DISTINCT:
        return None
    return f"{match[0].decode()} …"


_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*\Z")
_LOCAL_HOST = re.compile(
    r"localhost|127\.[0-9.]+|0\.0\.0\.0|\[::1?\]|[^.]+|(?:.*\.)?example(?:\.[a-z]{2,6})?(?:\.th)?"
    r"|.*\.(?:local|localhost|localdomain|test|invalid|internal|docker)|.*(?:your|my)[-_.]?(?:host|server|domain|db|database).*",
)
_PLACEHOLDER = re.compile(
    r"p(?:ass|wd|w)(?:w(?:or)?d|code)?[-_0-9!]*|.*(?:change|replace)[-_]?(?:me|it|this).*|.*(?:example|placeholder|dummy).*"
    r"|secret[-_0-9]*|(?:your|my|the|db|user|some)[-_]?(?:db[-_]?)?(?:p(?:ass|wd|w)(?:w(?:or)?d)?|secret|token|key).*"
    r"|postgres(?:ql)?|mysql|mariadb|root|admin|user(?:name)?|token|key|test[0-9]*|demo|dev|hunter2|letmein"
    r"|1234[0-9]*|(.)\1*|.*[${}%<>*\[\]].*|\.\.\.|redacted|hidden|none|null",
)


def _password_in_url(match: re.Match[bytes]) -> str | None:
    user, password, host = (match[name].decode("latin-1").lower() for name in ("user", "password", "host"))
    name = host.rstrip(".")
    if _LOCAL_HOST.fullmatch(name) or _PLACEHOLDER.fullmatch(password) or password == user:
        return None
    scheme = _SCHEME.search(match.string, max(0, match.start() - 30), match.start())
    if scheme is None:
        return None
    return f"{scheme[0].decode()}://{match['user'].decode('latin-1')[:40]}:***@{name[:80]}"


_RULES = (
    _Rule(
        kind="citizen_number",
        # What stands around it is the proof's work: a pattern that begins with a look behind is three times slower.
        pattern=re.compile(rb"[0-9]{13,}|[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]"),
        hints=tuple(b"%d" % digit for digit in range(10)),
        proof=_citizen_number,
    ),
    _Rule(
        kind="private_key",
        pattern=re.compile(
            rb"-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|SSH2 ENCRYPTED) )?PRIVATE KEY-----"
            rb"|-----BEGIN PGP PRIVATE KEY BLOCK-----",
        ),
        hints=(b"private key",),
        proof=_private_key,
    ),
    _Rule(
        kind="aws_key",
        pattern=re.compile(rb"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![A-Za-z0-9])"),
        hints=(b"akia", b"asia", b"abia", b"acca"),
        proof=_token,
    ),
    _Rule(
        kind="github_token",
        pattern=re.compile(
            rb"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?![A-Za-z0-9_])",
        ),
        hints=(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        proof=_token,
    ),
    _Rule(
        kind="gitlab_token",
        pattern=re.compile(rb"(?<![A-Za-z0-9_])glpat-[A-Za-z0-9_-]{20,22}(?![A-Za-z0-9_-])"),
        hints=(b"glpat-",),
        proof=_token,
    ),
    _Rule(
        kind="slack_token",
        pattern=re.compile(
            rb"(?<![A-Za-z0-9])xox[abporse]-(?:[0-9]{6,14}-){1,3}[A-Za-z0-9]{16,64}(?![A-Za-z0-9])"
            rb"|https://hooks\.slack\.com/services/T[A-Za-z0-9_]{6,}/B[A-Za-z0-9_]{6,}/[A-Za-z0-9_]{20,}",
        ),
        hints=(b"xox", b"hooks.slack.com"),
        proof=_token,
    ),
    _Rule(
        kind="google_key",
        pattern=re.compile(rb"(?<![A-Za-z0-9_-])AIza[0-9A-Za-z_-]{35}(?![A-Za-z0-9_-])"),
        hints=(b"aiza",),
        proof=_token,
    ),
    _Rule(
        kind="stripe_key",
        pattern=re.compile(rb"(?<![A-Za-z0-9_])[sr]k_live_[0-9A-Za-z]{24,99}(?![A-Za-z0-9])"),
        hints=(b"k_live_",),
        proof=_token,
    ),
    _Rule(
        kind="json_web_token",
        pattern=re.compile(
            rb"(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{6,8000}\.[A-Za-z0-9_-]{20,1000}(?![A-Za-z0-9_-])",
        ),
        hints=(b"eyj",),
        proof=_json_web_token,
    ),
    _Rule(
        kind="password_in_url",
        # PHP writes JSON with a backslash before each slash.
        pattern=re.compile(
            rb":(?:\\?/){2}(?P<user>[^\s:/@'\"`<>\\]{0,100}):(?P<password>[^\s@'\"`/<>\\]{1,200})"
            rb"@(?P<host>[A-Za-z0-9._-]{1,200}|\[[0-9a-fA-F:.]{2,45}\])",
        ),
        hints=(b"://", b":\\/\\/"),
        proof=_password_in_url,
    ),
)
