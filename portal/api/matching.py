"""Entity tags: what an answer held, in a word, and whether a header names it."""

import hashlib


def tag_of(content: str) -> str:
    """The tag of a content; the same bytes have the same one."""
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def named(header: str, tag: str, *, weak: bool = False) -> bool:
    """Whether ``If-Match`` (or, ``weak``, ``If-None-Match``) names a tag; ``*`` names every one."""
    given = [one.strip() for one in header.split(",")]
    if weak:
        given = [one.removeprefix("W/") for one in given]
    return given == ["*"] or tag in given
