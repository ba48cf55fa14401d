"""Passwords: which ones are refused, and how they are kept and compared.

A password may be anything that is long enough and not easily guessed; nothing demands a digit or a sign. Argon2id takes
19 MiB for each comparison, so only a few are made at a time, and as many for a login that nobody has as for one that
somebody has.
"""

import functools
import re
import threading
import unicodedata
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from grader.errors import UsageProblem

LEAST: Final = 8
MOST: Final = 128
"""Characters."""
LEAST_OWN: Final = 4
"""Characters that must be left of a password when everything that guessers try first is taken out of it."""
AT_A_TIME: Final = 4
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2

_HASHER: Final = PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1),))
_TURNS: Final = threading.BoundedSemaphore(AT_A_TIME)

WORDS: Final = (
    # what this installation is about
    "anamai", "grader", "moph", "ddc", "nonthaburi", "bangkok", "thailand", "thai", "health", "training", "trainee",
    "กรมอนามัย", "อนามัย", "กระทรวง", "สาธารณสุข", "อบรม", "แบบฝึกหัด", "ประเทศไทย",
    # what people type when they are asked for a password
    "password", "passwd", "passcode", "pass", "secret", "letmein", "welcome", "login", "signin", "admin",
    "administrator", "root", "user", "guest", "test", "demo", "default", "changeme", "change", "temp", "hello",
    "sawasdee", "sawadee", "iloveyou", "love", "monkey", "dragon", "master", "superman", "football", "liverpool",
    "รหัสผ่าน", "รหัส", "สวัสดี", "ผู้ดูแล", "ทดสอบ",
)  # fmt: skip
"""Written by hand: guesses that are near for anybody who knows what this is."""

ROWS: Final = (
    "0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn",
    "1q2w3e4r5t6y7u8i9o0p",
    "ๆไำพะัีรนยบล", "ฟหกดเ้่าสวง", "ผปแอิืทมใฝ", "กขคงจฉชซ",
)  # fmt: skip
"""Neighbours on a keyboard or in an alphabet, to be typed forwards or backwards."""
_LEAST_RUN: Final = 3
_LEAST_NAME: Final = 3

_SIGNS: Final = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
)
_THAI_DIGITS: Final = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_REPEATED: Final = re.compile(r"(.{1,4}?)\1{2,}")
_YEAR: Final = re.compile(r"(?:19|20|24|25)\d\d")


def need_good(password: str, *, login: str = "", name: str = "") -> None:
    """Refuse what is too short, too long, or guessed first; ``login`` and ``name`` are those of the account.

    Raises:
        UsageProblem: ``account.password_short``, ``account.password_long``, ``account.password_guessable``.
    """
    if len(password) > MOST:
        raise UsageProblem("account.password_long", most=MOST)
    if len(_normal(password)) < LEAST:
        raise UsageProblem("account.password_short", least=LEAST)
    stolen = _normal(password).casefold() in _stolen()
    if stolen or own_characters(password, login=login, name=name) < LEAST_OWN:
        raise UsageProblem("account.password_guessable")


@functools.cache
def _stolen() -> frozenset[str]:
    """Passwords that were stolen somewhere and are tried first, long enough to be taken otherwise; read when needed."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - megabytes that most processes never need

    return frozenset(one for one in FREQUENCY_LISTS["passwords"] if len(one) >= LEAST)


def own_characters(password: str, *, login: str = "", name: str = "") -> int:
    """How many characters are left without words, names, years, rows of keys and repetitions; digits alone count none.

    Signs that stand for letters (``p@ssw0rd``) are read both ways, and the reading that leaves less counts.
    """
    plain = _normal(password).casefold().translate(_THAI_DIGITS)
    if plain.isdigit():  # a date, a telephone number, a citizen number: few, and known to others
        return 0
    near = [word for word in re.split(r"[\s._@+\-]+", f"{login} {name}".casefold()) if len(word) >= _LEAST_NAME]
    words = sorted({*WORDS, *near}, key=len, reverse=True)
    return min(_left(text, words) for text in (plain, plain.translate(_SIGNS)))


def _left(text: str, words: list[str]) -> int:
    for word in words:
        text = text.replace(_normal(word), " ")
    text = _YEAR.sub(" ", _REPEATED.sub(r"\1", text))
    for row in ROWS:
        text = _without_runs(text, _normal(row))
    return len({(place, one) for place, one in enumerate(text) if one.isalnum() or not one.isascii()} - _blanks(text))


def _blanks(text: str) -> set[tuple[int, str]]:
    return {(place, one) for place, one in enumerate(text) if one.isspace()}


def _without_runs(text: str, row: str) -> str:
    """Without every stretch of a row, forwards or backwards, the longest first."""
    for size in range(len(row), _LEAST_RUN - 1, -1):
        for start in range(len(row) - size + 1):
            run = row[start : start + size]
            text = text.replace(run, " ").replace(run[::-1], " ")
    return text


def hashed(password: str) -> str:
    """What is kept of a password."""
    with _TURNS:
        return _HASHER.hash(_normal(password))


def verify(password: str, kept: str) -> tuple[bool, str | None]:
    """Whether this is the password, and what to keep from now on when it was hashed with other parameters.

    ``kept`` is "" where nobody could come in: the same work is done, and the answer is no.
    """
    usable = bool(kept) and len(password) <= MOST
    typed = _normal(password[:MOST])
    nothing = _nothing()
    with _TURNS:
        try:
            right, fresh = _HASHER.verify_and_update(typed, kept if usable else nothing)
        except UnknownHashError:  # a row that no version of this program wrote
            return False, None
    return (right, fresh) if usable else (False, None)


@functools.cache
def _nothing() -> str:
    """The hash of a password that nobody has: what a stranger's is compared with."""
    with _TURNS:
        return _HASHER.hash("nobody has this one")


def _normal(password: str) -> str:
    """The same password from any keyboard: Thai vowels and accents can be typed in several ways."""
    return unicodedata.normalize("NFKC", password)
