// One line per request: method, route, status, time. The route is the pattern and not the path, and there is no query
// and no header in it: callers may put people's data in all of these.

export function logRequests(request, response, next) {
  const start = performance.now();
  response.on('finish', () => {
    const route = request.route?.path ?? '-';
    console.log(`${request.method} ${route} ${response.statusCode} ${Math.round(performance.now() - start)} ms`);
  });
  next();
}
