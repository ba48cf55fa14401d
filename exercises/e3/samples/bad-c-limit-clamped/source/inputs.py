"""What a caller may send. Everything is checked here, before an agency is asked."""

import re
from collections import Counter
from typing import Annotated, Any

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from linkage import Outcome
from problems import InvalidInput


def _whole_number(value: Any) -> Any:
    # int() would also take "5_0", " 50 " and Thai digits, which the contract does not allow.
    if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) is None:
        raise ValueError("ต้องเป็นจำนวนเต็ม")
    return value


def _fitting(value: int) -> int:
    return min(max(value, 1), 100)


def _buddhist_year(value: int) -> int:
    if 1950 <= value <= 2100:
        raise ValueError("ต้องเป็นปี พ.ศ. เช่น 2567 ไม่ใช่ปี ค.ศ.")
    if not 2550 <= value <= 2600:
        raise ValueError("รับปี พ.ศ. 2550 ถึง 2600")
    return value


class RateQuery(BaseModel):
    """The query of getFirstVisitRate; parameters that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore")

    fy_be: Annotated[int, BeforeValidator(_whole_number), AfterValidator(_buddhist_year)]
    area: Annotated[str, Field(pattern="^([0-9]{2}|[0-9]{4}|[0-9]{6})$")] = "97"


class ReconciliationQuery(BaseModel):
    """The query of listReconciliation."""

    model_config = ConfigDict(extra="ignore")

    outcome: Outcome | None = None
    limit: Annotated[int, BeforeValidator(_whole_number), AfterValidator(_fitting)] = 50
    cursor: Annotated[str | None, Field(min_length=1, max_length=500)] = None


CaseId = Annotated[str, Path(pattern="^[A-Z2-7]{16}$")]


def each_parameter_once(request: Request) -> None:
    """Two values for one parameter have no meaning; taking either of them would be a guess."""
    sent = Counter(name for name, _ in request.query_params.multi_items())
    for name in (*RateQuery.model_fields, *ReconciliationQuery.model_fields):
        if sent[name] > 1:
            raise InvalidInput(name, "ส่งได้ครั้งเดียว")
