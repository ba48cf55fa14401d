"""Many who watch cost what one costs, and each is told of what concerns them."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from grader.records import Records
from portal.watching import LOOK_SECONDS, Watch
from tests.fixtures.portal import PACK, World, grade, verdict_for

Told = TypeVar("Told")


def run(story: Coroutine[Any, Any, Told]) -> Told:
    """In a thread of its own: a browser that another test drives keeps an event loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, story).result()


def test_a_hundred_watchers_look_once(fresh_world: World) -> None:
    """Whoever comes first looks for all of them."""
    watch, looks = Watch(fresh_world.records), []
    real = watch._signs
    watch._signs = lambda submissions: looks.append(submissions) or real(submissions)  # type: ignore[func-returns-value,method-assign]

    async def one() -> str:
        async with watch.over(fresh_world.work["owner.waiting"]) as look:
            await asyncio.sleep(0)
            return await look()

    async def many() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(100)))

    signs = run(many())
    assert len(set(signs)) == 1
    assert signs[0].startswith("queued")
    assert len(looks) == 1


def test_a_sign_changes_with_what_happened(fresh_world: World) -> None:
    """Waiting, then graded: two signs; nobody is watched any more when the watchers are gone."""
    watch, submission = Watch(fresh_world.records), fresh_world.work["owner.waiting"]

    async def story(records: Records) -> list[str]:
        signs = []
        async with watch.over(submission) as look:
            signs.append(await look())
            await asyncio.to_thread(grade, records, verdict_for(PACK))
            signs.append(await look())
            await asyncio.sleep(LOOK_SECONDS)
            signs.append(await look())
        return signs

    first, soon, later = run(story(fresh_world.records))
    assert first == soon
    assert later.startswith("done")
    assert later != first
    assert [circle.watched for circle in watch._circles.values()] in ([], [{}])
