<?php

declare(strict_types=1);

namespace FacilityRegister;

/** An answer that is complete before its first byte is sent. */
final class Response
{
    private const FLAGS = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR;

    /** @param array<string, string> $headers */
    private function __construct(
        private readonly int $status,
        private readonly array $headers,
        private readonly string $body,
    ) {
    }

    /** @param array<string, mixed> $body */
    public static function json(array $body): self
    {
        return new self(200, ['Content-Type' => 'application/json'], json_encode($body, self::FLAGS));
    }

    /** @param array<string, string> $headers */
    public static function empty(int $status, array $headers): self
    {
        return new self($status, $headers, '');
    }

    public static function problem(Problem $problem): self
    {
        $body = ['type' => 'about:blank', 'title' => $problem->title, 'status' => $problem->status];
        if ($problem->detail !== '') {
            $body['detail'] = $problem->detail;
        }
        if ($problem->errors !== []) {
            $body['errors'] = $problem->errors;
        }
        $headers = ['Content-Type' => 'application/problem+json'] + $problem->headers;
        return new self($problem->status, $headers, json_encode($body, self::FLAGS));
    }

    public function send(): void
    {
        http_response_code($this->status);
        foreach ($this->headers as $name => $value) {
            header("{$name}: {$value}");
        }
        echo $this->body;
    }
}
