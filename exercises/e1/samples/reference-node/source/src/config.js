// What the service reads from its environment, once, at the start.

import { Clock } from './clock.js';

/** Return { port, registerUrl, clock }; throw when something is missing, so that a wrong setting shows at once. */
export function readConfig(env) {
  const port = Number(env.PORT ?? 8080);
  if (!Number.isInteger(port)) throw new Error('PORT is not a number');
  if (!env.AGENCY_FACILITY_URL) throw new Error('AGENCY_FACILITY_URL is not set');
  return { port, registerUrl: env.AGENCY_FACILITY_URL, clock: new Clock(env.AS_OF) };
}
