"""What it costs when the cache can't answer: one introspection at a stub that answers at once, in its own process.

Two peers: nginx + Lua with nginx's own subrequests, the fastest thing there is here, and a small aiohttp application,
which is what one would write instead of using us. Neither shares concurrent misses, bounds its memory, or checks
what the authorization server says beyond its status.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack

from check import refuses, right
from measure import Load, interleave, median, ratio, wrk
from ours import ASKED, CLIENT_ID, CLIENT_SECRET, phantomgate, stub
from report import Report, Run
from servers import PEERS, Server, answers, fill, free_port, nginx, python, serving

OURS, LUA, AIOHTTP = "phantomgate", "nginx+Lua subrequest", "aiohttp application"


def miss(run: Run) -> Report:
    """Tokens that nobody has seen, on 32 connections for the cost, then on one for the time a client waits."""
    folder = run.folder / "miss"
    folder.mkdir()
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))
        servers = {OURS: up.enter_context(phantomgate(folder, authority.port, entries=4_000_000, megabytes=8192))}
        port = free_port()
        credentials = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        site = fill(PEERS / "lua_miss.conf", PEERS=PEERS, AUTHORITY=authority.port, PORT=port, CREDENTIALS=credentials)
        servers[LUA] = up.enter_context(
            nginx("nginx lua", site, port=port, folder=folder, ready=lambda: answers(port, "/decide", status=401))
        )
        other = free_port()
        endpoint = f"http://127.0.0.1:{authority.port}/introspect"
        argv = python(str(PEERS / "aiohttp_app.py"), str(other), endpoint, CLIENT_ID, CLIENT_SECRET)
        servers[AIOHTTP] = up.enter_context(
            serving("aiohttp", argv, port=other, folder=folder, ready=lambda: answers(other, "/decide", status=401))
        )
        for who, server in servers.items():
            right(who, server.port, 1, run.expires_at)
            refuses(who, server.port)
        busy = interleave({who: _load(server, run, 32) for who, server in servers.items()}, run.rounds, run.say)
        calm = interleave(
            {who: _load(server, run, 1) for who, server in servers.items()}, max(1, run.rounds // 2), run.say
        )
    rows = [
        [
            who,
            f"{median(busy[who], lambda load: load.total_us):.0f}",
            f"{ratio(busy[who], busy[LUA], lambda load: load.total_us):.2f}",
            f"{ratio(busy[who], busy[AIOHTTP], lambda load: load.total_us):.2f}",
            f"{median(busy[who], lambda load: load.per_second):,.0f}",
            f"{median(calm[who], lambda load: load.p50_us) / 1000:.2f}",
            f"{median(calm[who], lambda load: load.p99_us) / 1000:.2f}",
            f"{median(busy[who], lambda load: load.p50_us) / 1000:.2f}",
            f"{median(busy[who], lambda load: load.p99_us) / 1000:.2f}",
        ]
        for who in servers
    ]
    columns = [
        "server", "CPU us/miss", "/ nginx+Lua", "/ aiohttp", "misses/s", "p50 ms (1)", "p99 ms (1)", "p50 ms (32)",
        "p99 ms (32)",
    ]  # fmt: skip
    notes = ["(1) and (32): on that many connections; the stub shares the machine, so the busy figures are its too"]
    return Report("miss", columns, rows, (), notes)


def _load(server: Server, run: Run, connections: int) -> Callable[[], Load]:
    def load() -> Load:
        words = ["fresh", secrets.token_hex(4), "/decide", *(f"{field}: {value}" for field, value in ASKED.items())]
        url = f"http://127.0.0.1:{server.port}"
        return wrk(url, {"server": server.pid}, words, seconds=run.seconds, connections=connections)

    return load
