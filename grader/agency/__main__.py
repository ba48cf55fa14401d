"""``python -m grader.agency rest|door``: the program of an agency's container.

It reads VERIFY_ADDRESS, AGENCY_ADDRESS, GRADER_PASSWORD (also the control token) and APP_PASSWORD (also the app's
token), and serves until it is stopped.
"""

import asyncio
import importlib
import os
import sys

PROGRAMS = {"rest": "grader.agency.rest", "door": "grader.agency.door"}
"""Each has ``async def serve(environment: Mapping[str, str]) -> None``; only the one that is needed is imported."""


def main(arguments: list[str]) -> int:
    """Run the program that the first argument names."""
    name = arguments[0] if arguments else ""
    if name not in PROGRAMS:
        sys.stderr.write(f"usage: python -m grader.agency {'|'.join(PROGRAMS)}\n")
        return 2
    program = importlib.import_module(PROGRAMS[name])
    asyncio.run(program.serve(os.environ))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
