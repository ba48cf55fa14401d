"""Rules about the people of a world: an app is judged by whether it tells of them, so who they are must be exact."""

import json
from collections.abc import Iterator

from grader.packs.lint.problem import Found, Subject
from grader.packs.model import Pack
from grader.packs.world import World
from grader.packs.worldbuild import WORLD_FILE, digit_runs, is_synthetic

CONTRACT_FILE = "contract.yaml"


def privacy_checks_have_people(subject: Subject) -> Iterator[Found]:
    """Where a check has the family privacy, every world has people to look for."""
    checks = [check.id for check in subject.specific if check.about_people]
    for seed, world in (subject.worlds or {}).items():
        if checks and not world.people:
            yield Found(
                path=WORLD_FILE,
                where=f"seed {seed}, people",
                problem=f"the world has nobody, so nothing could ever fail {checks[0]}",
                fix="List everyone of the data in World(people=…).",
            )
            return


def people_are_complete(subject: Subject) -> Iterator[Found]:
    """Where a check has the family privacy, every citizen number in a table is that of someone in people."""
    if not any(check.about_people for check in subject.specific):
        return
    for seed, world in (subject.worlds or {}).items():
        known = {number for person in world.people for number in (person.cid, *person.identifiers)}
        for place, value in _cells(world):
            if any(is_synthetic(run) and run not in known for run in digit_runs(value)):
                yield Found(
                    path=WORLD_FILE,
                    where=f"seed {seed}, {place}",
                    problem="a citizen number belongs to nobody in people, so an app could show it unseen",
                    fix="Add its person, or put it among someone's identifiers when it is written wrongly on purpose.",
                )
                return


def nobody_is_public(subject: Subject) -> Iterator[Found]:
    """No example, variable or text of the contract names a person of the world: repeating it would be blamed."""
    for seed, world in (subject.worlds or {}).items():
        for place, text in _public(subject.pack, world):
            for person in world.people:
                if any(word and word in text for word in (person.cid, person.name, *person.identifiers)):
                    yield Found(
                        path=CONTRACT_FILE if place == CONTRACT_FILE else WORLD_FILE,
                        where=f"seed {seed}" if place == CONTRACT_FILE else f"seed {seed}, {place}",
                        problem="it holds a number or the name of a person of this world",
                        fix="Name people by pseudonyms, and use numbers in texts that no seed gives to anyone.",
                    )
                    return


def _cells(world: World) -> Iterator[tuple[str, str]]:
    for agency, tables in world.tables.items():
        for table, rows in tables.items():
            for row in rows:
                yield from ((f"{agency}.{table}.{column}", str(value)) for column, value in row.items())


def _public(pack: Pack, world: World) -> Iterator[tuple[str, str]]:
    """What the trainee or the app is given beside the agencies, by place."""
    yield CONTRACT_FILE, json.dumps(pack.contract, ensure_ascii=False, default=str)
    for name, value in world.env.items():
        yield f"env.{name}", value
    for operation, sets in world.examples.items():
        yield f"examples.{operation}", json.dumps([dict(one) for one in sets], ensure_ascii=False, default=str)
