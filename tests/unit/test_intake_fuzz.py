"""Random and mutated input: only typed refusals escape."""

import functools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import SubmissionRejected
from grader.intake import jail
from grader.intake.dependencies import read_dependencies
from grader.intake.source_scan import scan
from tests.fixtures.archives import PROJECT, Piece, forge, make_zip, project_pieces

HONEST = make_zip({**PROJECT, "app/รายงาน.txt": b"x" * 300})


def family(attempt: Callable[[], object]) -> str:
    """Return the family of the code with which the attempt was refused, or ``accepted``; nothing else may escape."""
    try:
        attempt()
    except SubmissionRejected as refusal:
        return refusal.code.split(".")[0]
    return "accepted"


def survives(data: bytes) -> None:
    """Examine the archive; anything but a report or a typed refusal fails the test."""
    outcome = family(lambda: jail.examine(data, lambda _: None))
    assert outcome in {"accepted", "archive", "project", "dependencies"}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400))
def test_random_bytes(content: bytes) -> None:
    """Bytes without any structure, plain and behind the magic number."""
    survives(content)
    survives(b"PK\x03\x04" + content)
    survives(HONEST[:-22] + content)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, len(HONEST) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes(changes: list[tuple[int, int]]) -> None:
    """An honest archive with a few bytes changed anywhere."""
    data = bytearray(HONEST)
    for at, value in changes:
        data[at] = value
    survives(bytes(data))


@pytest.mark.parametrize("step", [7])
def test_every_truncation_is_refused(step: int) -> None:
    """No beginning of an archive passes for an archive."""
    for length in range(0, len(HONEST), step):
        with pytest.raises(SubmissionRejected):
            jail.examine(HONEST[:length], lambda _: None)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    name=st.binary(min_size=1, max_size=40),
    content=st.binary(max_size=60),
    method=st.sampled_from([0, 8, 9]),
    flags=st.integers(0, 0xFFFF),
    attributes=st.integers(0, 0xFFFFFFFF),
    extra=st.binary(max_size=20),
)
def test_forged_entries(*, name: bytes, content: bytes, method: int, flags: int, attributes: int, extra: bytes) -> None:
    """An entry whose headers agree with each other and are otherwise arbitrary."""
    piece = Piece(name=name, content=content, method=method, flags=flags, attributes=attributes, extra=extra)
    survives(forge(*project_pieces(piece)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.text(max_size=120))
def test_texts(content: bytes, text: str) -> None:
    """Arbitrary dependency files, configurations and sources, as bytes and as text."""
    for data in (content, text.encode("utf-8", "replace")):
        scan("x.py", data)
        survives(make_zip({"requirements.txt": b"fastapi\nuvicorn\n", "main.py": data}))
        survives(make_zip({**PROJECT, "grader.toml": data}))
        for file in ("requirements.txt", "pyproject.toml"):
            outcome = family(functools.partial(read_dependencies, {file: data}))
            assert outcome in {"accepted", "dependencies"}
