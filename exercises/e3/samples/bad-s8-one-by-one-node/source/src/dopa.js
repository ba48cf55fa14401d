// The civil registry, asked person by person: so each answer surely belongs to the number that was asked.

import { unavailable } from './problem.js';

const AT_ONCE = 20; // requests under way at the same time, to spare the registry
const TIMEOUT_MS = 5_000; // for a whole answer, its body included
const CACHE_MS = 60_000; // and in memory only

const FORM = { sex: /^[12]$/, birth_be: /^[0-9]{8}$/, status: /^(?:alive|dead|moved)$/, areacode8: /^[0-9]{8}$/ };

export class Dopa {
  #url;
  #token;
  #cache = new Map(); // cid → { person: object or null, at: ms since the start, fetchedAt: Date }

  constructor(url, token) {
    this.#url = new URL('/v1/persons/', url);
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

  /** Return [cid, entry] for every number; all requests must succeed. */
  async #askAll(cids) {
    const entries = [];
    try {
      for (let from = 0; from < cids.length; from += AT_ONCE) {
        entries.push(...(await Promise.all(cids.slice(from, from + AT_ONCE).map((cid) => this.#ask(cid)))));
      }
      return entries;
    } catch (error) {
      // The reason only: a message could quote what was asked.
      console.error(`DOPA did not answer: ${error.cause?.code ?? error.reason ?? error.name}`);
      throw unavailable('DOPA');
    }
  }

  async #ask(cid) {
    const person = await inTime((signal) => this.#get(cid, signal));
    if (person !== null && (person?.cid !== cid || !isPerson(person))) throw new BadAnswer('another shape of a person');
    const entry = { person, at: performance.now(), fetchedAt: new Date() };
    this.#cache.set(cid, entry);
    return [cid, entry];
  }

  /** The answer about one number; null when the registry does not have it. */
  async #get(cid, signal) {
    const response = await fetch(new URL(cid, this.#url), {
      headers: { Authorization: `Bearer ${this.#token}`, Accept: 'application/json' },
      redirect: 'error',
      signal,
    });
    if (response.status === 404) {
      await response.body?.cancel();
      return null;
    }
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

function isPerson(person) {
  return Object.entries(FORM).every(([name, form]) => typeof person[name] === 'string' && form.test(person[name]));
}
