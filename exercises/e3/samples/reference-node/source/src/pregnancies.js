// From the rows of HDC to pregnancies: one for each woman and gravida, over all facilities. Pure.

import { isCitizenNumber, normalise } from './citizen.js';
import { dayOf } from './dates.js';
import { arabicDigits } from './texts.js';

const GA = /^([0-9]{1,3})(?:\+([0-6])| ?สัปดาห์)?$/;
export const LAST_DAY_IN_TIME = 12 * 7 + 6;

/**
 * Return the pregnancies of the files { person, prenatal, anc } as objects:
 *   message      what its pseudonym is made of; also the key by which rows belong together
 *   cid          the usable citizen number, or null
 *   hasNumber    whether anything was recorded as citizen number
 *   birth        YYYYMMDD (CE) as HDC has it
 *   lmp          day, or null; lmpSource: prenatal | ga | unknown
 *   firstVisit   day of the first visit on or after the LMP, or null
 */
export function collectPregnancies({ person, prenatal, anc }) {
  const women = new Map(person.map((row) => [clientKey(row), womanOf(row)]));
  const groups = new Map();
  const groupOf = (row) => {
    const woman = women.get(clientKey(row));
    const gravida = Number(arabicDigits(row.gravida));
    // The woman where we know her, over all facilities; else the client of one facility.
    const message = woman.cid ? `${woman.cid}${gravida}` : `${row.hospcode}:${row.pid}:${gravida}`;
    if (!groups.has(message)) groups.set(message, { message, woman, registrations: [], visits: [] });
    return groups.get(message);
  };
  for (const row of prenatal) groupOf(row).registrations.push(row);
  for (const row of anc) {
    const { hospcode, seq, ga } = row;
    const group = groupOf(row); // a visit without a readable day is none, but it tells of a pregnancy
    const day = dayOf(row.date_serv);
    if (day !== null) group.visits.push({ day, hospcode, seq, ga });
  }
  return Array.from(groups.values(), pregnancyOf);
}

function clientKey({ hospcode, pid }) {
  return `${hospcode}:${pid}`;
}

function womanOf({ cid, birth }) {
  const number = normalise(cid);
  return { cid: isCitizenNumber(number) ? number : null, hasNumber: number !== '', birth };
}

function pregnancyOf({ message, woman, registrations, visits }) {
  const { lmp, lmpSource } = lmpOf(registrations, visits);
  const counted = lmp === null ? [] : visits.map(({ day }) => day).filter((day) => day >= lmp);
  return { message, ...woman, lmp, lmpSource, firstVisit: counted.length > 0 ? Math.min(...counted) : null };
}

function lmpOf(registrations, visits) {
  // The row is chosen before its LMP is looked at: an older row does not fill in for the newest.
  const newest = [...registrations].sort(
    (a, b) => byText(b.d_update, a.d_update) || byText(a.hospcode, b.hospcode) || byText(a.pid, b.pid),
  )[0];
  const registered = dayOf(newest?.lmp);
  if (registered !== null) return { lmp: registered, lmpSource: 'prenatal' };

  const aged = visits
    .map((visit) => ({ ...visit, age: gestationalDays(visit.ga) }))
    .filter((visit) => visit.age !== null)
    .sort((a, b) => a.day - b.day || byText(a.hospcode, b.hospcode) || byText(a.seq, b.seq))[0];
  if (aged !== undefined) return { lmp: aged.day - aged.age, lmpSource: 'ga' };
  return { lmp: null, lmpSource: 'unknown' };
}

/** Days in "11", "11+3" or "11 สัปดาห์"; null for anything else. */
function gestationalDays(text) {
  const [, weeks, days] = GA.exec(arabicDigits(text ?? '').trim()) ?? [];
  return weeks === undefined ? null : Number(weeks) * 7 + Number(days ?? 0);
}

/** Order of texts by their characters, not by a language. */
function byText(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
