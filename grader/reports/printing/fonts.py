"""The fonts of printed reports: four files of one family, the ones that were looked at and tested, and no others.

Printing asks the machine for no font. A file that changed could draw other shapes or number its glyphs differently,
which would spoil the text of a PDF without anybody seeing it, so each is compared with its digest before it is used.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from grader.errors import EnvironmentProblem

PACKAGE: Final = "fontpkg_sarabun"

SHA256: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Sarabun-Regular.ttf": "226d4f368fbc0457990ddef2692679badfd2c1a4e89e5ac4d43c10ba7743b2f1",
        "Sarabun-Bold.ttf": "d38308ca27d067b9a1b79006337c1f9a66c29aa016d96a9d88d3801da7fa83b9",
        "Sarabun-Italic.ttf": "595a968e97a8b8179a6bde2d74d4f91b11475dcfb6cf270037d76d8ed71160ea",
        "Sarabun-BoldItalic.ttf": "5ef1b930f9a3afed5ec83374b5617cad3a89d91a8fc5e372dc028c2aa2950f8d",
    }
)
"""File to the digest of what was tested: Sarabun 1.000, under the SIL Open Font License."""


@cache
def font(name: str) -> bytes:
    """One of the files of ``SHA256``, read and compared once.

    Raises:
        EnvironmentProblem: ``environment.font_missing`` or ``environment.font_changed``.
    """
    try:
        content = files(PACKAGE).joinpath("files", name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as problem:
        raise EnvironmentProblem("environment.font_missing", file=name, package=PACKAGE) from problem
    return compared(name, content)


def compared(name: str, content: bytes) -> bytes:
    """The content, when it is the one that was tested.

    Raises:
        EnvironmentProblem: ``environment.font_changed``.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise EnvironmentProblem("environment.font_changed", file=name, expected=SHA256[name], found=found)
    return content
