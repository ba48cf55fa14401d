// What a caller may send. Everything is checked here, before an agency is asked.

import { OUTCOMES } from './linkage.js';
import { invalid, Problem } from './problem.js';

const AREA = /^(?:[0-9]{2}|[0-9]{4}|[0-9]{6})$/;
const CASE_ID = /^[A-Z2-7]{16}$/;
const LIMIT = /^(?:[1-9][0-9]?|100)$/;
const YEAR = /^[0-9]{4}$/;

const DEFAULT_AREA = '97';
const DEFAULT_LIMIT = 50;

/**
 * Express's query parser. Node's own turns bytes that are not UTF-8 into U+FFFD, and the answer would then be to
 * something that nobody asked; this one refuses them.
 */
export function parseQuery(text) {
  const query = new Map();
  for (const pair of (text ?? '').split('&')) {
    if (pair === '') continue;
    const [name, ...value] = pair.replaceAll('+', ' ').split('=');
    const key = decode(name);
    query.set(key, [...(query.get(key) ?? []), decode(value.join('='))]);
  }
  return query;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Problem(400, { title: 'คำขอไม่ถูกต้อง', detail: 'พารามิเตอร์เข้ารหัสแบบ percent-encoding ของ UTF-8 ไม่ถูกต้อง' });
  }
}

/** Return { fiscalYear, area }. */
export function readRateQuestion(query) {
  const text = readOne(query, 'fy_be', YEAR, 'ต้องเป็นปีงบประมาณ พ.ศ. 2550–2600');
  if (text === null) throw invalid('fy_be', 'ต้องระบุ');
  const fiscalYear = Number(text);
  if (fiscalYear >= 1950 && fiscalYear <= 2100) {
    throw invalid('fy_be', `ต้องเป็นปี พ.ศ. ${fiscalYear} หมายถึง ${fiscalYear + 543} หรือไม่`);
  }
  if (fiscalYear < 2550 || fiscalYear > 2600) throw invalid('fy_be', 'ต้องเป็นปีงบประมาณ พ.ศ. 2550–2600');
  return { fiscalYear, area: readOne(query, 'area', AREA, 'ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก') ?? DEFAULT_AREA };
}

/** Return { outcome, limit, cursor }; outcome and cursor are null when they were not sent. */
export function readListing(query) {
  const outcome = readOne(query, 'outcome', /^/, '');
  if (outcome !== null && !OUTCOMES.includes(outcome)) throw invalid('outcome', `ต้องเป็น ${OUTCOMES.join(', ')}`);
  return {
    outcome,
    limit: Number(readOne(query, 'limit', LIMIT, 'ต้องเป็นจำนวนเต็ม 1–100') ?? DEFAULT_LIMIT),
    cursor: readOne(query, 'cursor', /./, 'ต้องเป็นค่าจาก page.next_cursor'),
  };
}

export function readCaseId(text) {
  if (!CASE_ID.test(text)) throw invalid('case_id', 'ต้องมี 16 ตัวอักษรจาก A–Z และ 2–7');
  return text;
}

function readOne(query, name, pattern, rule) {
  const values = query.get(name);
  if (values === undefined) return null;
  if (values.length > 1) throw invalid(name, 'ส่งได้ครั้งเดียว');
  if (!pattern.test(values[0])) throw invalid(name, rule);
  return values[0];
}
