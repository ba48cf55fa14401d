"""แบบฝึกหัด E3 ฝากครรภ์เร็วจริงไหม: โครงเริ่มต้น รันได้ทันที ที่เหลือเป็นของคุณ (a skeleton that runs; the rest is yours)"""

import os
from datetime import datetime, timedelta, timezone
from functools import lru_cache

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import Engine, create_engine, make_url

app = FastAPI(title="ฝากครรภ์เร็วจริงไหม", redirect_slashes=False)

BANGKOK = timezone(timedelta(hours=7))


def as_of() -> datetime:
    """คำว่าตอนนี้ของแบบฝึกหัด ใช้ใน meta (the frozen now)"""
    return datetime.fromisoformat(os.environ["AS_OF"]).astimezone(BANGKOK)


@lru_cache(maxsize=1)
def hdc() -> Engine:
    """ฐานข้อมูล HDC (อ่านอย่างเดียว) เรียกเมื่อจะใช้เท่านั้น เพื่อให้ /healthz ตอบได้แม้ฐานข้อมูลยังไม่พร้อม

    ตัวอย่าง (example): with hdc().connect() as connection: connection.execute(text("SELECT …")).all()
    """
    url = make_url(os.environ["AGENCY_HDC_URL"]).set(drivername="mysql+pymysql")
    return create_engine(url, pool_size=4, max_overflow=0, pool_pre_ping=True, connect_args={"read_timeout": 5})


@lru_cache(maxsize=1)
def dopa() -> httpx.Client:
    """ทะเบียนราษฎร: ถามเป็นชุด ครั้งละไม่เกิน 100 เลข (ask in batches of at most 100)

    ตัวอย่าง (example): dopa().post("/v1/persons:batch", json={"cids": […]})
    """
    return httpx.Client(
        base_url=os.environ["AGENCY_DOPA_URL"],
        headers={"Authorization": f"Bearer {os.environ['AGENCY_DOPA_TOKEN']}"},
        timeout=5.0,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def problem(status: int, title: str, detail: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """ข้อผิดพลาดทุกชนิดตอบเป็น application/problem+json (RFC 9457) และไม่มีข้อมูลส่วนบุคคล"""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


# TODO 1: นามแฝง case_id = base32(HMAC-SHA256(PSEUDONYM_KEY, ข้อความ)) 16 ตัวแรก ลองกับตัวอย่างในใบงานก่อน
# TODO 2: ปรับรูปเลขประจำตัวและหลักตรวจสอบ ถาม DOPA เป็นชุด แล้วหาผลการเชื่อมทั้งเจ็ด
@app.get("/anc/reconciliation")
def list_reconciliation() -> JSONResponse:
    return problem(501, "ยังไม่ได้ทำ", "listReconciliation")


# TODO 3: LMP และการฝากครรภ์ครั้งแรกจากหน่วยบริการทุกแห่ง
@app.get("/anc/cases/{case_id}")
def get_case(case_id: str) -> JSONResponse:
    return problem(501, "ยังไม่ได้ทำ", "getCase")


# TODO 4: อัตรา ทศนิยม 2 ตำแหน่ง ปัดครึ่งขึ้น ตัวหารเป็น 0 ได้ null
@app.get("/anc/first-visit")
def get_first_visit_rate() -> JSONResponse:
    return problem(501, "ยังไม่ได้ทำ", "getFirstVisitRate")


# TODO 5: ถาม DOPA ไม่ได้ครบ = 503 พร้อม Retry-After ลองใช้ problem(503, …, headers={"Retry-After": "30"})
# TODO 6: 400, 404 และ 405 ของเฟรมเวิร์กยังไม่เป็น problem+json ลองใช้ @app.exception_handler


@app.exception_handler(Exception)
def unexpected(request: Request, error: Exception) -> JSONResponse:
    return problem(500, "ระบบขัดข้อง")
