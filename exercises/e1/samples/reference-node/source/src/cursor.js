// Where the next page starts: after the sort key of the last row shown, in the same search.
//
// The digest ties a cursor to its filters, and lets the service tell a cursor of its own from a text that somebody
// made up. It is no secret and protects nothing: a cursor only names a place in a public list.

import { createHash } from 'node:crypto';

import { invalid } from './problem.js';

const POSITION = /^([0-9]{6})\.([0-9]{1,5})\.[0-9a-f]{16}$/;

/** position: { areacode, hoscode } of the last row shown. */
export function writeCursor({ areacode, hoscode }, filters) {
  const digest = createHash('sha256')
    .update(JSON.stringify([areacode, hoscode, filters.area, filters.type, filters.openOn, filters.q]))
    .digest('hex')
    .slice(0, 16);
  return Buffer.from(`${areacode}.${hoscode}.${digest}`).toString('base64url');
}

/** Return the position that a cursor of these filters holds; throw a 400 for any text that was not issued for them. */
export function readCursor(text, filters) {
  const [, areacode, hoscode] = POSITION.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? [];
  // Written again it must be the same text: Buffer also decodes texts that are no base64url.
  if (areacode === undefined || writeCursor({ areacode, hoscode }, filters) !== text) {
    throw invalid('cursor', 'ไม่ใช่ cursor ของการค้นนี้');
  }
  return { areacode, hoscode };
}
