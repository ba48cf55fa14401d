// Days are whole numbers (days since 1970-01-01), so that differences are subtractions and no time zone gets in.

const DAY_MS = 24 * 60 * 60 * 1000;
const COMPACT = /^([0-9]{4})([0-9]{2})([0-9]{2})$/;
const BE_MINUS_CE = 543;

/** Read YYYYMMDD (CE); null for everything that is no day of the calendar. */
export function dayOf(text) {
  const [, year, month, day] = COMPACT.exec(text ?? '') ?? [];
  return year === undefined ? null : dayFrom(Number(year), Number(month), Number(day));
}

/** Read YYYYMMDD (BE). The year is converted first: 29 February 2567 exists, the CE year 2567 has none. */
export function dayOfBe(text) {
  const [, year, month, day] = COMPACT.exec(text ?? '') ?? [];
  return year === undefined ? null : dayFrom(Number(year) - BE_MINUS_CE, Number(month), Number(day));
}

function dayFrom(year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  // Date moves 30 February on to March, and month 00 back to December: a day that exists stays where it was put.
  const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists && year > 0 ? date.getTime() / DAY_MS : null;
}

export function isoDay(day) {
  return day === null ? null : new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The BE fiscal year, 1 October to 30 September, named by the year in which it ends. */
export function fiscalYearOf(day) {
  if (day === null) return null;
  const date = new Date(day * DAY_MS);
  return date.getUTCFullYear() + BE_MINUS_CE + (date.getUTCMonth() >= 9 ? 1 : 0);
}

/**
 * Say whether a date of birth of HDC (CE, ending in 0101 when month and day are unknown) contradicts one of DOPA (BE,
 * with 00 for what is unknown). The year is always compared, the rest where both sides know it.
 */
export function birthsContradict(hdc, dopa) {
  if (Number(hdc.slice(0, 4)) + BE_MINUS_CE !== Number(dopa.slice(0, 4))) return true;
  if (hdc.slice(4) === '0101') return false;
  return [[4, 6], [6, 8]].some(([from, to]) => {
    const known = dopa.slice(from, to);
    return known !== '00' && known !== hdc.slice(from, to);
  });
}
