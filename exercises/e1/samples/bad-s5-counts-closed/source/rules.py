"""Reading and refusing what callers send. Codes stay text; nothing is guessed."""

import re
from datetime import date

from answers import problem


class BadInput(Exception):
    def __init__(self, field, reason):
        super().__init__(field)
        self.field = field
        self.reason = reason

    def as_problem(self):
        return problem(
            400,
            "คำขอไม่ถูกต้อง",
            detail=f"{self.field}: {self.reason}",
            errors=[{"name": self.field, "message": self.reason}],
        )


def facility_code(text):
    if not re.fullmatch("[0-9]{1,5}", text):
        raise BadInput("hoscode", "ต้องเป็นเลขอารบิก 1–5 หลัก")
    return text


def area_code(text):
    if not re.fullmatch("[0-9]{2}|[0-9]{4}|[0-9]{6}", text):
        raise BadInput("areacode", "ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก")
    return text


class Inputs:
    """The query parameters of one request."""

    def __init__(self, args):
        self._args = args

    def once(self, name):
        """The only value of a parameter, None if it was not sent."""
        values = self._args.getlist(name)
        if len(values) > 1:
            raise BadInput(name, "ส่งได้ครั้งเดียว")
        return values[0] if values else None

    def matching(self, name, pattern):
        value = self.once(name)
        if value is not None and not re.fullmatch(pattern, value):
            raise BadInput(name, "รูปแบบไม่ถูกต้อง")
        return value

    def whole_number(self, name, *, low, high, default):
        value = self.matching(name, "[0-9]{1,9}")
        if value is None:
            return default
        if not low <= int(value) <= high:
            raise BadInput(name, f"ต้องอยู่ระหว่าง {low} ถึง {high}")
        return int(value)

    def day(self, name):
        value = self.matching(name, "[0-9]{4}-[0-9]{2}-[0-9]{2}")
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise BadInput(name, "ไม่มีวันนี้ในปฏิทิน (ใช้ปี ค.ศ.)") from None

    def words(self, name, *, longest):
        value = self.once(name)
        if value is None:
            return None
        if not 1 <= len(value) <= longest:
            raise BadInput(name, f"ต้องยาว 1–{longest} ตัวอักษร")
        if "\0" in value:
            raise BadInput(name, "มีอักขระที่ใช้ไม่ได้")  # no text of PostgreSQL can hold it
        return value.strip()
