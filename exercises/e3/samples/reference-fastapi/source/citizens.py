"""Citizen numbers as people type them, and whether they can be one."""

import re
from operator import mul

from dates import THAI_DIGITS

WEIGHTS = range(13, 1, -1)


def normalise(text: str | None) -> str:
    """Without blanks and dashes, in Arabic digits; "" when nothing was recorded."""
    return re.sub(r"[\s\-]", "", text or "").translate(THAI_DIGITS)


def is_usable(cid: str) -> bool:
    """Thirteen digits with the right last one. This rejects typing errors; it never confirms who somebody is."""
    # [0-9] and not \d, which would also take the digits of other scripts.
    if re.fullmatch("[0-9]{13}", cid) is None:
        return False
    weighted = sum(map(mul, map(int, cid), WEIGHTS))
    return (11 - weighted % 11) % 10 == int(cid[12])
