"""แบบฝึกหัด E1 สมุดหน่วยบริการ: โครงเริ่มต้น รันได้ทันที ที่เหลือเป็นของคุณ"""

import os
from datetime import date, datetime, timedelta, timezone

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine, make_url

app = FastAPI(title="สมุดหน่วยบริการ", redirect_slashes=False)

BANGKOK = timezone(timedelta(hours=7))


def today() -> date:
    """วันที่ของ AS_OF ("วันนี้" ของแบบฝึกหัด) ไม่ใช้นาฬิกาของเครื่อง"""
    return datetime.fromisoformat(os.environ["AS_OF"]).astimezone(BANGKOK).date()


def register():
    """ทะเบียนหน่วยบริการ (อ่านอย่างเดียว) เรียกเมื่อจะใช้เท่านั้น เพื่อให้ /healthz ตอบได้แม้ฐานข้อมูลยังไม่พร้อม

    ตัวอย่าง: with register().connect() as connection: connection.execute(text("SELECT …"))
    ควรสร้างครั้งเดียวแล้วใช้ซ้ำ
    """
    url = make_url(os.environ["AGENCY_FACILITY_URL"]).set(drivername="postgresql+psycopg")
    return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=4, max_overflow=0, pool_pre_ping=True)


def problem(status: int, title: str, detail: str = "") -> JSONResponse:
    """ข้อผิดพลาดทุกชนิดตอบเป็น application/problem+json (RFC 9457)"""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


# TODO 1: ทำ getFacility ให้ตรง contract.yaml (รหัสเป็นข้อความเสมอ: "00712" ไม่ใช่ 712)
@app.get("/facilities/{hoscode}")
def get_facility(hoscode: str) -> JSONResponse:
    return problem(501, "ยังไม่ได้ทำ", "getFacility")


# TODO 2: GET /facilities (listFacilities)
# TODO 3: GET /areas/{areacode}/facility-count (countFacilities)
# TODO 4: 400, 404 และ 405 ของเฟรมเวิร์กยังไม่เป็น problem+json ลองใช้ @app.exception_handler


@app.exception_handler(Exception)
def unexpected(request: Request, error: Exception) -> JSONResponse:
    return problem(500, "ระบบขัดข้อง")
