// The three questions to the facility register, in SQL. Nothing is cached: a clinic that closes must vanish at once.

import pg from 'pg';

import { Problem } from './problem.js';

// Fewer than the agency lets one account have; a request waits for its turn.
const POOL = { max: 5, connectionTimeoutMillis: 5_000, query_timeout: 8_000, idleTimeoutMillis: 30_000 };

// Classes of SQLSTATE that say the agency is in trouble, and not that our statement is wrong.
const TROUBLE = new Set(['08', '53', '57']);

// The register with its padding taken off, its areas in one piece and its three ways of "not closed" made one.
// The order of codes is that of their characters ("C"), whatever collation the database has.
const FACILITIES = `
  SELECT trim(hoscode) COLLATE "C" AS hoscode,
         (provcode || distcode || subdistcode) COLLATE "C" AS areacode,
         trim(hostype) AS hostype,
         nullif(nullif(trim(closed_date), ''), '00000000') AS closed_date,
         provcode, distcode, subdistcode, hoscodenew, hosname, mu, postcode, bed, tel, d_update
  FROM chospital`;

// Names of provinces and districts come from any tambon in them, so that they are known where the tambon is not.
// The joins are outer ones: a facility whose codes nobody knows is still a facility.
const NAMED = `
  SELECT f.*, t.typename, p.prov_th, d.dist_th, a.tambon_th
  FROM facilities f
  LEFT JOIN chostype t ON trim(t.hostype) = f.hostype
  LEFT JOIN (SELECT left(areacode, 2) AS code, min(prov_th) AS prov_th FROM carea GROUP BY 1) p
         ON p.code = left(f.areacode, 2) AND f.provcode <> '00'
  LEFT JOIN (SELECT left(areacode, 4) AS code, min(dist_th) AS dist_th FROM carea GROUP BY 1) d
         ON d.code = left(f.areacode, 4) AND f.distcode <> '00'
  LEFT JOIN carea a ON a.areacode = f.areacode AND f.subdistcode <> '00'`;

const ONE = `WITH facilities AS (${FACILITIES}) ${NAMED} WHERE f.hoscode = $1`;

// strpos and starts_with know no wildcards, so that nothing in the caller's text needs escaping.
const PAGE = `
  WITH facilities AS (${FACILITIES}) ${NAMED}
  WHERE (f.closed_date IS NULL OR $1 < f.closed_date)
    AND ($2::text IS NULL OR starts_with(f.areacode, $2))
    AND ($3::text IS NULL OR f.hostype = $3)
    AND ($4::text IS NULL OR strpos(lower(f.hosname), lower($4)) > 0)
    AND ($5::text IS NULL OR (f.areacode, f.hoscode) > ($5, $6::text))
  ORDER BY f.areacode, f.hoscode
  LIMIT $7`;

const COUNT = `
  WITH facilities AS (${FACILITIES})
  SELECT EXISTS (SELECT FROM carea WHERE starts_with(areacode, $1)) AS known,
         (SELECT count(*)::int FROM facilities
           WHERE starts_with(areacode, $1) AND (closed_date IS NULL OR $2 < closed_date)) AS count`;

export class Register {
  #pool;

  /** url: postgresql://… of a read-only account. Connects only when it is asked something. */
  constructor(url) {
    this.#pool = new pg.Pool({ connectionString: url, ...POOL });
    // Without a listener an idle connection that the agency closes would end the process.
    this.#pool.on('error', (error) => console.error(`idle connection lost: ${error.code ?? error.name}`));
  }

  async facility(hoscode) {
    const rows = await this.#ask(ONE, [hoscode]);
    return rows[0] ?? null;
  }

  /** Rows of one page, at most `limit`, in the order (areacode, hoscode), after the position `after` if there is one. */
  async page(filters, after, limit) {
    // PostgreSQL keeps no NUL in a text, so no name can contain one, and it cannot even be asked.
    if (filters.q?.includes('\0')) return [];
    const day = filters.openOn.replaceAll('-', '');
    const place = [after?.areacode ?? null, after?.hoscode ?? null];
    return this.#ask(PAGE, [day, filters.area, filters.type, filters.q, ...place, limit]);
  }

  /** Facilities of an area that are open on a day (ISO date); null when no such area exists. */
  async count(areacode, today) {
    const [row] = await this.#ask(COUNT, [areacode, today.replaceAll('-', '')]);
    return row.known ? row.count : null;
  }

  async #ask(sql, values) {
    try {
      const { rows } = await this.#pool.query(sql, values);
      return rows;
    } catch (error) {
      if (error instanceof pg.DatabaseError && !TROUBLE.has(String(error.code).slice(0, 2))) throw error;
      console.error(`the register did not answer: ${error.code ?? error.name}`);
      throw new Problem(503, { title: 'ทะเบียนหน่วยบริการไม่พร้อมใช้งาน', headers: { 'Retry-After': '5' } });
    }
  }
}
