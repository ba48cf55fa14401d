<?php

declare(strict_types=1);

namespace FacilityRegister;

/**
 * Where the next page starts: after the sort key of the last row shown, in the same search.
 *
 * The digest ties a cursor to its filters, and tells a cursor of ours from a text that somebody made up. It is no secret
 * and protects nothing: a cursor only names a place in a public list.
 */
final class Cursor
{
    private const FORM = '/\A([0-9]{6})-([0-9]{1,5})-[0-9a-f]{16}\z/';

    private function __construct(public readonly string $areacode, public readonly string $hoscode)
    {
    }

    /** @param array<string, ?string> $row the last row shown */
    public static function afterRow(array $row): self
    {
        return new self((string) $row['areacode'], (string) $row['hoscode']);
    }

    /** @throws Problem 400 for any text that was not issued for this search */
    public static function read(string $text, Search $search): self
    {
        if (preg_match(self::FORM, $text, $part) === 1) {
            $cursor = new self($part[1], $part[2]);
            if ($cursor->write($search) === $text) {
                return $cursor;
            }
        }
        throw Problem::invalid('cursor', 'ไม่ใช่ cursor ของการค้นนี้');
    }

    public function write(Search $search): string
    {
        $place = "{$this->areacode}-{$this->hoscode}";
        return $place . '-' . substr(hash('sha256', $place . $search->fingerprint()), 0, 16);
    }
}
