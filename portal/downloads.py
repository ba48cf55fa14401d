"""Files to keep: never shown by a browser as if they were ours."""

from urllib.parse import quote

from starlette.responses import Response


def attachment(content: bytes, name: str, media_type: str = "application/octet-stream") -> Response:
    """A file to save under a name; what is in it is never run or shown in our origin."""
    return Response(content, media_type=media_type, headers=safe_name(name))


def safe_name(name: str) -> dict[str, str]:
    """The headers by which an answer is a file of this name, and never a page."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    }
