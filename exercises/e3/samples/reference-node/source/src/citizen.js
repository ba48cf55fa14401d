// Citizen numbers. The check digit only rejects: it never confirms who somebody is.

import { arabicDigits } from './texts.js';

/** The number without spaces and dashes, in Arabic digits; '' when there is none. */
export function normalise(text) {
  return arabicDigits((text ?? '').replace(/[\s-]/g, ''));
}

/** Say whether a normalised text is 13 digits of which the last is the check digit of the others. */
export function isCitizenNumber(text) {
  if (!/^[0-9]{13}$/.test(text)) return false;
  let sum = 0;
  for (let place = 0; place < 12; place += 1) sum += Number(text[place]) * (13 - place);
  return (11 - (sum % 11)) % 10 === Number(text[12]);
}
