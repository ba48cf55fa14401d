<?php

declare(strict_types=1);

namespace FacilityRegister;

/** What a caller may ask of the list. Everything is checked here, before a query is built. */
final class Search
{
    // \z and not $: in PCRE a dollar also matches before a line feed at the end.
    public const AREA = '/\A(?:[0-9]{2}|[0-9]{4}|[0-9]{6})\z/';
    private const DAY = '/\A([0-9]{4})-([0-9]{2})-([0-9]{2})\z/';
    private const LIMIT = '/\A(?:[1-9][0-9]?|100)\z/';
    private const TYPE = '/\A[0-9]{1,2}\z/';

    private const DEFAULT_LIMIT = 50;
    private const MAX_Q_CHARACTERS = 100;

    private function __construct(
        public readonly ?string $area,
        public readonly ?string $type,
        /** ISO date */
        public readonly string $openOn,
        public readonly ?string $q,
        public readonly int $limit,
        public readonly ?string $cursor,
    ) {
    }

    /**
     * @param array<mixed> $query
     * @throws Problem 400
     */
    public static function fromQuery(array $query, string $today): self
    {
        $area = self::text($query, 'area');
        self::demand($area === null || preg_match(self::AREA, $area) === 1, 'area', 'ต้องเป็นเลขอารบิก 2, 4 หรือ 6 หลัก');

        $type = self::text($query, 'type');
        self::demand($type === null || preg_match(self::TYPE, $type) === 1, 'type', 'ต้องเป็นเลขอารบิก 1–2 หลัก');

        $openOn = self::text($query, 'open_on');
        self::demand($openOn === null || self::isDay($openOn), 'open_on', 'ต้องเป็นวันที่ที่มีจริง แบบ YYYY-MM-DD');

        $q = self::text($query, 'q');
        $characters = $q === null ? 1 : mb_strlen($q, 'UTF-8');
        self::demand($characters >= 1 && $characters <= self::MAX_Q_CHARACTERS, 'q', 'ต้องมี 1–100 ตัวอักษร');

        $limit = self::text($query, 'limit');
        self::demand($limit === null || preg_match(self::LIMIT, $limit) === 1, 'limit', 'ต้องเป็นจำนวนเต็ม 1–100');

        return new self(
            area: $area,
            type: $type,
            openOn: $openOn ?? $today,
            q: $q,
            limit: (int) ($limit ?? self::DEFAULT_LIMIT),
            cursor: self::text($query, 'cursor'),
        );
    }

    /** The filters in one text: the same for two searches if and only if they ask for the same list. */
    public function fingerprint(): string
    {
        return serialize([$this->area, $this->type, $this->openOn, $this->q]);
    }

    /** @param array<mixed> $query */
    private static function text(array $query, string $name): ?string
    {
        $value = $query[$name] ?? null;
        // PHP makes an array of name[]=… and leaves bytes that are not UTF-8 as they are.
        self::demand($value === null || is_string($value), $name, 'ส่งได้ค่าเดียว');
        self::demand($value === null || mb_check_encoding($value, 'UTF-8'), $name, 'ต้องเป็น UTF-8');
        return $value;
    }

    private static function isDay(string $text): bool
    {
        return preg_match(self::DAY, $text, $part) === 1
            && checkdate((int) $part[2], (int) $part[3], (int) $part[1]);
    }

    private static function demand(bool $holds, string $field, string $rule): void
    {
        if (!$holds) {
            throw Problem::invalid($field, $rule);
        }
    }
}
