"""The source scan (U2): what is a leak, what is a sample, and that nothing is shown unmasked."""

import base64
import json
import random

import pytest

from grader.intake.source_scan import citizen_number_is_valid, scan

RANDOM = random.Random(9)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def letters(count: int) -> str:
    """Return a random token body."""
    return "".join(RANDOM.choice(LETTERS) for _ in range(count))


def number(first_twelve: str) -> str:
    """Return a citizen number with its check digit."""
    return next(
        first_twelve + digit for digit in "0123456789" if citizen_number_is_valid((first_twelve + digit).encode())
    )


def web_token(payload: dict[str, object]) -> str:
    """Return a token with a header, this payload and a random signature."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, payload)]
    return ".".join([base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts] + [letters(43)])


# Digits 2-3 are 00 here: no office has that number, so these belong to nobody, and they are not in the allowed range.
CITIZEN = number("100199912345")
DASHED = f"{CITIZEN[0]}-{CITIZEN[1:5]}-{CITIZEN[5:10]}-{CITIZEN[10:12]}-{CITIZEN[12]}"
KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "\n".join(letters(64) for _ in range(4)) + "\n-----END RSA PRIVATE KEY-----"
AWS = "AKIA" + "Q3EGRJW7XH2LPZ5N"

LEAKS = {
    "plain number": (f'CID = "{CITIZEN}"', "citizen_number"),
    "number in csv": (f"1,{CITIZEN},x", "citizen_number"),
    "dashed number": (f"# {DASHED}", "citizen_number"),
    "dashed number like a moment": ("1-6025-05600-00-0", "citizen_number"),
    "number after Thai": (f"เลข{CITIZEN}", "citizen_number"),
    "private key": (KEY, "private_key"),
    "private key in one line": (f'key = "{KEY.replace(chr(10), chr(92) + "n")}"', "private_key"),
    "aws": (f"aws_access_key_id = {AWS}", "aws_key"),
    "github": (f"token: ghp_{letters(36)}", "github_token"),
    "github fine-grained": (f"github_pat_{letters(22)}_{letters(59)}", "github_token"),
    "gitlab": (f"glpat-{letters(20)}", "gitlab_token"),
    "slack": (f"xoxb-123456789012-123456789013-{letters(24)}", "slack_token"),
    "slack hook": (f"https://hooks.slack.com/services/T{letters(8)}/B{letters(8)}/{letters(24)}", "slack_token"),
    "google": (f"key=AIza{letters(35)}", "google_key"),
    "stripe": (f"sk_live_{letters(24)}", "stripe_key"),
    "web token": (web_token({"sub": "u-77", "exp": 1}), "json_web_token"),
    "password in url": ('URL = "postgresql://app:Kd93-xQz@db.health.go.th:5432/x"', "password_in_url"),
    "password in escaped url": (r'"url": "mysql:\/\/app:Kd93-xQz@db.health.go.th\/x"', "password_in_url"),
    "password in javascript": ("const pool = createPool(`mysql://app:Kd93-xQz@db.health.go.th/x`);", "password_in_url"),
    "big integer": (f"const cid = {CITIZEN}n;", "citizen_number"),
    "password and private address": ("mysql://root:s3rv3r!77@10.1.2.3/x", "password_in_url"),
}


@pytest.mark.parametrize(("text", "kind"), LEAKS.values(), ids=LEAKS.keys())
def test_leak_is_found_with_its_line_and_masked(text: str, kind: str) -> None:
    """Each kind of leak is found on its line, and what is shown does not contain it."""
    found = scan("app/x.py", f"import os\n\n{text}\n".encode())
    assert [(leak.kind, leak.line, leak.file) for leak in found] == [(kind, 3, "app/x.py")]
    for secret in (CITIZEN, DASHED, AWS, "Kd93-xQz", "s3rv3r!77"):
        assert secret not in found[0].shown


HARMLESS = {
    "published sample": "1234567890121",
    "published sample with dashes": "1-2345-67890-12-1",
    "fixture 97": number("197019912345"),
    "fixture 98": number("198019912345"),
    "fixture 99": number("199019912345"),
    "wrong check digit": CITIZEN[:12] + str((int(CITIZEN[12]) + 1) % 10),
    "longer number": "7" + CITIZEN,
    "number goes on": CITIZEN + "7",
    "moment in milliseconds": "const started = 1602505600000",
    "hexadecimal": f"deadbeef{CITIZEN}",
    "hash": f"--hash=sha256:{CITIZEN}{'ab' * 25}",
    "fraction": f"pi = 3.{CITIZEN}",
    "longer dashed number": f"02-{DASHED}",
    "Thai digits": CITIZEN.translate(str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")),
    "key marker": '"-----BEGIN RSA PRIVATE KEY-----" in text',
    "key placeholder": "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    "public key": KEY.replace("RSA PRIVATE", "PUBLIC"),
    "aws example": "AKIAIOSFODNN7EXAMPLE",
    "aws placeholder": "AKIAXXXXXXXXXXXXXXXX",
    "github placeholder": "ghp_" + "x" * 36,
    "tutorial web token": web_token({"sub": "1234567890", "name": "John Doe", "iat": 1516239022}),
    "three parts": f"eyJ{letters(20)}.eyJ{letters(20)}.{letters(43)}",
    "local host": "postgresql://app:Kd93xQz@localhost/x",
    "loopback": "postgresql://app:Kd93xQz@127.0.0.1:5432/x",
    "service name": "postgresql://app:Kd93xQz@facility:5432/x",
    "example host": "postgresql://app:Kd93xQz@db.example.com/x",
    "placeholder password": "postgresql://app:password@db.health.go.th/x",
    "changeme": "postgresql://app:changeme@db.health.go.th/x",
    "angle brackets": "postgresql://app:<password>@db.health.go.th/x",
    "shell variable": "postgresql://app:${DB_PASSWORD}@db.health.go.th/x",
    "template string": "`mysql://${user}:${password}@${host}/x`",
    "escaped example": r"mysql:\/\/app:Kd93xQz@db.example.com\/x",
    "f-string": 'f"postgresql://{user}:{password}@{host}/x"',
    "user as password": "postgresql://app:app@db.health.go.th/x",
    "address without password": "https://db.health.go.th:8443/x@y",
    "keyword only": 'password = "Kd93xQz7hhT2"',
}


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_sample_or_placeholder_is_no_leak(text: str) -> None:
    """What proves nothing is not accused: the check is mandatory."""
    assert scan("app/x.py", f"import os\n{text}\n".encode()) == []


@pytest.mark.parametrize(
    "path",
    [
        "a.js",
        "a.mjs",
        "a.cjs",
        "a.ts",
        "a.tsx",
        "a.vue",
        "a.php",
        "a.json",
        ".env",
        ".env.example",
        ".npmrc",
        "Dockerfile",
    ],
)
def test_every_kind_of_text_is_looked_at(path: str) -> None:
    """No ending hides a secret: what a file is called does not decide whether it is read."""
    assert [leak.kind for leak in scan(f"src/{path}", f"x = {CITIZEN}\n".encode())] == ["citizen_number"]


@pytest.mark.parametrize(
    "path", ["poetry.lock", "web/package-lock.json", "uv.lock", "composer.lock", "yarn.lock", "npm-shrinkwrap.json"]
)
def test_lock_files_are_not_scanned(path: str) -> None:
    """Files of hashes have long numbers that mean nothing."""
    assert scan(path, CITIZEN.encode()) == []


def test_binary_files_are_not_scanned() -> None:
    """A file with NUL characters is no source."""
    assert scan("x.db", b"SQLite\0" + CITIZEN.encode()) == []


def test_utf16_text_is_scanned() -> None:
    """A file that PowerShell wrote is text."""
    assert [leak.kind for leak in scan("x.txt", f"a\n{CITIZEN}\n".encode("utf-16"))] == ["citizen_number"]


def test_finds_of_one_file_are_bounded() -> None:
    """A table of people does not make the report endless."""
    rows = "".join(number(f"1001{row:08d}") + "\n" for row in range(500))
    assert len(scan("people.csv", rows.encode())) == 20


@pytest.mark.parametrize(
    ("digits", "valid"),
    [("1234567890121", True), ("1234567890122", False), ("1970100000013", False)],
)
def test_check_digit(digits: str, valid: bool) -> None:  # noqa: FBT001 - a table of cases
    """The check digit is the published one."""
    assert citizen_number_is_valid(digits.encode()) is valid
