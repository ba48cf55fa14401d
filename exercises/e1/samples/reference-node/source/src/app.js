// สมุดหน่วยบริการ: which facilities exist, where they are, and whether they are open.

import express from 'express';

import { thaiTimestamp } from './clock.js';
import { readCursor, writeCursor } from './cursor.js';
import { facilityObject } from './facility.js';
import { logRequests } from './log.js';
import { parseQuery, readAreacode, readHoscode, readListing } from './parameters.js';
import { onlyGet, Problem, problemHandler, unknownPath } from './problem.js';

/** The Express application over a register (register.js) and a clock (clock.js). */
export function createApp({ register, clock }) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // the register changes under us; conditional requests are not in the contract
  app.enable('strict routing'); // /facilities/ is not /facilities
  app.enable('case sensitive routing');
  app.set('query parser', parseQuery);
  app.use(logRequests);

  const meta = () => ({
    as_of: clock.asOf,
    partial: false,
    sources: [{ name: 'FACILITY', status: 'ok', fetched_at: thaiTimestamp(new Date()) }],
  });

  app
    .route('/healthz')
    .get((request, response) => response.json({ status: 'ok' }))
    .all(onlyGet);

  app
    .route('/facilities')
    .get(async (request, response) => {
      const { filters, limit, cursor } = readListing(request.query, clock.today);
      const after = cursor === null ? null : readCursor(cursor, filters);
      // One row more than the page holds tells whether there is a next page.
      const rows = await register.page(filters, after, limit + 1);
      const page = rows.slice(0, limit);
      response.json({
        data: page.map((row) => facilityObject(row, clock.today)),
        page: { limit, next_cursor: rows.length > limit ? writeCursor(page.at(-1), filters) : null },
        meta: meta(),
      });
    })
    .all(onlyGet);

  app
    .route('/facilities/:hoscode')
    .get(async (request, response) => {
      const row = await register.facility(readHoscode(request.params.hoscode));
      if (row === null) throw new Problem(404, { title: 'ไม่พบหน่วยบริการนี้' });
      response.json({ data: facilityObject(row, clock.today), meta: meta() });
    })
    .all(onlyGet);

  app
    .route('/areas/:areacode/facility-count')
    .get(async (request, response) => {
      const areacode = readAreacode(request.params.areacode);
      const count = await register.count(areacode, clock.today);
      if (count === null) throw new Problem(404, { title: 'ไม่พบพื้นที่นี้' });
      response.json({ data: { areacode, as_of: clock.asOf, count }, meta: meta() });
    })
    .all(onlyGet);

  app.use(unknownPath);
  app.use(problemHandler);
  return app;
}
