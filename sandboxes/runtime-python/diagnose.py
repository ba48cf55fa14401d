"""Name the Python files of /app that cannot be compiled; nothing of them is run. Prints one JSON list.

Called only for an app that did not start, so that the trainee is told the file and line.
"""

import json
import pathlib

MAX_FILES = 500
MAX_BYTES = 1_000_000

faults = []
for path in sorted(pathlib.Path("/app").rglob("*.py"))[:MAX_FILES]:
    if path.stat().st_size > MAX_BYTES:
        continue
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        faults.append({"file": str(path.relative_to("/app")), "line": line, "message": str(error)[:200]})
print(json.dumps(faults))
