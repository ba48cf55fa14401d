// Who a pregnancy belongs to in the civil registry, and why not where it does not. Pure.

import { birthsContradict } from './dates.js';

const FEMALE = '2';

const REASONS = {
  no_cid: 'ไม่มีเลขประจำตัวประชาชนในแฟ้ม',
  invalid_cid: 'เลขประจำตัวประชาชนไม่ครบ 13 หลัก หรือหลักตรวจสอบไม่ถูกต้อง',
  not_found: 'ทะเบียนราษฎรไม่มีเลขนี้',
  conflict: 'เพศหรือวันเกิดในทะเบียนราษฎรขัดกับแฟ้ม',
  dead: 'ทะเบียนราษฎรแจ้งว่าเสียชีวิต',
  moved_out: 'ทะเบียนราษฎรแจ้งว่าย้ายออก',
  linked: 'พบในทะเบียนราษฎร เพศและวันเกิดไม่ขัดกัน',
};

/** In the order in which they apply. */
export const OUTCOMES = Object.keys(REASONS);

/** persons: Map of cid → person. Return the pregnancy with { outcome, reason, person }; the person may be null. */
export function linked(pregnancy, persons) {
  const person = persons.get(pregnancy.cid) ?? null;
  const outcome = outcomeOf(pregnancy, person);
  return { ...pregnancy, outcome, reason: REASONS[outcome], person };
}

function outcomeOf({ cid, hasNumber, birth }, person) {
  if (!hasNumber) return 'no_cid';
  if (cid === null) return 'invalid_cid';
  if (person === null) return 'not_found';
  // A mistyped number may well be the number of somebody else.
  if (person.sex !== FEMALE || birthsContradict(birth, person.birth_be)) return 'conflict';
  if (person.status === 'dead') return 'dead';
  if (person.status === 'moved') return 'moved_out';
  return 'linked';
}
