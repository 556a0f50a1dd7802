"""Throughput of one nginx worker with the decision made in four ways, in front of the smallest API there is.

phantomgate's variants are the files that `phantomgate init nginx` writes for the benchmark's own settings, included in
the nginx.conf that all variants share. nginx + Lua comes twice: with two headers set and nothing else, and *alike*,
with everything that our files do for a request on its way upstream (thirty header fields set or removed), so that what
is compared is how a decision is reached. The floors are against the latter.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from check import watched_by
from measure import Broken, Load, interleave, median, ratio, wrk
from ours import ASKED, CLIENT_SECRET, phantomgate, stub
from report import Floor, Report, Run
from servers import PEERS, Answer, Server, answers, ask, environment, fill, free_port, nginx, python
from tokens import jwt_for, subject, token, write_table, write_tokens

NONE, LUA, ALIKE = "no decision", "nginx+Lua table", "nginx+Lua table, alike"
UNIX, TCP = "phantomgate direct, unix", "phantomgate direct, TCP"
NJS, SET_MISC = "phantomgate cached, njs", "phantomgate cached, set-misc"
TOKENS = 1000
REMEMBER = ("--cached", "--hot", str(2 * TOKENS))
BROWSER = {field: ASKED[field] for field in ("Host", "User-Agent", "Accept")}


def nginx_throughput(run: Run) -> Report:
    """A thousand tokens, 32 connections, one request for each."""
    folder = run.folder / "nginx_throughput"
    folder.mkdir()
    tokens, table = folder / "tokens", folder / "table"
    write_tokens(tokens, TOKENS)
    write_table(table, TOKENS, run.expires_at)
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))
        by_tcp = up.enter_context(phantomgate(folder, authority.port, nginx=True))
        socket = folder / "phantomgate.sock"
        by_unix = up.enter_context(phantomgate(folder, authority.port, nginx=True, listen=f"unix:{socket}"))
        api = front_nginx(up, folder, "api", "upstream.conf", status=200)
        common = f"upstream api {{ server 127.0.0.1:{api.port}; keepalive 64; keepalive_requests 1000000000; }}"

        def front(name: str, template: str, decision: str = "", *options: str) -> Server:
            deploy = deployed(folder, name, decision, options) if decision else ""
            status = 200 if name == NONE else 401
            return front_nginx(up, folder, name, template, status=status, COMMON=common, TABLE=table, DEPLOY=deploy)

        tcp = f"127.0.0.1:{by_tcp.port}"
        fronts = {
            NONE: (front(NONE, "front_none.conf"), None),
            LUA: (front(LUA, "front_lua.conf"), None),
            ALIKE: (front(ALIKE, "front_lua_alike.conf", tcp), None),
            UNIX: (front(UNIX, "front_phantomgate.conf", f"unix:{socket}"), by_unix),
            TCP: (front(TCP, "front_phantomgate.conf", tcp), by_tcp),
            NJS: (front(NJS, "front_phantomgate.conf", tcp, *REMEMBER), by_tcp),
            SET_MISC: (front(SET_MISC, "front_phantomgate.conf", tcp, *REMEMBER, "--hash", "set-misc"), by_tcp),
        }
        runs = {}
        for name, (server, decision) in fronts.items():
            check = None if name == NONE else _check(name, server.port, run.expires_at)
            runs[name] = rotating(server, decision, str(tokens), run, check)
        interleave(runs, 1, run.say)  # not counted: caches fill and connections open
        loads = interleave(runs, run.rounds, run.say)
    rows = [
        [
            name,
            f"{median(loads[name], lambda load: load.per_second):,.0f}",
            f"{ratio(loads[name], loads[ALIKE], lambda load: load.per_second):.2f}",
            f"{ratio(loads[name], loads[LUA], lambda load: load.per_second):.2f}",
            f"{median(loads[name], lambda load: load.cpu_us['gateway']):.1f}",
            f"{median(loads[name], lambda load: load.cpu_us.get('decision', 0)):.1f}",
            f"{ratio(loads[name], loads[ALIKE], lambda load: load.total_us):.2f}",
            f"{median(loads[name], lambda load: load.p50_us) / 1000:.2f}",
            f"{median(loads[name], lambda load: load.p99_us) / 1000:.2f}",
        ]
        for name in fronts
    ]
    columns = [
        "in front of the API", "requests/s", "/ Lua alike", "/ Lua", "nginx CPU us", "decision CPU us",
        "CPU / Lua alike", "p50 ms", "p99 ms",
    ]  # fmt: skip
    direct = max(ratio(loads[name], loads[ALIKE], lambda load: load.per_second) for name in (UNIX, TCP))
    cached = max(ratio(loads[name], loads[ALIKE], lambda load: load.per_second) for name in (NJS, SET_MISC))
    floors = [
        Floor("throughput of nginx direct / nginx+Lua alike", direct, 0.65, False),
        Floor("throughput of nginx cached / nginx+Lua alike", cached, 0.90, False),
    ]
    notes = [
        f"{TOKENS:,} tokens, one path, 32 connections",
        f"nginx, API, decision service and load share {os.cpu_count()} CPUs",
    ]
    return Report("nginx_throughput", columns, rows, floors, notes)


def front_nginx(up: ExitStack, folder: Path, name: str, template: str, *, status: int, **values: object) -> Server:
    port = free_port()
    site = fill(PEERS / template, PORT=port, PEERS=PEERS, **values)
    ready: Callable[[], bool] = lambda: answers(port, "/orders/17", status=status)  # noqa: E731 - one line says it
    return up.enter_context(nginx(_file_name(name), site, port=port, folder=folder, ready=ready))


def _file_name(name: str) -> str:
    return re.sub("[^a-z]+", "-", name.lower())


def deployed(folder: Path, name: str, decision: str, options: Sequence[str]) -> Path:
    """The folder that `phantomgate init nginx` wrote for *decision*, and in it the same without asking anybody."""
    short = _file_name(name)
    settings = next(path for path in folder.glob("phantomgate-*.toml") if f'"{decision}"' in path.read_text())
    deploy = folder / f"{short}-deploy"
    argv = python("-m", "phantomgate", "init", "nginx", "--config", str(settings), "--output", str(deploy))
    argv += ["--cache", str(folder / f"{short}-cache"), *options]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=60,
        env={**environment(), "BENCH_SECRET": CLIENT_SECRET},
    )  # fmt: skip
    if done.returncode:
        raise Broken(f"phantomgate init nginx: {done.stdout}{done.stderr}")
    location = (deploy / "phantomgate-location.conf").read_text()
    location = re.sub(r"(?m)^(auth_request|error_page) .*\n", "", location)
    location = re.sub(r"(?m)^auth_request_set +(\$\S+) .*$", r'set \1 "";', location)
    (deploy / "location-alike.conf").write_text(location)
    return deploy


def _check(name: str, port: int, expires_at: int) -> Callable[[int], None]:
    """Through *name*, the API gets the sent token's JWT and subject, and an unknown token is refused."""

    def check(number: int) -> None:
        opaque = token(number)
        answer = _asked(port, opaque)
        expected = f"Bearer {jwt_for(opaque, expires_at)} {subject(opaque)}".encode()
        if answer.status != 200 or answer.body != expected:
            raise Broken(
                f"{name}: token {number} got {answer.status} {answer.body[:80]!r}, expected its JWT and subject"
            )
        if number % 3 == 0 and _asked(port, "nobody-knows-this-one").status != 401:
            raise Broken(f"{name}: an unknown token was not refused")

    return check


def _asked(port: int, opaque: str) -> Answer:
    return ask(port, "/orders/echo", {**BROWSER, "Authorization": f"Bearer {opaque}"})


def rotating(
    server: Server, decision: Server | None, tokens: str, run: Run, check: Callable[[int], None] | None
) -> Callable[[], Load]:
    """Loads the gateway *server* with the tokens in the file *tokens*, and counts its CPU and that of *decision*."""
    pids = {"gateway": server.pid} | ({"decision": decision.pid} if decision else {})
    words = ["rotate", tokens, "/orders/17?page=2", *(f"{field}: {value}" for field, value in BROWSER.items())]

    def load() -> Load:
        with watched_by(check, TOKENS):
            return wrk(f"http://127.0.0.1:{server.port}", pids, words, seconds=run.seconds)

    return load
