// The only name by which a reader knows a pregnancy. Without the key nobody can try all citizen numbers.

import { createHmac } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'; // base32 of RFC 4648
const CHARACTERS = 16;

/** The first 16 characters of base32(HMAC-SHA256(key, message)). */
export function pseudonym(key, message) {
  const digest = createHmac('sha256', key).update(message).digest();
  let text = '';
  for (let bit = 0; text.length < CHARACTERS; bit += 5) {
    // Five bits lie in at most two neighbouring bytes.
    const pair = digest.readUInt16BE(bit >> 3);
    text += ALPHABET[(pair >> (11 - (bit & 7))) & 31];
  }
  return text;
}
