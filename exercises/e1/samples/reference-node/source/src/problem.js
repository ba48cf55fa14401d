// Every error leaves the service as application/problem+json (RFC 9457), Express's own errors too.

import { STATUS_CODES } from 'node:http';

export class Problem extends Error {
  /** errors: [{ field, code, message }]; headers are added to the answer. */
  constructor(status, { title = STATUS_CODES[status], detail, errors, headers = {} } = {}) {
    super(title);
    this.status = status;
    this.headers = headers;
    this.body = { type: 'about:blank', title, status, detail, errors };
  }
}

/** A 400 that names the parameter at fault. */
export function invalid(field, message) {
  return new Problem(400, {
    title: 'คำขอไม่ถูกต้อง',
    detail: `${field}: ${message}`,
    errors: [{ field, code: 'invalid', message }],
  });
}

export function unknownPath() {
  throw new Problem(404, { title: 'ไม่พบเส้นทางนี้' });
}

/** For the methods that a known path does not have. */
export function onlyGet(request, response) {
  const headers = { Allow: 'GET, HEAD, OPTIONS' };
  if (request.method === 'OPTIONS') {
    response.set(headers).status(204).end();
    return;
  }
  throw new Problem(405, { title: 'ไม่รองรับ method นี้', headers });
}

// Express knows an error handler by its four parameters.
export function problemHandler(error, request, response, next) {
  if (response.headersSent) {
    next(error);
    return;
  }
  const problem = asProblem(error);
  response.set(problem.headers).status(problem.status).type('application/problem+json');
  response.json(problem.body); // members that are undefined are left out
}

function asProblem(error) {
  if (error instanceof Problem) return error;
  // Express reports what it cannot read (such as %E0 in a path) with a status of its own.
  if (error.status >= 400 && error.status < 500) return new Problem(error.status);
  // No message in the log: it could quote what the caller sent.
  const where = String(error.stack).split('\n').slice(1, 4).join(' ').trim();
  console.error(`unexpected ${error.name} ${error.code ?? ''} ${where}`);
  return new Problem(500, { title: 'ระบบขัดข้อง' });
}
