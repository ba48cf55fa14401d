// Where the next page starts: after the case_id of the last row shown, in the same list. Signed, so that nothing but
// what this service issued for this list is taken.

import { createHmac } from 'node:crypto';

import { invalid } from './problem.js';

const FORM = /^([A-Z2-7]{16})\.[\w-]{22}$/;

/** outcome: the filter of the list, or null. */
export function writeCursor(key, caseId, outcome) {
  const signature = createHmac('sha256', key).update(`cursor ${outcome ?? 'all'} ${caseId}`).digest();
  return `${caseId}.${signature.subarray(0, 16).toString('base64url')}`;
}

/** Return the case_id to go on after; throw a 400 for any text that was not issued for this list. */
export function readCursor(key, text, outcome) {
  const [, caseId] = FORM.exec(text) ?? [];
  if (caseId === undefined || writeCursor(key, caseId, outcome) !== text) {
    throw invalid('cursor', 'ไม่ใช่ cursor ของรายการนี้');
  }
  return caseId;
}
