<?php

declare(strict_types=1);

// The front controller: every request comes here, and every answer leaves here.

use FacilityRegister\App;
use FacilityRegister\Clock;
use FacilityRegister\Problem;
use FacilityRegister\Register;
use FacilityRegister\Response;

spl_autoload_register(static function (string $class): void {
    $file = dirname(__DIR__) . '/src/' . substr($class, strlen('FacilityRegister\\')) . '.php';
    if (is_file($file)) {
        require $file;
    }
});

ini_set('display_errors', '0'); // a warning in the body would break the JSON
header_remove('X-Powered-By');

// A warning is a mistake of ours like any other: it becomes a 500 and not half an answer.
set_error_handler(static function (int $level, string $message, string $file, int $line): never {
    throw new ErrorException($message, 0, $level, $file, $line);
});

try {
    $app = new App(new Register((string) getenv('AGENCY_FACILITY_URL')), Clock::fromEnvironment());
    $response = $app->handle($_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'], $_GET);
} catch (Problem $problem) {
    $response = Response::problem($problem);
} catch (Throwable $error) {
    // The place and not the message: a message could quote what the caller sent.
    error_log(sprintf('unexpected %s at %s:%d', $error::class, basename($error->getFile()), $error->getLine()));
    $response = Response::problem(new Problem(500, 'ระบบขัดข้อง'));
}
$response->send();
