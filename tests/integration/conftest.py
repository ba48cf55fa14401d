"""The two databases that several modules ask, and an agency of each with a small world in it."""

from collections.abc import Iterator

import pytest

from grader.sandbox.engine import GuardedClient
from grader.sandbox.images import ImageStore
from tests.fixtures.databases import ENGINES, SCHEMA, WORLD, Agency, Databases, databases


@pytest.fixture(scope="module")
def house(engine: GuardedClient, store: ImageStore) -> Iterator[Databases]:
    """Both databases, once for the tests of a module."""
    with databases(engine, store, "databases") as made:
        yield made


@pytest.fixture(params=sorted(ENGINES))
def agency(request: pytest.FixtureRequest, house: Databases) -> Iterator[Agency]:
    """Each database with the same small world in it, well, with counts at 0 and no client."""
    one = Agency(name=request.param, engine=ENGINES[request.param], house=house)
    one.empty()
    house.probe.run(f"world = {WORLD!r}")
    one.admin(f"create_schema({SCHEMA[one.engine]!r})")
    one.admin("load(world)")
    one.admin("forget()")
    yield one
    one.admin("heal()")
    house.app.run("for one in {'c', 'c1', 'c2', 'c3'} & set(globals()): globals().pop(one).close()")
