// The objects of the contract, made of linked pregnancies. No citizen number, no PID and no birth gets in here. Pure.

import { dayOfBe, fiscalYearOf, isoDay } from './dates.js';
import { OUTCOMES } from './linkage.js';
import { LAST_DAY_IN_TIME } from './pregnancies.js';

const WITH_REGISTRY = new Set(['dead', 'moved_out', 'linked']);

/** cases: the linked pregnancies of the fiscal year, whole province. */
export function rateObject(cases, fiscalYear, area) {
  const linked = cases.filter((one) => one.outcome === 'linked');
  const b = linked.filter((one) => one.person.areacode8.startsWith(area));
  const a = b.filter(isInTime);
  return {
    fy_be: fiscalYear,
    areacode: area,
    a: a.length,
    b: b.length,
    rate: percentage(a.length, b.length),
    not_linked: cases.length - linked.length,
  };
}

/** a / b in per cent with 2 decimals, half up. In whole hundredths, because 21/32 is no exact binary fraction of 100. */
function percentage(a, b) {
  return b === 0 ? null : Math.floor((20_000 * a + b) / (2 * b)) / 100;
}

export function countsObject(cases) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  for (const { outcome } of cases) counts[outcome] += 1;
  return counts;
}

export function rowObject({ caseId, outcome, reason }) {
  return { case_id: caseId, outcome, reason };
}

export function caseObject(one) {
  const seen = one.firstVisit !== null;
  return {
    ...rowObject(one),
    fy_be: fiscalYearOf(one.lmp),
    lmp: isoDay(one.lmp),
    lmp_source: one.lmpSource,
    first_visit_date: isoDay(one.firstVisit),
    first_visit_day: seen ? one.firstVisit - one.lmp : null,
    in_time: one.lmp === null ? null : isInTime(one),
    registry: WITH_REGISTRY.has(one.outcome) ? registryObject(one.person) : null,
  };
}

function isInTime({ lmp, firstVisit }) {
  return firstVisit !== null && firstVisit - lmp <= LAST_DAY_IN_TIME;
}

function registryObject({ status, event_date_be, areacode8 }) {
  return { status, event_date: isoDay(dayOfBe(event_date_be)), areacode6: areacode8.slice(0, 6) };
}
