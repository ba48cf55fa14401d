// ฝากครรภ์เร็วจริงไหม: how early the first antenatal visit was, for those whom the civil registry knows.

import express from 'express';

import { caseObject, countsObject, rateObject, rowObject } from './answers.js';
import { thaiTimestamp } from './clock.js';
import { readCursor, writeCursor } from './cursor.js';
import { fiscalYearOf } from './dates.js';
import { linked } from './linkage.js';
import { logRequests } from './log.js';
import { parseQuery, readCaseId, readListing, readRateQuestion } from './parameters.js';
import { collectPregnancies } from './pregnancies.js';
import { onlyGet, Problem, problemHandler, unknownPath } from './problem.js';
import { pseudonym } from './pseudonym.js';

/** The Express application over the two agencies (hdc.js, dopa.js), a clock and the key of the pseudonyms. */
export function createApp({ hdc, dopa, clock, key }) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // the agencies change under us; conditional requests are not in the contract
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.set('query parser', parseQuery);
  app.use(logRequests);

  /** Pregnancies that `wanted` chooses, linked; and the meta of an answer about them. */
  async function readCases(wanted) {
    const files = await hdc.read();
    const pregnancies = collectPregnancies(files).filter(wanted);
    const cids = pregnancies.map(({ cid }) => cid).filter((cid) => cid !== null);
    const { persons, fetchedAt } = await dopa.find(cids);
    return {
      cases: pregnancies.map((pregnancy) => linked(pregnancy, persons)),
      meta: {
        as_of: clock.asOf,
        partial: false,
        sources: [
          { name: 'HDC', status: 'ok', fetched_at: thaiTimestamp(files.fetchedAt) },
          { name: 'DOPA', status: 'ok', fetched_at: thaiTimestamp(fetchedAt) },
        ],
      },
    };
  }

  const named = (one) => ({ ...one, caseId: pseudonym(key, one.message) });

  app
    .route('/healthz')
    .get((request, response) => response.json({ status: 'ok' }))
    .all(onlyGet);

  app
    .route('/anc/first-visit')
    .get(async (request, response) => {
      const { fiscalYear, area } = readRateQuestion(request.query);
      // The registry is asked about the people of this year only: no more than the answer needs.
      const { cases, meta } = await readCases(({ lmp }) => fiscalYearOf(lmp) === fiscalYear);
      response.json({ data: rateObject(cases, fiscalYear, area), meta });
    })
    .all(onlyGet);

  app
    .route('/anc/reconciliation')
    .get(async (request, response) => {
      const { outcome, limit, cursor } = readListing(request.query);
      const after = cursor === null ? '' : readCursor(key, cursor, outcome);
      const { cases, meta } = await readCases(() => true);
      const rows = cases
        .filter((one) => outcome === null || one.outcome === outcome)
        .map(named)
        .filter(({ caseId }) => caseId > after)
        .sort((a, b) => (a.caseId < b.caseId ? -1 : 1));
      const page = rows.slice(0, limit);
      response.json({
        data: page.map(rowObject),
        page: { limit, next_cursor: rows.length > limit ? writeCursor(key, page.at(-1).caseId, outcome) : null },
        meta: { ...meta, counts: countsObject(cases) },
      });
    })
    .all(onlyGet);

  app
    .route('/anc/cases/:caseId')
    .get(async (request, response) => {
      const caseId = readCaseId(request.params.caseId);
      const { cases, meta } = await readCases(({ message }) => pseudonym(key, message) === caseId);
      if (cases.length === 0) throw new Problem(404, { title: 'ไม่พบการตั้งครรภ์นี้' });
      response.json({ data: caseObject(named(cases[0])), meta });
    })
    .all(onlyGet);

  app.use(unknownPath);
  app.use(problemHandler);
  return app;
}
