"""What a caller may send. Everything is checked here, before a query is built."""

import re
from collections import Counter
from datetime import date
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from problems import InvalidInput


def _whole_number(value: Any) -> Any:
    # int() would also take "5_0", " 50 " and Thai digits, which the contract does not allow.
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) is None:
        raise ValueError("ต้องเป็นจำนวนเต็ม")
    return value


def _iso_date(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value) is None:
        raise ValueError("ต้องเป็นวันที่รูปแบบ YYYY-MM-DD (ค.ศ.)")
    return date.fromisoformat(value)


def _storable(value: str) -> str:
    if "\x00" in value:  # PostgreSQL has no such text, so no name can contain it
        raise ValueError("มีอักขระที่ใช้ไม่ได้")
    return value


class FacilitySearch(BaseModel):
    """The query of listFacilities; parameters that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore")

    area: Annotated[str | None, Field(pattern="^([0-9]{2}|[0-9]{4}|[0-9]{6})$")] = None
    type: Annotated[str | None, Field(pattern="^[0-9]{1,2}$")] = None
    open_on: Annotated[date | None, BeforeValidator(_iso_date)] = None
    q: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_storable)] | None = None
    limit: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=100)] = 50
    cursor: Annotated[str | None, Field(min_length=1, max_length=200)] = None


Hoscode = Annotated[str, Path(pattern="^[0-9]{1,5}$")]
Areacode = Annotated[str, Path(pattern="^([0-9]{2}|[0-9]{4}|[0-9]{6})$")]


def each_parameter_once(request: Request) -> None:
    """Two values for one parameter have no meaning; taking either of them would be a guess."""
    sent = Counter(name for name, _ in request.query_params.multi_items())
    for name in FacilitySearch.model_fields:
        if sent[name] > 1:
            raise InvalidInput(name, "ส่งได้ครั้งเดียว")
