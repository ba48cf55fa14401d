<?php

declare(strict_types=1);

namespace FacilityRegister;

use PDO;
use PDOException;

/** The three questions to the facility register, in SQL. Nothing is cached: a clinic that closes must vanish at once. */
final class Register
{
    // The register with the padding of its codes taken off, its areas in one piece and its three ways of "not closed"
    // made one. The order of codes is that of their characters ("C"), whatever collation the database has.
    private const FACILITIES = <<<'SQL'
        facilities AS (
            SELECT trim(hoscode) COLLATE "C" AS hoscode, trim(hostype) AS hostype,
                   concat(provcode, distcode, subdistcode) COLLATE "C" AS areacode,
                   nullif(nullif(trim(closed_date), ''), '00000000') AS closed_on,
                   provcode, distcode, subdistcode, hoscodenew, hosname, mu, postcode, bed, tel, d_update
              FROM chospital)
        SQL;

    // Names are looked up one by one, so that a facility is neither lost nor doubled by what carea and chostype hold.
    // The name of a province or district is that of any tambon in it.
    private const COLUMNS = <<<'SQL'
        f.*,
        (SELECT typename FROM chostype WHERE trim(hostype) = f.hostype) AS typename,
        CASE WHEN provcode <> '00' THEN
             (SELECT min(prov_th) FROM carea WHERE left(areacode, 2) = left(f.areacode, 2)) END AS province_name,
        CASE WHEN distcode <> '00' THEN
             (SELECT min(dist_th) FROM carea WHERE left(areacode, 4) = left(f.areacode, 4)) END AS district_name,
        CASE WHEN subdistcode <> '00' THEN
             (SELECT tambon_th FROM carea WHERE areacode = f.areacode) END AS tambon_name
        SQL;

    private const OPEN = '(closed_on IS NULL OR :day < closed_on)';

    // SQLSTATE classes (HY: the driver's own) that say the agency is in trouble, and not that our statement is wrong.
    private const TROUBLE = ['08', '53', '57', 'HY'];

    private ?PDO $connection = null;

    /** @param string $url postgresql://… of a read-only account */
    public function __construct(private readonly string $url)
    {
    }

    /** @return ?array<string, ?string> */
    public function facility(string $hoscode): ?array
    {
        $sql = sprintf('WITH %s SELECT %s FROM facilities f WHERE hoscode = :hoscode', self::FACILITIES, self::COLUMNS);
        return $this->rows($sql, ['hoscode' => $hoscode])[0] ?? null;
    }

    /** @return list<array<string, ?string>> at most $limit rows, ordered by (areacode, hoscode), after the cursor's place */
    public function page(Search $search, ?Cursor $after, int $limit): array
    {
        $conditions = [self::OPEN];
        $values = ['day' => self::compact($search->openOn), 'limit' => $limit];
        if ($search->area !== null) {
            $conditions[] = 'starts_with(areacode, :area)';
            $values['area'] = $search->area;
        }
        if ($search->type !== null) {
            $conditions[] = 'hostype = :type';
            $values['type'] = $search->type;
        }
        if ($search->q !== null) {
            if (str_contains($search->q, "\0")) {
                return []; // PostgreSQL keeps no NUL in a text, and the driver would cut the question off there
            }
            $conditions[] = 'strpos(lower(hosname), lower(:q)) > 0'; // unlike LIKE, strpos knows no wildcards
            $values['q'] = $search->q;
        }
        if ($after !== null) {
            $conditions[] = '(areacode, hoscode) > (:areacode, :hoscode)';
            $values += ['areacode' => $after->areacode, 'hoscode' => $after->hoscode];
        }
        $sql = sprintf(
            'WITH %s SELECT %s FROM facilities f WHERE %s ORDER BY areacode, hoscode LIMIT :limit',
            self::FACILITIES,
            self::COLUMNS,
            implode(' AND ', $conditions),
        );
        return $this->rows($sql, $values);
    }

    /** Facilities of the area that are open on the day (ISO date); null when no such area exists. */
    public function count(string $areacode, string $day): ?int
    {
        $known = $this->rows('SELECT 1 FROM carea WHERE starts_with(areacode, :area) LIMIT 1', ['area' => $areacode]);
        if ($known === []) {
            return null;
        }
        $sql = sprintf(
            'WITH %s SELECT count(*) AS n FROM facilities WHERE starts_with(areacode, :area) AND %s',
            self::FACILITIES,
            self::OPEN,
        );
        return (int) $this->rows($sql, ['area' => $areacode, 'day' => self::compact($day)])[0]['n'];
    }

    /**
     * @param array<string, string|int> $values
     * @return list<array<string, ?string>>
     */
    private function rows(string $sql, array $values): array
    {
        try {
            $this->connection ??= $this->connect();
            $statement = $this->connection->prepare($sql);
            $statement->execute($values);
            return $statement->fetchAll();
        } catch (PDOException $error) {
            $state = (string) ($error->errorInfo[0] ?? 'HY000');
            if (!in_array(substr($state, 0, 2), self::TROUBLE, true)) {
                throw $error;
            }
            error_log("the register did not answer: {$state}");
            throw new Problem(503, 'ทะเบียนหน่วยบริการไม่พร้อมใช้งาน', headers: ['Retry-After' => '5']);
        }
    }

    /** One connection per request, made when the first question is asked. */
    private function connect(): PDO
    {
        $part = parse_url($this->url);
        $dsn = sprintf(
            "pgsql:host=%s;port=%d;dbname=%s;connect_timeout=5;options='-c statement_timeout=8000'",
            $part['host'],
            $part['port'] ?? 5432,
            rawurldecode(ltrim($part['path'], '/')),
        );
        return new PDO($dsn, rawurldecode($part['user'] ?? ''), rawurldecode($part['pass'] ?? ''), [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
            PDO::ATTR_STRINGIFY_FETCHES => true,
        ]);
    }

    private static function compact(string $isoDate): string
    {
        return str_replace('-', '', $isoDate);
    }
}
