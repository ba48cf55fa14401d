<?php

declare(strict_types=1);

namespace FacilityRegister;

use DateTimeImmutable;
use DateTimeZone;

/** The frozen "now" of the exercise. Rules about dates never read the machine's clock. */
final class Clock
{
    private const THAILAND = '+07:00';

    private function __construct(
        /** RFC 3339 in Thai time */
        public readonly string $asOf,
        /** ISO date in Thai time */
        public readonly string $today,
    ) {
    }

    /** AS_OF; when it is not set, the moment of the request. */
    public static function fromEnvironment(): self
    {
        $now = new DateTimeImmutable(getenv('AS_OF') ?: 'now');
        $thai = $now->setTimezone(new DateTimeZone(self::THAILAND));
        return new self($thai->format(DATE_RFC3339), $thai->format('Y-m-d'));
    }

    /** When the register was read: the one thing that the real clock is for. */
    public static function readingTime(): string
    {
        return (new DateTimeImmutable('now', new DateTimeZone(self::THAILAND)))->format(DATE_RFC3339);
    }
}
