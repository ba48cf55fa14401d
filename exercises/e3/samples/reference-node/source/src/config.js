// What the service reads from its environment, once, at the start. Something missing shows at once.

export function readConfig(env) {
  const port = Number(env.PORT ?? 8080);
  if (!Number.isInteger(port)) throw new Error('PORT is not a number');
  return {
    port,
    hdcUrl: needed(env, 'AGENCY_HDC_URL'),
    dopaUrl: needed(env, 'AGENCY_DOPA_URL'),
    dopaToken: needed(env, 'AGENCY_DOPA_TOKEN'),
    pseudonymKey: needed(env, 'PSEUDONYM_KEY'),
    asOf: env.AS_OF,
  };
}

function needed(env, name) {
  if (!env[name]) throw new Error(`${name} is not set`);
  return env[name];
}
