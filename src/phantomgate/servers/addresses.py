"""The addresses in the settings, bound before anything else, all of them or none.

Rule: what can't be had is said with the setting that wants it, each at once, and then nothing stays bound.
"""

from __future__ import annotations

from collections.abc import Mapping

from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Problem, SettingsError
from phantomgate.servers.sockets import Bound, bind_tcp, bind_unix, why

LISTEN, MANAGE, AGENT = "serve.listen", "serve.manage", "agent.listen"


def bind(settings: Settings) -> dict[str, Bound]:
    """The sockets of all listeners, by their settings. Raises SettingsError for every address that can't be had."""
    wanted = {LISTEN: settings.serve.listen, MANAGE: settings.serve.manage}
    wanted |= {AGENT: settings.agent.listen} if settings.agent.listen else {}
    return _bound(settings, wanted, {}, waits=False)


def bind_others(settings: Settings, now: Mapping[str, Bound], *, old: Settings) -> dict[str, Bound]:
    """The sockets for the decision and management listeners that *settings* want and *old* ones have otherwise.

    Where the address stays, it is that of *now*. Those of the decision listener wait. Raises SettingsError.
    """
    wanted: dict[str, str] = {}
    if crew_of(old) != crew_of(settings):
        wanted[LISTEN] = settings.serve.listen
    if old.serve.manage != settings.serve.manage:
        wanted[MANAGE] = settings.serve.manage
    beside = {LISTEN: now[LISTEN]} if old.serve.listen == settings.serve.listen else {}
    return _bound(settings, wanted, beside, waits=True)


def crew_of(settings: Settings) -> tuple[object, ...]:
    """What of *settings* makes workers what they are: with anything else here, there must be others."""
    serve = settings.serve
    # grpcio takes these when it starts
    fixed = (serve.max_header_bytes, serve.idle_timeout) if serve.protocol == "grpc" else ()
    return serve.listen, serve.workers, serve.protocol, bool(serve.upstream), fixed


def _bound(
    settings: Settings, wanted: Mapping[str, str], beside: Mapping[str, Bound], *, waits: bool
) -> dict[str, Bound]:
    bound: dict[str, Bound] = {}
    problems: list[Problem] = []
    serve = settings.serve
    for name, text in wanted.items():
        address = read_address(text)
        count = serve.workers if name == LISTEN else 1
        listens = name != LISTEN or serve.protocol != "grpc"
        try:
            if name in beside:
                bound[name] = beside[name].beside(count, listens=listens)
            elif address.unix:
                bound[name] = bind_unix(address.unix)
            else:
                later = waits and name == LISTEN
                bound[name] = bind_tcp(address.host, address.port, count, listens=listens, waits=later)
        except OSError as no:
            told = f'is "{text}", where we can\'t listen: {why(no)}'
            problems.append(Problem(name, told, settings.origin(name)))
    if problems:
        for one in bound.values():
            one.close()
        raise SettingsError(problems)
    return bound
