"""The settings of what several machines share.

Rule: as `settings`, which gives these on; whoever reads settings imports them from there.
"""

from __future__ import annotations

from phantomgate.config.durations import duration
from phantomgate.config.kinds import SWITCH, choice, number, setting, words
from phantomgate.config.network import ADDRESS
from phantomgate.config.vocabulary import ALGORITHMS_USED, FILE, NAME, NODES, SECRET, SECRETS, TEXTS
from phantomgate.core.nouns import dataclass

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
    other_secrets: tuple[str, ...] = setting(SECRETS, [])
    """Other secrets by which purges of other machines are believed, while `secret` is being changed: the new one before
    any machine uses it, and the old one for `revocation.keep` after the last one did."""
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


@dataclass(frozen=True, slots=True)
class Revocation:
    """Where we are told that tokens are over, so that no memory of ours outlives them: `/purge` (a signed call),
    `/logout` (OpenID Connect back-channel logout) and `/events` (Security Event Tokens). Every worker here knows before
    the answer, and with `[redis]` every other machine within a second."""

    secret: str = setting(SECRET, "")
    """What purge calls are signed with, `"env:NAME"` or `"file:PATH"`, of 32 characters or more. Empty: there
    are none."""
    audiences: tuple[str, ...] = setting(TEXTS, [])
    """Who we are in logout tokens and events (`aud`): our `client_id` there. Empty: there are none. They are believed
    when they are signed by the issuer of `[introspection]` or by one of `[[issuers]]`."""
    algorithms: tuple[str, ...] = setting(ALGORITHMS_USED, ["RS256", "ES256", "EdDSA"])
    """What they are signed by, where the issuer has no `algorithms` of its own."""
    listen: str = setting(ADDRESS, "127.0.0.1:9093")
    """Where it listens, in the supervisor. It speaks plain HTTP: where who calls is not on this machine, put TLS in
    front."""
    keep: float = setting(duration("1s", "24h"), "10m")
    """How long what was purged is remembered, at least; as long as `cache.max_age` in any case. Where JWTs are verified
    here, nobody is asked again: write how long your access tokens last."""
    unheard: str = setting(choice("serve", "refuse"), "serve")
    """What a machine does that has just started, and can't be told by `[redis]` what was purged before: `"serve"` lets
    tokens in without knowing, `"refuse"` nobody (503, and `/readyz` says so), until it knows."""
