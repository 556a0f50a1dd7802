"""What the fault run is made of: ways that are cut, parts that are frozen, a server that misbehaves, and the table."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chaos import table
from chaos.api import whose
from chaos.authority import Authority
from chaos.facts import CLIENT_ID
from chaos.faults import FAULTS
from chaos.judge import Spell
from chaos.links import Link
from chaos.oracle import Oracle
from chaos.parts import Part, tree
from chaos.population import Population
from chaos.realm import Realm
from chaos.run import Plan, Result, Row
from tokens import segment


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def linked(story):
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    seen = []
    link = Link(server.sockets[0].getsockname()[1], seen.append)
    await link.listen()
    try:
        await story(link, seen)
    finally:
        await link.close()
        server.close()


def test_a_way_passes_bytes_holds_them_and_lets_them_go():
    async def story(link, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        assert b"one" == await reader.readexactly(3)
        link.set("stalled")
        writer.write(b"two")
        waiting = asyncio.create_task(reader.readexactly(3))
        assert not (await asyncio.wait([waiting], timeout=0.05))[0]
        link.set("open")
        assert b"two" == await waiting
        assert [b"one", b"two"] == seen
        writer.close()

    asyncio.run(linked(story))


def test_a_way_that_is_reset_ends_connections_and_takes_none():
    async def story(link, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"one")
        assert b"one" == await reader.readexactly(3)
        link.set("reset")
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()

    asyncio.run(linked(story))


def test_a_part_is_killed_with_all_that_it_started(tmp_path):
    child = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    part = Part("parent", [sys.executable, "-c", code], tmp_path / "log", ready=lambda: True, cwd=tmp_path)
    part.start()
    deadline = time.monotonic() + 120
    while not Path(f"/proc/{tree(part.process.pid)[-1]}/cmdline").read_bytes().endswith(b"sleep(60)\0"):
        assert time.monotonic() < deadline
    pids = tree(part.process.pid)
    part.freeze()
    while {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids} != {"T"}:
        assert time.monotonic() < deadline
    part.thaw()
    part.kill()
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
        assert time.monotonic() < deadline
    assert part.process is None


@pytest.fixture
def realm(tmp_path):
    return Realm(tmp_path / "facts.json", Oracle())


def asked(realm, token, secret=None):
    """(status, body) of a question."""

    async def ask():
        async with TestClient(TestServer(Authority(realm.place).app())) as client:
            shown = b64encode(f"{CLIENT_ID}:{secret or realm.facts.secrets[-1]}".encode()).decode()
            headers = {"Authorization": f"Basic {shown}"}
            answer = await client.post("/introspect", data={"token": token}, headers=headers)
            return answer.status, await answer.read()

    return asyncio.run(ask())


def test_the_server_knows_its_tokens_and_what_became_of_them(realm):
    population = Population(random.Random(1), realm)
    one = population._opaque("new")
    token = one.field.removeprefix("Bearer ")
    assert 200 == asked(realm, token)[0]
    assert 401 == asked(realm, token, "wrong")[0]
    assert 204 == asked(realm, token[:-1] + ("0" if token[-1] != "0" else "1"))[0]
    assert 204 == asked(realm, "unknown")[0]
    assert 204 == asked(realm, population._opaque("new", seconds=0).field.removeprefix("Bearer "))[0]
    realm.revoke(one)
    assert 204 == asked(realm, token)[0]


@pytest.mark.parametrize(
    ("mood", "status"), [("failing", 500), ("garbage", 200), ("wrong signature", 200), ("refusing us", 401)]
)
def test_the_server_misbehaves_on_command_and_calls_nobody_active_who_isn_t(realm, mood, status):
    population = Population(random.Random(1), realm)
    good = asked(realm, population._opaque("new").field.removeprefix("Bearer "))
    realm.set(mood)
    assert status == asked(realm, population._opaque("new").field.removeprefix("Bearer "))[0]
    if mood == "wrong signature":
        assert 204 == asked(realm, "unknown")[0]
    realm.set("well")
    assert 200 == good[0] == asked(realm, population._opaque("new").field.removeprefix("Bearer "))[0]


def head(token, user=b"ann"):
    return b"GET / HTTP/1.1\r\nAuthorization: Bearer %b\r\nX-User: %b\r\n" % (token, user)


def test_the_api_says_whose_jwt_it_got():
    jwt = f"e30.{segment({'sub': 'ann'})}.c2ln".encode()
    assert "ann" == whose(head(jwt))
    assert "another user" == whose(head(jwt, b"bob"))
    assert "no JWT" == whose(head(b"opaque"))
    assert "0 tokens, 0 users" == whose(b"GET / HTTP/1.1\r\n")
    assert "2 tokens, 2 users" == whose(head(jwt) + head(jwt).partition(b"\r\n")[2].join([b"\r\n", b""]))


def test_the_table_is_written_where_it_was_and_read_back(tmp_path):
    page = tmp_path / "chaos.md"
    page.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
    spell = Spell("x", requests=7, wrong_allows=1)
    rows = [Row("cluster", FAULTS[0], spell, 0.0), Row("cluster", FAULTS[1], Spell("y"), None)]
    table.write(Plan(7, {}), Result(rows), page)
    assert page.read_text().startswith(f"before\n{table.BEGIN}Seed 7, ")
    assert page.read_text().endswith(f"{table.END}after\n")
    assert [("cluster", "nothing", "7", "1"), ("cluster", FAULTS[1].name, "0", "0")] == [
        tuple(row[:4]) for row in table.committed(page)
    ]
    assert [["1 wrong allows"], ["not recovered within 30 s"]] == [row.problems for row in rows]
    assert "never" in table.plain(rows)
