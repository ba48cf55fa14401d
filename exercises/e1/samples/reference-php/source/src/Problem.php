<?php

declare(strict_types=1);

namespace FacilityRegister;

use RuntimeException;

/** A request that is not answered with 2xx, in the words of RFC 9457. */
final class Problem extends RuntimeException
{
    /**
     * @param list<array{field: string, code: string, message: string}> $errors
     * @param array<string, string> $headers added to the answer
     */
    public function __construct(
        public readonly int $status,
        public readonly string $title,
        public readonly string $detail = '',
        public readonly array $errors = [],
        public readonly array $headers = [],
    ) {
        parent::__construct($title);
    }

    /** A 400 that names the parameter at fault. */
    public static function invalid(string $field, string $message): self
    {
        $errors = [['field' => $field, 'code' => 'invalid', 'message' => $message]];
        return new self(400, 'คำขอไม่ถูกต้อง', "{$field}: {$message}", $errors);
    }
}
