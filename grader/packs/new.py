"""A new exercise folder that loads and shows every part of the format in its smallest form."""

import re
from pathlib import Path

from grader.errors import UsageProblem
from grader.packs.model import ID_PATTERN

TEMPLATE = Path(__file__).with_name("template")
SUFFIX = ".tmpl"
"""Template files carry it so that no tool takes them for source code of the engine."""


def create_pack(slug: str, root: Path) -> Path:
    """Write a complete small exercise to ``root/slug`` and give its folder; nothing that exists is overwritten.

    It lints clean but for its samples (PK030, PK031): only the author can write the reference solution and, for each
    check, the believable mistake.

    Raises:
        UsageProblem: ``usage.bad_exercise_id`` or ``usage.exercise_exists``.
    """
    if not re.fullmatch(ID_PATTERN, slug):
        raise UsageProblem("usage.bad_exercise_id", id=slug)
    folder = root / slug
    if folder.exists():
        raise UsageProblem("usage.exercise_exists", id=slug, path=str(folder))
    for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        target = folder / source.relative_to(TEMPLATE).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text("utf-8").replace("{{id}}", slug).replace("{{ID}}", slug.upper())
        target.write_text(text, "utf-8")
    (folder / "samples").mkdir()
    return folder
