<?php
// Name the PHP files of /app that cannot be compiled; nothing of them is run. Prints one JSON list.
//
// Called only for an app that did not start, so that the trainee is told the file and line.
const ROOT = '/app/';
const MAX_FILES = 300;
const MAX_BYTES = 1_000_000;
const MAX_FAULTS = 10;
const SECONDS = 30;

/** The source files below a folder in the order of their names; packages are none of the trainee's. */
function sources(string $folder): Generator
{
    foreach (scandir($folder) as $name) {
        $path = $folder . $name;
        if ($name === '.' || $name === '..' || is_link($path)) {
            continue;
        }
        if (is_dir($path) && $path !== ROOT . 'vendor') {
            yield from sources($path . '/');
        } elseif (is_file($path) && str_ends_with($name, '.php') && filesize($path) <= MAX_BYTES) {
            yield $path;
        }
    }
}

$faults = [];
$seen = 0;
$end = hrtime(true) + SECONDS * 1_000_000_000;
foreach (sources(ROOT) as $path) {
    if (++$seen > MAX_FILES || count($faults) >= MAX_FAULTS || hrtime(true) > $end) {
        break;
    }
    $pipes = [];
    $lint = proc_open(
        [PHP_BINARY, '-n', '-d', 'display_errors=1', '-d', 'log_errors=0', '-l', $path],
        [['file', '/dev/null', 'r'], ['pipe', 'w'], ['file', '/dev/null', 'w']],
        $pipes,
    );
    $said = stream_get_contents($pipes[1], 8192);
    if (proc_close($lint) !== 0 && preg_match('/^(?:PHP )?(.+) in .+ on line (\d+)$/m', $said, $found)) {
        $faults[] = [
            'file' => substr($path, strlen(ROOT)),
            'line' => (int) $found[2],
            'message' => substr($found[1], 0, 200),
        ];
    }
}
echo json_encode($faults, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), PHP_EOL;
