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
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from phantomgate.cli.options import add_config
from phantomgate.config.advice import warnings
from phantomgate.config.fixed import only_by_a_restart
from phantomgate.config.installed import not_installed
from phantomgate.config.loading import CONFIG, USUAL_FILE, draft, read_sources
from phantomgate.config.log import Level, Log
from phantomgate.config.observe import Metrics
from phantomgate.config.references import files_of, pipes
from phantomgate.config.referred import unmet
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.servers.addresses import AGENT, LISTEN, MANAGE, bind
from phantomgate.servers.agent_alone import is_served, served_elsewhere
from phantomgate.servers.crew import worker_command
from phantomgate.servers.overseeing import overseeing
from phantomgate.servers.reloading import Read, Reloading
from phantomgate.servers.running import Plan, Run
from phantomgate.servers.sockets import Bound

EXPLANATION = """\
Runs in the foreground and logs one JSON line an event to stderr. SIGTERM or Ctrl-C ends it in good order: requests in
flight are answered, for at most [serve] drain; a second one ends it at once. SIGHUP has it read its settings, secrets
and keys again, without losing a request or what it remembers: all or nothing, and the log says which. Whether it is
ready, and what it has counted, is at [serve] manage: /healthz, /readyz, /metrics.

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
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until we can hear it; what there is now is read anyway
    _keep_standard_streams()
    _allow_descriptors()
    read = _read(options, environ)
    bound = bind(read.settings)
    return asyncio.run(_serve(read, bound, environ, lambda: _read(options, environ, read)))


def _agent_is_served(settings: Settings) -> list[Problem]:
    """That another process serves the OAuth agent already."""
    return [served_elsewhere(settings)] if settings.agent.listen and is_served(settings) else []


def _read(options: argparse.Namespace, environ: Mapping[str, str], first: Read | None = None) -> Read:
    """The settings as they are now, or anew while we serve by the *first* ones. Raises SettingsError."""
    named = str(options.config or environ.get(CONFIG) or USUAL_FILE)
    _raise(pipes([named]) if first is not None else [])
    sources = read_sources(options.config, environ)
    settings, problems = draft(sources)
    if first is None:
        problems += _agent_is_served(settings)  # later it is ours already
    else:
        if not (sources.toml_text or "").strip() and (first.start["sources"]["toml_text"] or "").strip():
            # What the variables say alone may be whole, and lack every scope and audience
            how = "gone" if sources.toml_text is None else "empty"
            text = f"is {how}, and was there when we started; put it back, or restart"
            problems += [Problem("file", text, named)]
        _raise(pipes(files_of(settings)))
    problems += unmet(settings, environ) + not_installed(settings)
    _raise(problems)
    return Read(settings, {"sources": asdict(sources)}, named)


def _raise(problems: list[Problem]) -> None:
    """Raises SettingsError if there are any."""
    if problems:
        raise SettingsError(problems)


async def _serve(read: Read, bound: dict[str, Bound], environ: Mapping[str, str], again: Callable[[], Read]) -> int:
    settings, own = read.settings, Metrics()
    log = Log(2, now=time.time, level=Level[settings.log.level.upper()], dropped=own.drop_line)
    for warning in warnings(settings):
        log.say(Level.WARNING, "settings", **warning._asdict())
    mine = await overseeing(read.start, environ, log)

    def reloads(run: Run) -> Reloading:
        return Reloading(
            read, again, only_by_a_restart, mine, run.crews, run.move, log=log, now=time.time, ticks=time.monotonic
        )

    plan = Plan(
        listen=bound[LISTEN],
        manage=bound[MANAGE],
        workers=settings.serve.workers,
        drain=settings.serve.drain,
        command=_command(settings),
        command_for=_command,
        environ=dict(environ),
        start=read.start,
        probe=mine.probe,
        log=log,
        dropped=lambda: own.lines_dropped,
        ticks=time.monotonic,
        jitter=random.random,  # spreads retries; nothing secret hangs on it
        hear=mine.hear,
        agent_listen=bound.get(AGENT),
        agent_command=worker_command("phantomgate.servers.agent_worker", sys.path, str(Path.cwd())),
        reloads=reloads,
    )
    try:
        return await Run(plan).until_end()
    finally:
        await mine.renewing.keeping.close()


def _command(settings: Settings) -> Sequence[str]:
    """What runs a worker that decides."""
    return worker_command(_WORKERS[settings.serve.protocol], sys.path, str(Path.cwd()))


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
