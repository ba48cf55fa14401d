"""What a world says, as one hash: equal worlds have equal fingerprints, in every process.

``python -m grader.packs.fingerprint PACK SEED…`` prints one line a seed. It is run with another hash seed than the
caller's, because a world that depends on the order of a set is only found out in another process.
"""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from grader.packs.load import load_pack
from grader.packs.world import World
from grader.packs.worldbuild import build_world

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def fingerprint(world: World) -> str:
    """16 hexadecimal digits over everything in the world, the oracle's fields included."""
    return hashlib.sha256(_canonical(world, ()).encode()).hexdigest()[:16]


def _canonical(value: Any, above: tuple[int, ...]) -> str:
    """A text that depends on what is in ``value`` only; ``above`` holds the ids of what it stands in."""
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    if id(value) in above:
        return "<cycle>"
    inside = (*above, id(value))
    parts: list[str]
    if isinstance(value, Mapping):
        parts = sorted(f"{_canonical(key, inside)}:{_canonical(one, inside)}" for key, one in value.items())
    elif isinstance(value, AbstractSet):
        parts = sorted(_canonical(one, inside) for one in value)
    elif isinstance(value, Sequence):
        parts = [_canonical(one, inside) for one in value]
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [f"{one.name}={_canonical(getattr(value, one.name), inside)}" for one in fields(value)]
    elif hasattr(value, "__dict__") and not callable(value):
        parts = [f"{key}={_canonical(one, inside)}" for key, one in sorted(vars(value).items())]
    else:
        parts = [_ADDRESS.sub("", repr(value))]
    return f"{type(value).__name__}({','.join(parts)})"


if __name__ == "__main__":
    pack = load_pack(Path(sys.argv[1]))
    for argument in sys.argv[2:]:
        sys.stdout.write(fingerprint(build_world(pack, int(argument))) + "\n")
