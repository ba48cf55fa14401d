"""The door of a database agency: it loses no byte, it is bounded, and it fails as it is told."""

import asyncio
import contextlib
import hashlib
import json
import random
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grader.agency.control import Control
from grader.agency.door import Door
from grader.agency.faults import FaultClock, read_script
from grader.agency.ledger import Ledger

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GREETING = b"hello\n"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that says something first, as MariaDB does, and then answers each line with the line twice."""
    writer.write(GREETING)
    while line := await reader.readline():
        writer.write(line.strip() * 2 + b"\n")


@dataclass(frozen=True, kw_only=True)
class House:
    """A door with a server behind it."""

    door: Door
    port: int
    clock: FaultClock
    ledger: Ledger
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def play(self, *steps: dict[str, Any]) -> None:
        """Begin a script."""
        self.clock.play(read_script(list(steps), "door"))
        await self.door.obey()

    async def heal(self) -> None:
        """Be well."""
        self.clock.heal()
        await self.door.obey()

    async def enter(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect as the app does."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.clients.append(writer)
        return reader, writer

    async def greeted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect and read the greeting."""
        reader, writer = await self.enter()
        assert await reader.readline() == GREETING
        return reader, writer


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    """Send a line and read the answer; b"" when the connection ended in an orderly way."""
    writer.write(line + b"\n")
    return await reader.readline()


def at_the_door(
    folder: Path, story: Callable[[House], Coroutine[Any, Any, None]], *, serve: Serve = echo, most: int = 64
) -> None:
    """Run ``story`` with a door before ``serve``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()
        writer.transport.abort()

    async def run() -> None:
        place = str(folder / "server.sock")
        server = await asyncio.start_unix_server(answer, place)
        clock, ledger = FaultClock(), Ledger()
        door = Door(server=place, clock=clock, ledger=ledger, max_connections=most)
        port = await door.open("127.0.0.1", 0)
        house = House(door=door, port=port, clock=clock, ledger=ledger)
        try:
            async with asyncio.timeout(60):
                await story(house)
        finally:
            for client in house.clients:
                client.transport.abort()
            door.close()
            server.close()
            await asyncio.sleep(0.05)  # what was reset is closed in the loop's next rounds

    asyncio.run(run())


def test_what_goes_in_comes_out_and_each_direction_ends_by_itself(tmp_path: Path) -> None:
    """Megabytes in both directions arrive whole, and a client that has said everything still gets the answer."""
    generator = random.Random(5)
    question, answer = generator.randbytes(5_000_000), generator.randbytes(5_000_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read(-1)  # until the client's end
        writer.write(hashlib.sha256(heard).digest() + answer)

    async def story(house: House) -> None:
        reader, writer = await house.enter()
        writer.write(question)
        writer.write_eof()
        assert await reader.read(-1) == hashlib.sha256(question).digest() + answer
        writer.close()

    at_the_door(tmp_path, story, serve=serve)


def test_what_the_server_says_last_arrives(tmp_path: Path) -> None:
    """A server that says why and closes at once is heard."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"too many connections\n")

    async def story(house: House) -> None:
        for _ in range(30):
            reader, writer = await house.enter()
            writer.write(b"let me in\n")
            assert await reader.read(-1) == b"too many connections\n"
            writer.close()

    at_the_door(tmp_path, story, serve=serve)


def test_a_reader_that_does_not_read_costs_a_bounded_amount(tmp_path: Path) -> None:
    """The server is not read from while its answer is not taken, and then nothing of it is missing."""
    block, blocks = bytes(range(256)) * 256, 1_600  # 100 MB
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readline()
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()
            sent += 1

    async def story(house: House) -> None:
        reader, writer = await house.enter()
        writer.write(b"everything\n")
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.5)
        assert 0 < sent < blocks // 2
        total = 0
        while part := await reader.read(1 << 20):
            total += len(part)
        assert total == blocks * len(block)
        writer.close()

    at_the_door(tmp_path, story, serve=serve)


def test_a_client_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """The server's side of a connection ends with the client's."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        ended.set()

    async def story(house: House) -> None:
        _, writer = await house.enter()
        writer.write(b"x")
        await writer.drain()
        writer.transport.abort()
        await ended.wait()

    at_the_door(tmp_path, story, serve=serve)


def test_connections_are_counted_and_bounded(tmp_path: Path) -> None:
    """Each connection is counted once; one too many is reset, and fits again when another has gone."""

    async def story(house: House) -> None:
        first, second = await house.greeted(), await house.greeted()
        reader, _ = await house.enter()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert house.ledger.connections == 3
        assert await said(*first, b"a") == b"aa\n"
        first[1].close()
        await first[1].wait_closed()
        await asyncio.sleep(0.05)
        third = await house.greeted()
        assert await said(*third, b"b") == b"bb\n"
        assert await said(*second, b"c") == b"cc\n"
        house.ledger.forget()
        assert house.ledger.connections == 0

    at_the_door(tmp_path, story, most=2)


def test_a_server_that_is_not_there_resets_the_connection(tmp_path: Path) -> None:
    """No answer comes from a door without a house."""

    async def story(house: House) -> None:
        (tmp_path / "server.sock").unlink()
        reader, _ = await house.enter()
        with pytest.raises(ConnectionResetError):
            await reader.read()

    at_the_door(tmp_path, story)


def test_latency_holds_back_every_answer_once(tmp_path: Path) -> None:
    """An answer comes later by what the script says: once, because sixty parts would be later than the test waits."""
    parts = 60

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        for number in range(parts):
            writer.write(b"%d " % number)
            await asyncio.sleep(0.001)
        writer.write(b"\n")

    async def story(house: House) -> None:
        clock = asyncio.get_running_loop().time
        await house.play({"t": 0, "mode": "latency", "ms": 1_100})
        reader, writer = await house.enter()
        started = clock()
        answer = await said(reader, writer, b"x")
        assert clock() - started >= 1.1
        assert answer.split() == [b"%d" % number for number in range(parts)]

    at_the_door(tmp_path, story, serve=serve)


def test_healing_releases_what_was_held_back(tmp_path: Path) -> None:
    """An answer that would come in a minute comes when the agency is healed, and only once."""

    async def story(house: House) -> None:
        reader, writer = await house.greeted()
        await house.play({"t": 0, "mode": "latency", "ms": 60_000})
        writer.write(b"a\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.2)
        await house.heal()
        assert await reader.readline() == b"aa\n"
        assert await said(reader, writer, b"b") == b"bb\n"

    at_the_door(tmp_path, story)


def test_an_answer_that_is_held_back_outlives_its_server(tmp_path: Path) -> None:
    """A server that answers and ends, to a client that goes on talking: the answer arrives, if only earlier."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"not you\n")

    async def story(house: House) -> None:
        await house.play({"t": 0, "mode": "latency", "ms": 5_000})
        reader, writer = await house.enter()
        writer.write(b"let me in\n")
        await asyncio.sleep(0.2)
        writer.write(b"hello?\n")
        assert await reader.readline() == b"not you\n"

    at_the_door(tmp_path, story, serve=serve)


def test_pause_stops_everything_and_loses_nothing(tmp_path: Path) -> None:
    """Nothing moves while paused, connecting still works, and after healing every byte is there."""

    async def story(house: House) -> None:
        reader, writer = await house.greeted()
        await house.play({"t": 0, "mode": "pause"})
        writer.write(b"a\n")
        other_reader, other_writer = await house.enter()
        for waiting in (reader, other_reader):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(waiting.readline(), 0.2)
        assert house.ledger.connections == 2
        await house.heal()
        assert await reader.readline() == b"aa\n"
        assert await other_reader.readline() == GREETING
        assert await said(other_reader, other_writer, b"b") == b"bb\n"

    at_the_door(tmp_path, story)


def test_a_pause_that_follows_latency_keeps_the_answer(tmp_path: Path) -> None:
    """An answer whose time comes while nothing may move is given afterwards, whatever comes next."""

    async def story(house: House) -> None:
        reader, writer = await house.greeted()
        await house.play({"t": 0, "mode": "latency", "ms": 100})
        writer.write(b"a\n")
        await asyncio.sleep(0.05)
        await house.play({"t": 0, "mode": "pause"})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.3)
        await house.play({"t": 0, "mode": "latency", "ms": 50})
        assert await reader.readline() == b"aa\n"

    at_the_door(tmp_path, story)


def test_cut_ends_what_is_open_and_halves_what_is_new(tmp_path: Path) -> None:
    """An open connection breaks off, a new one breaks off in the middle of the first answer, a healed one works."""

    async def story(house: House) -> None:
        reader, _ = await house.greeted()
        await house.play({"t": 0, "mode": "cut"})
        with pytest.raises(ConnectionResetError):
            await reader.read()
        reader, _ = await house.enter()
        assert await reader.read(-1) == GREETING[:3]
        await house.heal()
        assert await said(*await house.greeted(), b"a") == b"aa\n"

    at_the_door(tmp_path, story)


def test_cut_after_some_answers_strikes_in_the_middle_of_the_next_one(tmp_path: Path) -> None:
    """The connection that asked gets half an answer; the one that was idle breaks off too."""

    async def story(house: House) -> None:
        reader, writer = await house.greeted()
        idle, _ = await house.greeted()
        await house.play({"t": 0, "mode": "cut", "after": 2})
        assert await said(reader, writer, b"first") == b"firstfirst\n"
        assert await said(reader, writer, b"second") == b"secondsecond\n"
        writer.write(b"third\n")
        assert await reader.read(-1) == b"third"
        with pytest.raises(ConnectionResetError):
            await idle.read()

    at_the_door(tmp_path, story)


def test_unreachable_refuses_until_it_is_healed(tmp_path: Path) -> None:
    """Open connections break off, connecting is refused, and afterwards the same port answers again."""

    async def story(house: House) -> None:
        reader, _ = await house.greeted()
        await house.play({"t": 0, "mode": "unreachable"})
        with pytest.raises(ConnectionResetError):
            await reader.read()
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await house.enter()
        await house.heal()
        assert await said(*await house.greeted(), b"a") == b"aa\n"

    at_the_door(tmp_path, story)


def test_unreachable_after_an_answer_begins_with_the_next_question(tmp_path: Path) -> None:
    """``after`` counts answers; a greeting is one."""

    async def story(house: House) -> None:
        await house.play({"t": 0, "mode": "unreachable", "after": 2})
        reader, writer = await house.greeted()
        assert await said(reader, writer, b"a") == b"aa\n"
        writer.write(b"b\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await house.enter()

    at_the_door(tmp_path, story)


def test_a_script_is_followed_step_by_step(tmp_path: Path) -> None:
    """Told over the control side: each step begins when its time comes, without anybody asking."""

    async def tell(port: int, method: str, path: str, body: Any = None) -> Any:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        text = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Control-Token: secret\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        answer = await reader.read(-1)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    async def story(house: House) -> None:
        control = Control(kind="door", token="secret", clock=house.clock, ledger=house.ledger, apply=house.door.obey)
        port = await control.open("127.0.0.1", 0)
        following = asyncio.create_task(control.follow())
        assert await tell(port, "GET", "/health") == {"kind": "door"}
        reader, writer = await house.greeted()
        script = [{"t": 0, "mode": "pause"}, {"t": 0.3, "mode": "ok"}, {"t": 0.6, "mode": "unreachable"}]
        await tell(port, "PUT", "/faults", {"script": script})
        assert await said(reader, writer, b"a") == b"aa\n"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await house.enter()
        await tell(port, "DELETE", "/faults")
        await house.greeted()
        assert (await tell(port, "GET", "/ledger"))["connections"] == 2
        following.cancel()
        control.close()

    at_the_door(tmp_path, story)


def test_what_a_client_says_before_the_server_is_reached_is_kept(tmp_path: Path) -> None:
    """A client that speaks first, as those of PostgreSQL do, speaks the moment it is connected."""

    async def answer_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).strip() * 2 + b"\n")

    async def story(house: House) -> None:
        loop = asyncio.get_running_loop()
        for number in range(200):
            with socket.create_connection(("127.0.0.1", house.port)) as hasty:
                hasty.sendall(b"%d\n" % number)  # in the kernel before the door has even accepted
                hasty.settimeout(5)
                assert await loop.run_in_executor(None, hasty.recv, 100) == b"%d%d\n" % (number, number)

    at_the_door(tmp_path, story, serve=answer_only)
