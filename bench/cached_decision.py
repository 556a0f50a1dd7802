"""CPU of a decision that the cache can answer: phantomgate beside nginx + Lua and uvicorn with tables in the process.

The peers do what the engine does on a hit and no more: look the token up, check its time and a scope, answer with the
same headers. phantomgate does it with every feature on: a policy, two routes, metrics, claims as headers, the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from check import refuses, right, watched_by
from filling import fill as fill_cache
from measure import Load, interleave, median, memory_bytes, ratio, wrk
from ours import ASKED, phantomgate, stub
from report import Floor, Report, Run
from servers import PEERS, Server, answers, fill, free_port, nginx, python, serving
from tokens import write_table, write_tokens

OURS, LUA, UVICORN, RAW = "phantomgate", "nginx+Lua table", "uvicorn table", "bare httptools (not a product)"


def cached_decision(run: Run) -> Report:
    """A thousand tokens, 32 connections."""
    return _compare(run, "cached_decision", 1000, run.rounds)


def cached_decision_million(run: Run) -> Report:
    """A million tokens (10,000 in a smoke run): memory, and CPU when every record is cold."""
    return _compare(run, "cached_decision_million", 10_000 if run.smoke else 1_000_000, max(1, run.rounds // 2))


def _compare(run: Run, name: str, count: int, rounds: int) -> Report:
    folder = run.folder / name
    folder.mkdir()
    tokens, table = folder / "tokens", folder / "table"
    write_tokens(tokens, count)
    write_table(table, count, run.expires_at)
    with ExitStack() as up:
        servers: dict[str, Server] = {}
        authority = up.enter_context(stub(folder, run.expires_at))
        servers[OURS] = up.enter_context(
            phantomgate(folder, authority.port, entries=2_000_000, megabytes=4096 if count > 100_000 else 512)
        )
        empty = memory_bytes(servers[OURS].pid)
        fill_cache(servers[OURS].port, count, run.expires_at, run.say)
        port = free_port()
        servers[LUA] = up.enter_context(
            nginx(
                "nginx lua", fill(PEERS / "lua_decide.conf", PEERS=PEERS, TABLE=table, PORT=port), port=port,
                folder=folder, ready=lambda: answers(port, "/decide", status=401), patience=60,
            )
        )  # fmt: skip
        servers[UVICORN] = up.enter_context(_uvicorn(table, folder))
        servers[RAW] = up.enter_context(_raw(table, folder))
        for who, server in servers.items():
            for number in (0, 1, count // 2, count - 1):
                right(who, server.port, number, run.expires_at)
            refuses(who, server.port)
        words = ["rotate", str(tokens), "/decide", *(f"{field}: {value}" for field, value in ASKED.items())]
        runs = {who: _load(who, server, words, run, count) for who, server in servers.items()}
        loads = interleave(runs, rounds, run.say)
        memory = {who: memory_bytes(server.pid) for who, server in servers.items()}
    rows = [
        [
            who,
            f"{median(loads[who], lambda load: load.total_us):.2f}",
            f"{ratio(loads[who], loads[LUA], lambda load: load.total_us):.2f}",
            f"{ratio(loads[who], loads[UVICORN], lambda load: load.total_us):.2f}",
            f"{median(loads[who], lambda load: load.per_second):,.0f}",
            f"{median(loads[who], lambda load: load.p50_us) / 1000:.2f}",
            f"{median(loads[who], lambda load: load.p99_us) / 1000:.2f}",
            f"{memory[who] / 1e6:,.0f}",
        ]
        for who in servers
    ]
    floors = [
        Floor(
            "CPU of a cached decision / nginx+Lua",
            ratio(loads[OURS], loads[LUA], lambda load: load.total_us),
            1.2,
            True,
        ),
        Floor(
            "CPU of a cached decision / uvicorn",
            ratio(loads[OURS], loads[UVICORN], lambda load: load.total_us),
            0.5,
            True,
        ),
    ]
    columns = ["server", "CPU us/request", "/ nginx+Lua", "/ uvicorn", "requests/s", "p50 ms", "p99 ms", "memory MB"]
    notes = [
        f"{count:,} tokens with JWTs of 1,107 bytes, 32 connections, one worker each",
        f"{rounds} interleaved rounds of {run.seconds:.0f} s",
        f"phantomgate before the first token: {empty / 1e6:.0f} MB",
    ]
    return Report(name, columns, rows, floors if count == 1000 else (), notes)


def _load(name: str, server: Server, words: list[str], run: Run, count: int) -> Callable[[], Load]:
    def load() -> Load:
        with watched_by(lambda number: right(name, server.port, number, run.expires_at), count):
            return wrk(f"http://127.0.0.1:{server.port}", {"server": server.pid}, words, seconds=run.seconds)

    return load


@contextmanager
def _uvicorn(table: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    argv = python(
        "-m", "uvicorn", "uvicorn_table:app", "--app-dir", str(PEERS), "--host", "127.0.0.1", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--log-level", "critical", "--no-access-log",
        "--no-proxy-headers", "--no-server-header", "--no-date-header", "--timeout-keep-alive", "300",
    )  # fmt: skip
    with serving(
        "uvicorn", argv, port=port, folder=folder, env={"BENCH_TABLE": str(table)},
        ready=lambda: answers(port, "/decide", status=401), patience=60,
    ) as server:  # fmt: skip
        yield server


@contextmanager
def _raw(table: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    argv = python(str(PEERS / "raw_httptools.py"), str(port), str(table))
    with serving(
        "raw", argv, port=port, folder=folder, ready=lambda: answers(port, "/decide", status=401), patience=60
    ) as server:
        yield server
