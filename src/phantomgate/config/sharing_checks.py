"""What the settings of a shared store say together.

Rule: as `checks`, and as `advice` for what works and is less safe than it could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from phantomgate.config.network import read_address
from phantomgate.config.settings import Redis, Settings


def _nodes_are_there(settings: Settings) -> str:
    if settings.redis.nodes or settings.redis == Redis():
        return ""
    return 'is missing, so nothing would be shared; write nodes = ["10.0.0.7:6379"] under [redis], or leave [redis] out'


def _nodes_fit_the_mode(settings: Settings) -> str:
    mode, nodes = settings.redis.mode, settings.redis.nodes
    if mode == "single" and len(nodes) > 1:
        return f'are {len(nodes)} with mode = "single"; keep one, or write mode = "sentinel" or "cluster"'
    if mode != "single" and any(node.startswith("unix:") for node in nodes):
        return f'holds a unix socket, where mode = "{mode}" has addresses; write "HOST:PORT"'
    return ""


def _secret_is_there(settings: Settings) -> str:
    if settings.redis.secret or not settings.redis.nodes:
        return ""
    return 'is missing; write secret = "env:SHARED_SECRET" under [redis], the same on every machine (phantomgate \
keygen makes one)'


def _master_is_named(settings: Settings) -> str:
    redis = settings.redis
    if (redis.mode == "sentinel") == bool(redis.master) or not redis.nodes:
        return ""
    return (
        'has a meaning with mode = "sentinel" only; leave it out'
        if redis.master
        else 'is missing; write what the \
sentinels call the server, such as master = "mymaster"'
    )


def _cluster_has_one_database(settings: Settings) -> str:
    if settings.redis.mode != "cluster" or not settings.redis.database:
        return ""
    return f"is {settings.redis.database}, and a cluster has no other database than 0; leave it out"


def _authority_needs_tls(settings: Settings) -> str:
    if settings.redis.tls or not settings.redis.ca_file:
        return ""
    return "has no effect without tls = true; write that, or leave it out"


SHARING_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Settings], str]], ...] = (
    ("redis.nodes", ("redis",), _nodes_are_there),
    ("redis.nodes", ("redis.mode",), _nodes_fit_the_mode),
    ("redis.secret", ("redis.nodes",), _secret_is_there),
    ("redis.master", ("redis.nodes", "redis.mode"), _master_is_named),
    ("redis.database", ("redis.mode",), _cluster_has_one_database),
    ("redis.ca_file", ("redis.tls",), _authority_needs_tls),
)


def sharing_warnings(settings: Settings) -> Iterator[tuple[str, str]]:
    """(setting, what will happen and what to write instead)."""
    redis = settings.redis
    unasked = [place for place, one in enumerate(settings.issuers, 1) if one.mode != "introspect"]
    if redis.nodes and settings.revokes and unasked and settings.revocation.unheard == "serve":
        yield (
            "revocation.unheard",
            (
                f'is "serve": a machine that starts while the store of [redis] is away lets in JWTs of '
                f"issuers[{unasked[0]}] that were purged, until it hears of that; where nobody may be let in then, "
                'write unheard = "refuse"'
            ),
        )
    far = [node for node in redis.nodes if not read_address(node).local]
    if far and not redis.tls:
        yield (
            "redis.tls",
            (
                f'is false and "{far[0]}" is another machine: what is shared is sealed, but its password crosses the '
                "network in the clear; write tls = true"
            ),
        )
