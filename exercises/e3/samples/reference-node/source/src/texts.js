// Texts as people type them.

const THAI_ZERO = '๐'.codePointAt(0);

/** The text with Thai digits turned into Arabic ones. */
export function arabicDigits(text) {
  return text.replace(/[๐-๙]/g, (digit) => String(digit.codePointAt(0) - THAI_ZERO));
}
