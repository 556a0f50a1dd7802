"""`phantomgate serve`: the decision service or, with `[serve] upstream`, the gateway itself.

Rule: everything that can be wrong before the first request is said before the first request, all of it at once, and
ends with exit code 2. An authorization server that is down is not among it: that passes, and /readyz tells.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

from phantomgate.cli.options import add_config
from phantomgate.config.advice import warnings
from phantomgate.config.agent_wiring import wire_agent
from phantomgate.config.loading import Sources, draft, read_sources
from phantomgate.config.log import Level, Log
from phantomgate.config.network import read_address
from phantomgate.config.observe import Metrics
from phantomgate.config.settings import Resilience, Settings, Traces
from phantomgate.config.wiring import unmet, wire
from phantomgate.core.errors import Problem, Refused, SettingsError
from phantomgate.servers.agent_alone import is_served, served_elsewhere
from phantomgate.servers.hearing import begin
from phantomgate.servers.running import Hearing, Plan, Run, Tell
from phantomgate.servers.sockets import Bound, bind_tcp, bind_unix, why
from phantomgate.servers.supervisor import worker_command

EXPLANATION = """\
Runs in the foreground and logs one JSON line an event to stderr. SIGTERM or Ctrl-C ends it in good order: requests in
flight are answered, for at most [serve] drain; a second one ends it at once. Whether it is ready, and what it has
counted, is at [serve] manage: /healthz, /readyz, /metrics.

  phantomgate serve --config /etc/phantomgate.toml

exit codes:
  0  ended as it was told
  1  cut short by a second signal
  2  the settings have problems, or an address can't be listened on
"""

_WORKERS = dict.fromkeys(("http", "spop"), "phantomgate.servers.worker") | {"grpc": "phantomgate.servers.grpc_worker"}


def add(parser: argparse.ArgumentParser) -> None:
    """`--config`."""
    parser.epilog = EXPLANATION
    add_config(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until a signal. Raises SettingsError with everything that is wrong."""
    _keep_standard_streams()
    _allow_descriptors()
    sources = read_sources(options.config, environ)
    settings, problems = draft(sources)
    problems += unmet(settings, environ) + _agent_cant_be_served(settings) + _grpc_is_missing(settings)
    if problems:
        raise SettingsError(problems)
    return asyncio.run(_serve(settings, sources, _bind(settings), environ))


def _agent_cant_be_served(settings: Settings) -> list[Problem]:
    """What serves the OAuth agent isn't here, or serves it already."""
    if not settings.agent.listen:
        return []
    if find_spec("uvicorn"):
        return [served_elsewhere(settings)] if is_served(settings) else []
    text = "needs uvicorn, which isn't installed: pip install 'phantomgate[agent]'"
    return [Problem("agent.listen", text, settings.origin("agent.listen"))]


def _grpc_is_missing(settings: Settings) -> list[Problem]:
    if settings.serve.protocol != "grpc" or find_spec("grpc"):
        return []
    text = "is \"grpc\", which needs grpcio: pip install 'phantomgate[grpc]'"
    return [Problem("serve.protocol", text, settings.origin("serve.protocol"))]


async def _serve(settings: Settings, sources: Sources, bound: dict[str, Bound], environ: Mapping[str, str]) -> int:
    own = Metrics()
    log = Log(2, now=time.time, level=Level[settings.log.level.upper()], dropped=own.drop_line)
    for warning in warnings(settings):
        log.say(Level.WARNING, "settings", **warning._asdict())
    # A probe is to find out, whatever was found out before, and is no decision
    unguarded = replace(settings, resilience=Resilience(retry=False, breaker=False), traces=Traces())
    wired = wire(unguarded, "nonblocking", environ=environ, write=log)
    agent = wire_agent(unguarded, environ=environ, write=log) if settings.has_agent else None

    async def probe() -> Refused | None:
        return await wired.probe() or (await agent.probe.ask() if agent else None)

    async def hear(tell: Tell) -> Hearing:
        return await begin(settings, wired, tell, environ, log)

    plan = Plan(
        listen=bound["serve.listen"],
        manage=bound["serve.manage"],
        workers=settings.serve.workers,
        drain=settings.serve.drain,
        command=worker_command(_WORKERS[settings.serve.protocol], sys.path, str(Path.cwd())),
        environ=dict(environ),
        start={"sources": asdict(sources)},
        probe=probe,
        log=log,
        dropped=lambda: own.lines_dropped,
        ticks=time.monotonic,
        jitter=random.random,  # spreads retries; nothing secret hangs on it
        hear=hear,
        agent_listen=bound.get("agent.listen"),
        agent_command=worker_command("phantomgate.servers.agent_worker", sys.path, str(Path.cwd())),
    )
    try:
        return await Run(plan).until_end()
    finally:
        await wired.close()
        if agent is not None:
            await agent.close()


def _bind(settings: Settings) -> dict[str, Bound]:
    """The sockets of all listeners, by their settings. Raises SettingsError for every address that can't be had."""
    serve = settings.serve
    bound: dict[str, Bound] = {}
    problems: list[Problem] = []
    wanted = [("serve.listen", serve.listen, serve.workers), ("serve.manage", serve.manage, 1)]
    wanted += [("agent.listen", settings.agent.listen, 1)] if settings.agent.listen else []
    for name, text, count in wanted:
        address = read_address(text)
        try:
            listens = name != "serve.listen" or serve.protocol != "grpc"
            one = (
                bind_unix(address.unix)
                if address.unix
                else bind_tcp(address.host, address.port, count, listens=listens)
            )
            bound[name] = one
        except OSError as no:
            told = f'is "{text}", where we can\'t listen: {why(no)}'
            problems.append(Problem(name, told, settings.origin(name)))
    if problems:
        for one in bound.values():
            one.close()
        raise SettingsError(problems)
    return bound


def _keep_standard_streams() -> None:
    """Open what is closed of stdin, stdout and stderr, for workers too: else the next socket would be one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free: this one


def _allow_descriptors() -> None:
    """As many connections as the system lets us have: the usual limit of 1024 is meant for programs that use select."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems name a limit that they don't grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
