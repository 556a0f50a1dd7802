"""CPU of gateway and decision together, by request: the ways of asking side by side, and beside Lua in the gateway.

Every variant of ours is what `phantomgate init` writes for the benchmark's settings, in front of the smallest API there
is. HAProxy's table in Lua has the same rules around it, so that what is compared is how a decision is reached; nginx
is compared with a plugin that parses the JWT of each request, with the same includes around it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from measure import Broken, Load, Missing, interleave, median, ratio
from nginx_throughput import BROWSER, TOKENS, deployed, front_nginx, rotating
from ours import CLIENT_SECRET, phantomgate, stub
from report import Floor, Report, Run
from servers import PEERS, ROOT, Server, answers, ask, environment, free_port, program, python, serving
from tokens import jwt_for, subject, token, write_table, write_tokens

NO_HAPROXY, TABLE, SPOE = "HAProxy, no decision", "HAProxy, Lua table", "HAProxy, SPOE"
PARSER, DIRECT = "nginx, Lua that parses the JWT", "nginx, direct by unix socket"
NO_ENVOY, BY_HTTP, BY_GRPC = "Envoy, no decision", "Envoy, HTTP", "Envoy, gRPC on grpcio"


def gateways(run: Run) -> Report:
    """A thousand tokens, 32 connections, one request for each."""
    folder = run.folder / "gateways"
    folder.mkdir()
    tokens, table = folder / "tokens", folder / "table"
    write_tokens(tokens, TOKENS)
    write_table(table, TOKENS, run.expires_at)
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))

        def ours(asked_by: str, listen: str = "") -> Server:
            return up.enter_context(phantomgate(folder, authority.port, asked_by=asked_by, listen=listen))

        api = front_nginx(up, folder, "api", "upstream.conf", status=200)
        fronts: dict[str, tuple[Server, Server | None]] = {}
        spop = ours('protocol = "spop"')
        fronts[NO_HAPROXY] = _haproxy(up, folder, NO_HAPROXY, api, spop, table), None
        fronts[TABLE] = _haproxy(up, folder, TABLE, api, spop, table), None
        fronts[SPOE] = _haproxy(up, folder, SPOE, api, spop, table), spop

        socket = folder / "phantomgate.sock"
        by_unix = ours('source = "original"\nnginx = true', f"unix:{socket}")
        common = f"upstream api {{ server 127.0.0.1:{api.port}; keepalive 64; keepalive_requests 1000000000; }}"
        for name, template, decision in (
            (PARSER, "front_jwt_alike.conf", None), (DIRECT, "front_phantomgate.conf", by_unix),
        ):  # fmt: skip
            deploy = deployed(folder, name, f"unix:{socket}", ())
            site = {"COMMON": common, "TABLE": table, "DEPLOY": deploy}
            fronts[name] = front_nginx(up, folder, name, template, status=401, **site), decision

        by_http, by_grpc = ours('source = "path"'), ours('protocol = "grpc"')
        fronts[NO_ENVOY] = _envoy(up, folder, NO_ENVOY, api, by_http), None
        fronts[BY_HTTP] = _envoy(up, folder, BY_HTTP, api, by_http), by_http
        fronts[BY_GRPC] = _envoy(up, folder, BY_GRPC, api, by_grpc), by_grpc

        runs = {}
        for name, (server, decision) in fronts.items():
            check = None if "no decision" in name else _check(name, server.port, run.expires_at)
            runs[name] = rotating(server, decision, str(tokens), run, check)
        interleave(runs, 1, run.say)  # not counted: caches fill and connections open
        loads = interleave(runs, run.rounds, run.say)
    return _report(list(fronts), loads)


def _report(names: Sequence[str], loads: dict[str, list[Load]]) -> Report:
    rows = [
        [
            name,
            f"{median(loads[name], lambda load: load.per_second):,.0f}",
            f"{median(loads[name], lambda load: load.cpu_us['gateway']):.1f}",
            f"{median(loads[name], lambda load: load.cpu_us.get('decision', 0)):.1f}",
            f"{median(loads[name], lambda load: load.total_us):.1f}",
            f"{median(loads[name], lambda load: load.p50_us) / 1000:.2f}",
            f"{median(loads[name], lambda load: load.p99_us) / 1000:.2f}",
        ]
        for name in names
    ]
    columns = ["gateway", "requests/s", "gateway CPU us", "decision CPU us", "both", "p50 ms", "p99 ms"]
    cpu: Callable[[Load], float] = lambda load: load.total_us  # noqa: E731 - it is used by name three times
    rate = ratio(loads[DIRECT], loads[PARSER], lambda load: load.per_second)
    decision = median(loads[BY_HTTP], lambda load: load.cpu_us["decision"]) / median(
        loads[BY_GRPC], lambda load: load.cpu_us["decision"]
    )
    floors = [
        Floor("CPU of HAProxy SPOE / its Lua table", ratio(loads[SPOE], loads[TABLE], cpu), 1.15, True),
        Floor("CPU of nginx direct / Lua that parses", ratio(loads[DIRECT], loads[PARSER], cpu), 0.65, True),
        Floor("throughput of nginx direct / Lua that parses", rate, 1.8, False),
        Floor("CPU of Envoy by HTTP / by gRPC on grpcio", ratio(loads[BY_HTTP], loads[BY_GRPC], cpu), 0.4, True),
    ]
    notes = [
        f"{TOKENS:,} tokens, one path, 32 connections; gateways have one thread each and share the CPUs with the load",
        f"decision alone, Envoy by HTTP / by gRPC: {decision:.2f}",
    ]
    return Report("gateways", columns, rows, floors, notes)


def _init(folder: Path, gateway: str, decision: Server, name: str, api: int, port: int) -> Path:
    """What `phantomgate init` writes for *decision*."""
    deploy = folder / re.sub("[^A-Za-z]+", "-", name)
    settings = folder / f"phantomgate-{decision.port}.toml"
    argv = python("-m", "phantomgate", "init", gateway, "--config", str(settings), "--output", str(deploy))
    argv += ["--bind", f"127.0.0.1:{port}", "--api", f"127.0.0.1:{api}"]
    env = {**environment(), "BENCH_SECRET": CLIENT_SECRET}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=env)
    if done.returncode:
        raise Broken(f"phantomgate init {gateway}: {done.stdout}{done.stderr}")
    return deploy


def _haproxy(up: ExitStack, folder: Path, name: str, api: Server, decision: Server, table: Path) -> Server:
    port = free_port()
    deploy = _init(folder, "haproxy", decision, name, api.port, port)
    file = deploy / "haproxy.cfg"
    text = file.read_text().replace("global\n", "global\n    nbthread 1\n", 1)
    if name == NO_HAPROXY:
        text = re.sub(r"(?s)    # begin phantomgate.*    # end phantomgate\n", "", text)
    if name == TABLE:
        text = text.replace("global\n", f"global\n    lua-load {PEERS}/haproxy_table.lua\n", 1)
        text = re.sub(r"    filter spoe .*\n", "    http-request lua.table\n", text)
    if name != SPOE:
        text = text[: text.index("# phantomgate, asked by SPOP")]
    file.write_text(text)
    status = 200 if name == NO_HAPROXY else 401
    return up.enter_context(
        serving(
            name, [program("haproxy"), "-db", "-f", str(file)], port=port, folder=folder,
            ready=lambda: answers(port, "/orders/17", {"Authorization": "Bearer nobody"}, status=status),
            env={"BENCH_PEERS": str(PEERS), "BENCH_TABLE": str(table)},
        )
    )  # fmt: skip


def _envoy(up: ExitStack, folder: Path, name: str, api: Server, decision: Server) -> Server:
    own = ROOT / "tests" / "interop" / "envoy" / ".venv" / "bin" / "envoy"
    binary = str(own) if own.exists() else shutil.which("envoy")
    if not binary:
        raise Missing("Envoy is not installed; sh tests/interop/install.sh installs it")
    port = free_port()
    deploy = _init(folder, "envoy-grpc" if name == BY_GRPC else "envoy", decision, name, api.port, port)
    file = deploy / "envoy.yaml"
    if name == NO_ENVOY:
        text = file.read_text()
        first, router = text.index("http_filters:"), text.index("- name: envoy.filters.http.router")
        file.write_text(text[:first] + "http_filters:\n                  " + text[router:])
    words = ["-c", str(file), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    status = 200 if name == NO_ENVOY else 401
    ready: Callable[[], bool] = lambda: answers(port, "/orders/17", status=status)  # noqa: E731 - one line says it
    return up.enter_context(serving(name, [binary, *words], port=port, folder=folder, ready=ready))


def _check(name: str, port: int, expires_at: int) -> Callable[[int], None]:
    """Through *name*, the API gets the sent token's JWT and subject."""

    def check(number: int) -> None:
        opaque = token(number)
        answer = ask(port, "/orders/echo", {**BROWSER, "Authorization": f"Bearer {opaque}"})
        expected = f"Bearer {jwt_for(opaque, expires_at)} {subject(opaque)}".encode()
        if answer.status != 200 or answer.body != expected:
            raise Broken(f"{name}: token {number} got {answer.status} {answer.body[:80]!r}")

    return check
