// The antenatal files of HDC, read as they are. Nothing is kept between two requests.

import mysql from 'mysql2/promise';

import { unavailable } from './problem.js';

const QUERY_TIMEOUT_MS = 8_000;

const FILES = {
  person: 'SELECT hospcode, pid, cid, birth FROM person',
  prenatal: 'SELECT hospcode, pid, gravida, lmp, d_update FROM prenatal',
  anc: 'SELECT hospcode, pid, seq, date_serv, gravida, ga FROM anc',
};

export class Hdc {
  #pool;

  /** url: mysql://… of a read-only account. Connects only when it is asked something. */
  constructor(url) {
    this.#pool = mysql.createPool({ uri: url, connectionLimit: 4, connectTimeout: 5_000 });
  }

  /** Return { person, prenatal, anc, fetchedAt }: the rows of one moment, and when that was. */
  async read() {
    let connection;
    try {
      connection = await this.#pool.getConnection();
      // One snapshot for the three files: a visit must not be newer than the person it belongs to.
      await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
      const files = { fetchedAt: new Date() };
      for (const [name, sql] of Object.entries(FILES)) {
        [files[name]] = await connection.query({ sql, timeout: QUERY_TIMEOUT_MS });
      }
      await connection.query('COMMIT');
      connection.release();
      return files;
    } catch (error) {
      // Who knows in which state it is: the pool makes a new one.
      connection?.destroy();
      console.error(`HDC did not answer: ${error.code ?? error.name}`);
      throw unavailable('HDC');
    }
  }
}
