<?php

declare(strict_types=1);

namespace FacilityRegister;

/** From a row of the register to the object of the contract. Pure: no clock, no database. */
final class Facility
{
    private const THAI_DIGITS = [
        '๐' => '0', '๑' => '1', '๒' => '2', '๓' => '3', '๔' => '4',
        '๕' => '5', '๖' => '6', '๗' => '7', '๘' => '8', '๙' => '9',
    ];

    /**
     * @param array<string, ?string> $row columns of Register, codes trimmed
     * @param string $today ISO date
     * @return array<string, mixed>
     */
    public static function fromRow(array $row, string $today): array
    {
        $closed = $row['closed_on'] === null ? null : self::isoDate($row['closed_on']);
        return [
            'hoscode' => $row['hoscode'],
            'hoscodenew' => self::textOrNull($row['hoscodenew']),
            'name' => $row['hosname'],
            'type' => ['code' => $row['hostype'], 'name' => $row['typename']],
            'area' => [
                'areacode' => $row['areacode'],
                'province_name' => $row['province_name'],
                'district_name' => $row['district_name'],
                'tambon_name' => $row['tambon_name'],
            ],
            'moo' => self::textOrNull($row['mu']),
            'postcode' => self::textOrNull($row['postcode']),
            'tel' => self::textOrNull($row['tel']),
            'bed' => self::beds($row['bed']),
            'closed_date' => $closed,
            'is_open' => $closed === null || $today < $closed,
            'updated_at' => self::isoTimestamp((string) $row['d_update']),
        ];
    }

    private static function textOrNull(?string $text): ?string
    {
        $trimmed = trim($text ?? '');
        return $trimmed === '' ? null : $trimmed; // not ?: because "0" is a value
    }

    private static function beds(?string $text): ?int
    {
        $digits = strtr(trim($text ?? ''), self::THAI_DIGITS);
        return preg_match('/\A[0-9]+\z/', $digits) === 1 ? (int) $digits : null;
    }

    /** YYYYMMDD to YYYY-MM-DD. */
    private static function isoDate(string $text): string
    {
        return substr($text, 0, 4) . '-' . substr($text, 4, 2) . '-' . substr($text, 6, 2);
    }

    /** YYYYMMDDHHMMSS, Thai time, to RFC 3339. */
    private static function isoTimestamp(string $text): string
    {
        return self::isoDate($text) . 'T' . implode(':', str_split(substr($text, 8, 6), 2)) . '+07:00';
    }
}
