// Starts the service and stops it at once on SIGTERM or SIGINT.

import { createApp } from './app.js';
import { Clock } from './clock.js';
import { readConfig } from './config.js';
import { Dopa } from './dopa.js';
import { Hdc } from './hdc.js';

const config = readConfig(process.env);
const app = createApp({
  hdc: new Hdc(config.hdcUrl),
  dopa: new Dopa(config.dopaUrl, config.dopaToken),
  clock: new Clock(config.asOf),
  key: config.pseudonymKey,
});
const server = app.listen(config.port, '0.0.0.0', (error) => {
  if (error) throw error;
  console.log(`listening on port ${config.port}`);
});

// What Node's HTTP parser refuses never reaches Express; it is answered in the same form as every other error.
server.on('clientError', (error, socket) => {
  if (!socket.writable) return;
  const [status, title] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? [431, 'Request Header Fields Too Large']
      : [400, 'Bad Request'];
  const body = JSON.stringify({ type: 'about:blank', title, status });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
});

// The service only reads: there is nothing to finish or to save.
function stop() {
  process.exit(0);
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
