// แบบฝึกหัด E3 ฝากครรภ์เร็วจริงไหม: โครงเริ่มต้น รันได้ทันที ที่เหลือเป็นของคุณ

import express from 'express';
import mysql from 'mysql2/promise';

const app = express();
app.disable('x-powered-by');

/**
 * แฟ้มของ HDC (อ่านอย่างเดียว) Pool จะเชื่อมต่อเมื่อถูกใช้เท่านั้น /healthz จึงตอบได้แม้ฐานข้อมูลยังไม่พร้อม
 *
 * ตัวอย่าง: const [rows] = await hdc.query('SELECT hospcode, pid, cid FROM person');
 */
export const hdc = mysql.createPool({
  uri: process.env.AGENCY_HDC_URL ?? 'mysql://localhost/agency',
  connectionLimit: 4,
  connectTimeout: 5000,
});

/**
 * ผลของ work หรือข้อผิดพลาดเมื่อครบเวลา ใช้ครอบการถาม DOPA ทั้งครั้ง รวมการอ่านเนื้อคำตอบ
 *
 * fetch ของ Node 18 บางครั้งทำ signal หาย AbortSignal.timeout อย่างเดียวจึงไม่พอ
 *
 * ตัวอย่าง: const answer = await inTime(5000, async (signal) => {
 *            const response = await fetch(url, { method: 'POST', headers, body, signal });
 *            return response.json();
 *          });
 */
export async function inTime(milliseconds, work) {
  const controller = new AbortController();
  let timer;
  const tooLate = new Promise((resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error('timeout'));
      controller.abort();
    }, milliseconds);
  });
  try {
    return await Promise.race([work(controller.signal), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** ข้อผิดพลาดทุกชนิดตอบเป็น application/problem+json (RFC 9457) */
function problem(response, status, title, detail) {
  response.status(status).type('application/problem+json');
  response.json({ type: 'about:blank', title, status, detail });
}

app.get('/healthz', (request, response) => {
  response.json({ status: 'ok' });
});

// TODO 1: นามแฝง (case_id) ด้วย createHmac ของ node:crypto ให้ตรงตัวอย่างในใบงาน
// TODO 2: ทำ listReconciliation ให้ตรง contract.yaml
app.get('/anc/reconciliation', async (request, response) => {
  problem(response, 501, 'ยังไม่ได้ทำ', 'listReconciliation');
});

// TODO 3: ทำ getCase
app.get('/anc/cases/:caseId', async (request, response) => {
  problem(response, 501, 'ยังไม่ได้ทำ', 'getCase');
});

// TODO 4: ทำ getFirstVisitRate และตอบ 503 พร้อม Retry-After เมื่อ DOPA ล่ม
app.get('/anc/first-visit', async (request, response) => {
  problem(response, 501, 'ยังไม่ได้ทำ', 'getFirstVisitRate');
});

// TODO 5: 404 และ 405 ของ Express ยังไม่เป็น problem+json ลองใช้ app.route(…).get(…).all(…) และ app.use(…) ตัวสุดท้าย

// Express รู้จักตัวจัดการข้อผิดพลาดจากการที่มีพารามิเตอร์สี่ตัว จึงต้องมี next แม้ไม่ได้ใช้
app.use((error, request, response, next) => {
  problem(response, 500, 'ระบบขัดข้อง'); // ไม่บันทึกข้อความของข้อผิดพลาด เพราะอาจมีข้อมูลบุคคล
});

app.listen(process.env.PORT ?? 8080, '0.0.0.0');

// หยุดทันทีเมื่อได้รับ SIGTERM
process.once('SIGTERM', () => process.exit(0));
