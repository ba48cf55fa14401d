// แบบฝึกหัด E1 สมุดหน่วยบริการ: โครงเริ่มต้น รันได้ทันที ที่เหลือเป็นของคุณ

import express from 'express';
import pg from 'pg';

const app = express();
app.disable('x-powered-by');

const BANGKOK_OFFSET_MS = 7 * 60 * 60 * 1000;

/** วันที่ของ AS_OF ("วันนี้" ของแบบฝึกหัด) แบบ YYYY-MM-DD ไม่ใช้นาฬิกาของเครื่อง */
export function today() {
  const asOf = new Date(process.env.AS_OF);
  return new Date(asOf.getTime() + BANGKOK_OFFSET_MS).toISOString().slice(0, 10);
}

/**
 * ทะเบียนหน่วยบริการ (อ่านอย่างเดียว) Pool จะเชื่อมต่อเมื่อถูกใช้เท่านั้น /healthz จึงตอบได้แม้ฐานข้อมูลยังไม่พร้อม
 *
 * ตัวอย่าง: const { rows } = await register.query('SELECT … WHERE hoscode = $1', [hoscode]);
 */
export const register = new pg.Pool({
  connectionString: process.env.AGENCY_FACILITY_URL,
  max: 4,
  connectionTimeoutMillis: 5000,
});
register.on('error', (error) => console.error(`การเชื่อมต่อที่ว่างอยู่หลุด: ${error.code}`));

/** ข้อผิดพลาดทุกชนิดตอบเป็น application/problem+json (RFC 9457) */
function problem(response, status, title, detail) {
  response.status(status).type('application/problem+json');
  response.json({ type: 'about:blank', title, status, detail });
}

app.get('/healthz', (request, response) => {
  response.json({ status: 'ok' });
});

// TODO 1: ทำ getFacility ให้ตรง contract.yaml (รหัสเป็นข้อความเสมอ: "00712" ไม่ใช่ 712)
app.get('/facilities/:hoscode', async (request, response) => {
  problem(response, 501, 'ยังไม่ได้ทำ', 'getFacility');
});

// TODO 2: GET /facilities (listFacilities)
// TODO 3: GET /areas/:areacode/facility-count (countFacilities)
// TODO 4: 404 และ 405 ของ Express ยังไม่เป็น problem+json ลองใช้ app.route(…).get(…).all(…) และ app.use(…) ตัวสุดท้าย

// Express รู้จักตัวจัดการข้อผิดพลาดจากการที่มีพารามิเตอร์สี่ตัว จึงต้องมี next แม้ไม่ได้ใช้
app.use((error, request, response, next) => {
  problem(response, 500, 'ระบบขัดข้อง');
});

app.listen(process.env.PORT ?? 8080, '0.0.0.0');

// หยุดทันทีเมื่อได้รับ SIGTERM
process.once('SIGTERM', () => process.exit(0));
