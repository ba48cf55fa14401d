// The civil registry. It is asked in batches by POST: a number in the path of a request would end up in logs.

import { unavailable } from './problem.js';

const BATCH = 20; // small batches, to spare the registry
const TIMEOUT_MS = 5_000; // for a whole answer, its body included
const CACHE_MS = 60_000; // and in memory only

const FORM = { sex: /^[12]$/, birth_be: /^[0-9]{8}$/, status: /^(?:alive|dead|moved)$/, areacode8: /^[0-9]{8}$/ };

export class Dopa {
  #url;
  #token;
  #cache = new Map(); // cid → { person: object or null, at: ms since the start, fetchedAt: Date }

  constructor(url, token) {
    this.#url = new URL('/v1/persons:batch', url);
    this.#token = token;
  }

  /**
   * Ask for many people at once. cids: normalised numbers, repetitions allowed.
   *
   * Return { persons, fetchedAt }: a Map of cid → person for those that the registry has, and when the oldest of these
   * answers was given. Throw the 503 when it cannot be asked about every one of them.
   */
  async find(cids) {
    const now = performance.now();
    for (const [cid, entry] of this.#cache) {
      if (now - entry.at >= CACHE_MS) this.#cache.delete(cid);
    }
    const wanted = [...new Set(cids)];
    const known = new Map(wanted.filter((cid) => this.#cache.has(cid)).map((cid) => [cid, this.#cache.get(cid)]));
    const asked = await this.#askAll(wanted.filter((cid) => !known.has(cid)));

    const entries = [...known, ...asked];
    return {
      persons: new Map(entries.filter(([, entry]) => entry.person).map(([cid, entry]) => [cid, entry.person])),
      fetchedAt: entries.reduce((oldest, [, { fetchedAt }]) => (fetchedAt < oldest ? fetchedAt : oldest), new Date()),
    };
  }

  /** Return [cid, entry] for every number; all batches must succeed. */
  async #askAll(cids) {
    const batches = [];
    for (let from = 0; from < cids.length; from += BATCH) batches.push(cids.slice(from, from + BATCH));
    try {
      return (await Promise.all(batches.map((batch) => this.#ask(batch)))).flat();
    } catch (error) {
      // The reason only: a message could quote what was asked.
      console.error(`DOPA did not answer: ${error.cause?.code ?? error.reason ?? error.name}`);
      throw unavailable('DOPA');
    }
  }

  async #ask(cids) {
    const body = await inTime((signal) => this.#post({ cids }, signal));
    const found = readBatch(body, cids);
    const [at, fetchedAt] = [performance.now(), new Date()];
    const entries = cids.map((cid) => [cid, { person: found.get(cid) ?? null, at, fetchedAt }]);
    for (const [cid, entry] of entries) this.#cache.set(cid, entry);
    return entries;
  }

  async #post(question, signal) {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify(question),
      redirect: 'error',
      signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new BadAnswer(`status ${response.status}`);
    }
    return response.json();
  }
}

/**
 * What `work` gives, or an error after TIMEOUT_MS. AbortSignal.timeout alone does not do it: the fetch of Node 18 loses
 * its signal when garbage is collected, and then waits for minutes. The race ends on time; the signal only tidies up.
 */
async function inTime(work) {
  const controller = new AbortController();
  let timer;
  const tooLate = new Promise((resolve, reject) => {
    timer = setTimeout(() => {
      reject(new BadAnswer('timeout'));
      controller.abort();
    }, TIMEOUT_MS);
  });
  try {
    return await Promise.race([work(controller.signal), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

class BadAnswer extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** Return cid → person. What is not the documented shape is no answer, and never "nobody has these numbers". */
function readBatch(body, cids) {
  if (!Array.isArray(body?.data)) throw new BadAnswer('another shape');
  const asked = new Set(cids);
  const found = new Map();
  for (const person of body.data) {
    if (!asked.has(person?.cid) || !isPerson(person)) throw new BadAnswer('another shape of a person');
    found.set(person.cid, person); // by number, never by place
  }
  return found;
}

function isPerson(person) {
  return Object.entries(FORM).every(([name, form]) => typeof person[name] === 'string' && form.test(person[name]));
}
