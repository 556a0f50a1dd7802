"""The settings of what several machines share.

Rule: as `settings`, which gives these on; whoever reads settings imports them from there.
"""

from __future__ import annotations

from dataclasses import dataclass

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, choice, number, setting, words
from phantomgate.config.vocabulary import FILE, NAME, NODES, SECRET

_USER = words("text", r"[!-~]+", "the name of an ACL user, without spaces")


@dataclass(frozen=True, slots=True)
class Redis:
    """A Redis or Valkey that all workers and machines share as the second level of the cache: what one was told about a
    token, the others needn't ask. Values are sealed with a key that only whoever holds the token can make. When it is
    down or slow, each asks for itself."""

    nodes: tuple[str, ...] = setting(NODES, [])
    """Where it is: `["10.0.0.7:6379"]` or `["unix:/run/redis.sock"]`; the sentinels, or some nodes of the cluster.
    Empty: nothing is shared."""
    mode: str = setting(choice("single", "sentinel", "cluster"), "single")
    """What `nodes` are: one server, the sentinels that know which server it is, or nodes of a cluster."""
    master: str = setting(NAME, "")
    """What the sentinels call the server. Required with `mode = "sentinel"`."""
    secret: str = setting(SECRET, "")
    """What values are sealed and named with, `"env:NAME"` or `"file:PATH"`, of 32 characters or more, the same on every
    machine; another one finds nothing of what there is. Required with `nodes`."""
    username: str = setting(_USER, "")
    """Our ACL user. Empty: the default user."""
    password: str = setting(SECRET, "")
    """Where its password is kept, `"env:NAME"` or `"file:PATH"`. Empty: none is asked for."""
    sentinel_password: str = setting(SECRET, "")
    """Where the password of the sentinels is kept. Empty: none is asked for."""
    database: int = setting(number(0, 1023), 0)
    """Which database, where there is one server or sentinels; a cluster has one only."""
    prefix: str = setting(NAME, "phantomgate")
    """What every name in it begins with."""
    tls: bool = setting(SWITCH, False)
    """Speak TLS, with the name in `nodes` verified."""
    ca_file: str = setting(FILE, "")
    """Certificates (PEM) that vouch for it instead of the system's."""
    timeout: float = setting(duration("1ms", "1s"), "50ms")
    """How long a look-up may take before we ask the authorization server instead."""
    connections: int = setting(number(1, 1024), 32)
    """How many look-ups of one worker may be under way; the others do without."""
