"""Where the next page starts: after which row, in which search."""

import base64
import re
import zlib
from typing import NamedTuple

from rules import BadInput


class Cursor(NamedTuple):
    areacode: str
    hoscode: str

    def write(self, search):
        key = f"{self.areacode}.{self.hoscode}"
        seal = zlib.crc32(f"{key}|{search!r}".encode())
        return base64.b32encode(f"{key}.{seal:08x}".encode()).decode().rstrip("=").lower()

    @classmethod
    def read(cls, text, search):
        """The cursor that ``write`` made for the same search; BadInput for any other text."""
        found = None
        if re.fullmatch("[a-z2-7]{1,64}", text):
            try:
                found = base64.b32decode(text.upper() + "=" * (-len(text) % 8)).decode("ascii")
            except ValueError:
                found = None
        match = re.fullmatch("([0-9]{6})[.]([0-9]{1,5})[.][0-9a-f]{8}", found or "")
        cursor = cls(*match.groups()) if match else None
        if cursor is None or cursor.write(search) != text:
            raise BadInput("cursor", "ไม่รู้จัก cursor นี้ หรือเป็นของการค้นหาอื่น")
        return cursor
