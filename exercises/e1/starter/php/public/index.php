<?php

declare(strict_types=1);

// แบบฝึกหัด E1 สมุดหน่วยบริการ: โครงเริ่มต้น รันได้ทันที ที่เหลือเป็นของคุณ
// ทุกคำขอเข้ามาที่ไฟล์นี้ แยกงานออกเป็นไฟล์ใน src/ ได้ตามต้องการ

/** วันที่ของ AS_OF ("วันนี้" ของแบบฝึกหัด) แบบ YYYY-MM-DD ไม่ใช้นาฬิกาของเครื่อง */
function today(): string
{
    $asOf = new DateTimeImmutable((string) getenv('AS_OF'));
    return $asOf->setTimezone(new DateTimeZone('+07:00'))->format('Y-m-d');
}

/**
 * ทะเบียนหน่วยบริการ (อ่านอย่างเดียว) เรียกเมื่อจะใช้เท่านั้น เพื่อให้ /healthz ตอบได้แม้ฐานข้อมูลยังไม่พร้อม
 *
 * ตัวอย่าง: $statement = register()->prepare('SELECT … WHERE hoscode = :hoscode');
 *          $statement->execute(['hoscode' => $hoscode]);
 */
function register(): PDO
{
    $part = parse_url((string) getenv('AGENCY_FACILITY_URL'));
    $dsn = sprintf(
        'pgsql:host=%s;port=%d;dbname=%s;connect_timeout=5',
        $part['host'],
        $part['port'] ?? 5432,
        ltrim($part['path'], '/'),
    );
    return new PDO($dsn, rawurldecode($part['user']), rawurldecode($part['pass']), [
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
    ]);
}

/** @param array<string, mixed> $body */
function answer(int $status, array $body, string $media = 'application/json'): void
{
    http_response_code($status);
    header("Content-Type: {$media}");
    echo json_encode($body, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR);
}

/** ข้อผิดพลาดทุกชนิดตอบเป็น application/problem+json (RFC 9457) */
function problem(int $status, string $title, string $detail = ''): void
{
    $body = ['type' => 'about:blank', 'title' => $title, 'status' => $status, 'detail' => $detail];
    answer($status, $body, 'application/problem+json');
}

ini_set('display_errors', '0'); // คำเตือนของ PHP ที่ปนออกไปจะทำให้ JSON เสีย
set_exception_handler(static function (Throwable $error): void {
    problem(500, 'ระบบขัดข้อง');
});

$path = explode('?', $_SERVER['REQUEST_URI'], 2)[0];

if ($path === '/healthz') {
    answer(200, ['status' => 'ok']);
    return;
}

// TODO 1: ทำ getFacility ให้ตรง contract.yaml (รหัสเป็นข้อความเสมอ: "00712" ไม่ใช่ 712)
if (preg_match('#\A/facilities/([^/]+)\z#', $path, $match) === 1) {
    $hoscode = rawurldecode($match[1]);
    problem(501, 'ยังไม่ได้ทำ', 'getFacility');
    return;
}

// TODO 2: GET /facilities (listFacilities)
// TODO 3: GET /areas/{areacode}/facility-count (countFacilities)
// TODO 4: method อื่นนอกจาก GET ยังไม่ถูกตอบด้วย 405

problem(404, 'ไม่พบเส้นทางนี้');
