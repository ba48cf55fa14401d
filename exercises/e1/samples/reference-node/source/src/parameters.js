// What a caller may send. Everything is checked here, before a query is built.

import { invalid, Problem } from './problem.js';

const AREA = /^(?:[0-9]{2}|[0-9]{4}|[0-9]{6})$/;
const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
const HOSCODE = /^[0-9]{1,5}$/;
const LIMIT = /^(?:[1-9][0-9]?|100)$/;
const TYPE = /^[0-9]{1,2}$/;

const DEFAULT_LIMIT = 50;
const MAX_Q_CHARACTERS = 100;

/**
 * Express's query parser. Node's own turns bytes that are not UTF-8 into U+FFFD, and the search would then be for
 * something that nobody asked for; this one refuses them.
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

/** Return { filters: { area, type, openOn, q }, limit, cursor }; a filter that was not sent is null. */
export function readListing(query, today) {
  return {
    filters: {
      area: readOne(query, 'area', AREA, 'ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก'),
      type: readOne(query, 'type', TYPE, 'ต้องเป็นเลขอารบิก 1–2 หลัก'),
      openOn: readDay(query, 'open_on') ?? today,
      q: readSearch(query, 'q'),
    },
    limit: Number(readOne(query, 'limit', LIMIT, 'ต้องเป็นจำนวนเต็ม 1–100') ?? DEFAULT_LIMIT),
    cursor: readOne(query, 'cursor', /./, 'ต้องเป็นค่าจาก page.next_cursor'),
  };
}

export function readHoscode(text) {
  if (!HOSCODE.test(text)) throw invalid('hoscode', 'ต้องเป็นเลขอารบิก 1–5 หลัก');
  return text;
}

export function readAreacode(text) {
  if (!AREA.test(text)) throw invalid('areacode', 'ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก');
  return text;
}

function readOne(query, name, pattern, rule) {
  const values = query.get(name);
  if (values === undefined) return null;
  if (values.length > 1) throw invalid(name, 'ส่งได้ครั้งเดียว');
  if (!pattern.test(values[0])) throw invalid(name, rule);
  return values[0];
}

function readDay(query, name) {
  const text = readOne(query, name, DATE, 'ต้องเป็นวันที่แบบ YYYY-MM-DD');
  if (text === null) return null;
  // Date moves 2025-02-30 on to March: a day that exists comes back as it was.
  const day = new Date(`${text}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== text) {
    throw invalid(name, 'ไม่มีวันที่นี้');
  }
  return text;
}

function readSearch(query, name) {
  const text = readOne(query, name, /^/, '');
  if (text === null) return null;
  const characters = [...text].length; // length would count emoji and the like twice
  if (characters < 1 || characters > MAX_Q_CHARACTERS) throw invalid(name, 'ต้องมี 1–100 ตัวอักษร');
  return text;
}
