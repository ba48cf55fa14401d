<?php

declare(strict_types=1);

namespace FacilityRegister;

/** Which path is answered by what. */
final class App
{
    public function __construct(private readonly Register $register, private readonly Clock $clock)
    {
    }

    /**
     * @param string $uri path and query as they came, still percent-encoded
     * @param array<mixed> $query the query as PHP read it
     * @throws Problem for everything that is not answered with 2xx
     */
    public function handle(string $method, string $uri, array $query): Response
    {
        $path = explode('?', $uri, 2)[0];
        // Split first and decode second, so that an encoded slash stays inside its segment.
        $segments = array_map('rawurldecode', explode('/', substr($path, 1)));
        $answer = match (true) {
            $segments === ['healthz'] => fn (): Response => Response::json(['status' => 'ok']),
            $segments === ['facilities'] => fn (): Response => $this->listFacilities($query),
            count($segments) === 2 && $segments[0] === 'facilities' && $segments[1] !== ''
                => fn (): Response => $this->getFacility($segments[1]),
            count($segments) === 3 && $segments[0] === 'areas' && $segments[2] === 'facility-count'
                => fn (): Response => $this->countFacilities($segments[1]),
            default => throw new Problem(404, 'ไม่พบเส้นทางนี้'),
        };
        return match ($method) {
            'GET', 'HEAD' => $answer(),
            'OPTIONS' => Response::empty(204, ['Allow' => 'GET, HEAD, OPTIONS']),
            default => throw new Problem(405, 'ไม่รองรับ method นี้', headers: ['Allow' => 'GET, HEAD, OPTIONS']),
        };
    }

    /** @param array<mixed> $query */
    private function listFacilities(array $query): Response
    {
        $search = Search::fromQuery($query, $this->clock->today);
        $after = $search->cursor === null ? null : Cursor::read($search->cursor, $search);
        // One row more than the page holds tells whether there is a next page.
        $rows = $this->register->page($search, $after, $search->limit + 1);
        $page = array_slice($rows, 0, $search->limit);
        $next = count($rows) > $search->limit ? Cursor::afterRow(end($page))->write($search) : null;
        return Response::json([
            'data' => array_map(fn (array $row): array => Facility::fromRow($row, $this->clock->today), $page),
            'page' => ['limit' => $search->limit, 'next_cursor' => $next],
            'meta' => $this->meta(),
        ]);
    }

    private function getFacility(string $hoscode): Response
    {
        if (preg_match('/\A[0-9]{1,5}\z/', $hoscode) !== 1) {
            throw Problem::invalid('hoscode', 'ต้องเป็นเลขอารบิก 1–5 หลัก');
        }
        $row = $this->register->facility($hoscode) ?? throw new Problem(404, 'ไม่พบหน่วยบริการนี้');
        return Response::json(['data' => Facility::fromRow($row, $this->clock->today), 'meta' => $this->meta()]);
    }

    private function countFacilities(string $areacode): Response
    {
        if (preg_match(Search::AREA, $areacode) !== 1) {
            throw Problem::invalid('areacode', 'ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก');
        }
        $count = $this->register->count($areacode, $this->clock->today)
            ?? throw new Problem(404, 'ไม่พบพื้นที่นี้');
        return Response::json([
            'data' => ['areacode' => $areacode, 'as_of' => $this->clock->asOf, 'count' => $count],
            'meta' => $this->meta(),
        ]);
    }

    /** @return array<string, mixed> */
    private function meta(): array
    {
        return [
            'as_of' => $this->clock->asOf,
            'partial' => false,
            'sources' => [['name' => 'FACILITY', 'status' => 'ok', 'fetched_at' => Clock::readingTime()]],
        ];
    }
}
