"""Rules about the worlds of seeds 1 to 5, as they were built."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import grader
from grader.packs.documents import read_text
from grader.packs.fingerprint import fingerprint
from grader.packs.lint.problem import Found, Subject
from grader.packs.rest import RowMisfit, read_description, refuse_equal_keys, refuse_unfit_row
from grader.packs.world import World
from grader.packs.worldbuild import WORLD_FILE, digit_runs, is_real_looking

SEEDS = (1, 2, 3, 4, 5)
REBUILD_SECONDS = 120


def same_seed_same_world(subject: Subject) -> Iterator[Found]:
    """The same seed gives the same world again, in another process too."""
    worlds = subject.worlds or {}
    again = _rebuild(subject.pack.root, list(worlds))
    for (seed, world), other in zip(worlds.items(), again, strict=True):
        if fingerprint(world) != other:
            yield Found(
                path=WORLD_FILE,
                where=f"seed {seed}",
                problem="a second build gave another world",
                fix="Draw from random.Random(seed) only, and sort a set before you go through it.",
            )
            return


def _rebuild(root: Path, seeds: list[int]) -> list[str]:
    """Fingerprints from a fresh process whose hash seed differs from this one's; "" for a world that did not build."""
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    done = subprocess.run(
        [sys.executable, "-B", "-m", "grader.packs.fingerprint", str(root), *map(str, seeds)],
        env={"PATH": os.defpath, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(grader.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=REBUILD_SECONDS,
        check=False,
    )
    lines = done.stdout.split()
    return lines + [""] * (len(seeds) - len(lines))


def seeds_differ(subject: Subject) -> Iterator[Found]:
    """Every seed gives another world, so that no answer can be learnt by heart."""
    found: dict[str, int] = {}
    for seed, world in (subject.worlds or {}).items():
        data = fingerprint(_without_seed(world))
        if data in found:
            yield Found(
                path=WORLD_FILE,
                where=f"seed {seed}",
                problem=f"the data is that of seed {found[data]}",
                fix="Draw codes, names and counts from random.Random(seed).",
            )
        found[data] = seed


def _without_seed(world: World) -> World:
    return World(
        seed=0,
        as_of=world.as_of,
        tables=world.tables,
        oracle=None,
        people=world.people,
        env=world.env,
    )


def nobody_is_real(subject: Subject) -> Iterator[Found]:
    """No number in a table or variable could be a real person's: valid ones have 97, 98 or 99 as digits 2-3."""
    for seed, world in (subject.worlds or {}).items():
        for place, value in _values(world):
            if any(is_real_looking(run) for run in digit_runs(value)):
                yield Found(
                    path=WORLD_FILE,
                    where=f"seed {seed}, {place}",
                    problem="a value holds a valid citizen number of a real province",
                    fix="Make citizen numbers with grader.packs.world.synthetic_cid.",
                )
                return


def _values(world: World) -> Iterator[tuple[str, str]]:
    for agency, tables in world.tables.items():
        for table, rows in tables.items():
            for row in rows:
                yield from ((f"{agency}.{table}.{column}", str(value)) for column, value in row.items())
    yield from ((f"env.{name}", value) for name, value in world.env.items())


def operations_have_examples(subject: Subject) -> Iterator[Found]:
    """Every operation of the contract has at least one positive example in every world."""
    worlds = (subject.worlds or {}).items()
    for operation in subject.pack.operations:
        seed = next((one for one, world in worlds if not world.examples.get(operation.operation_id)), None)
        if seed is not None:
            yield Found(
                path=WORLD_FILE,
                where=f"seed {seed}, examples.{operation.operation_id}",
                problem="there is no example that a correct app answers with 2xx",
                fix="Add a parameter set with values from this world.",
            )


def agencies_have_rows(subject: Subject) -> Iterator[Found]:
    """Every agency has at least one row in every world."""
    for seed, world in (subject.worlds or {}).items():
        for name in subject.pack.exercise.agencies:
            rows = chain.from_iterable(world.tables.get(name, {}).values())
            if not any(True for _ in rows):
                yield Found(
                    path=WORLD_FILE,
                    where=f"seed {seed}, tables.{name}",
                    problem=f"the agency {name} is empty",
                    fix="Give its tables rows, or remove the agency from exercise.toml.",
                )


def rows_fit_descriptions(subject: Subject) -> Iterator[Found]:
    """The rows of a REST agency fit the tables that its description has."""
    root, agencies = subject.pack.root, subject.pack.exercise.agencies
    for name in [one for one, spec in agencies.items() if spec.engine == "http"]:
        file = agencies[name].schema_file
        description = read_description(read_text(root, file), file=file)
        for seed, world in (subject.worlds or {}).items():
            try:
                for table, rows in world.tables.get(name, {}).items():
                    for row in rows:
                        refuse_unfit_row(description, table, row)
                    refuse_equal_keys(description, table, rows)
            except RowMisfit as misfit:
                yield Found(
                    path=WORLD_FILE,
                    where=f"seed {seed}, tables.{name}.{misfit.where}",
                    problem=misfit.problem,
                    fix=f"Use the tables and columns of {file}, or add what is missing there.",
                )
                break


def world_knows_its_seed(subject: Subject) -> Iterator[Found]:
    """The world's seed is the seed it was built from: a verdict cites it."""
    for seed, world in (subject.worlds or {}).items():
        if world.seed != seed:
            yield Found(
                path=WORLD_FILE,
                where=f"seed {seed}",
                problem=f"world.seed is {world.seed}",
                fix="Return World(seed=seed, …).",
            )
