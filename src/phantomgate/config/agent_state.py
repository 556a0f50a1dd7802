"""From `[agent] state` to what the agent remembers by: the memory of its one process, or what several share.

Rule: made once for each process. What is shared is Unavailable when it can't be asked; nothing falls back on memory.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from phantomgate.agent.one_process import OneProcess
from phantomgate.agent.ports import SharedStore, Store
from phantomgate.agent.refresh import was_lost
from phantomgate.backends.remembered import Remembered
from phantomgate.config.agent_checks import shares_state
from phantomgate.config.family import BackEnds, Family
from phantomgate.config.settings import Settings
from phantomgate.config.tools import Part, anew
from phantomgate.core.errors import Problem, Refused
from phantomgate.core.ports import Clock, Once

if TYPE_CHECKING:
    from phantomgate.backends.aws_api import Place

MOST = 100_000
"""How many refreshes (for seconds) and used logins (for minutes) one process remembers; of more, the oldest go."""
MOST_ENDED = 1_000_000
"""How many ended sessions it remembers, for as long as a session may last: some 200 MB. More are refused."""
_DYNAMODB = "dynamodb:"


class State(NamedTuple):
    """What the agent remembers by; *trouble* says what is wrong with it, or nothing."""

    used: Store
    ended: Store
    answers: Store
    once: Once
    trouble: Callable[[], Coroutine[Any, Any, Refused | None]]


def state_problems(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """What the place of the state needs and is not there, but for the secrets of [redis]."""
    state = settings.agent.state
    if state.startswith(_DYNAMODB):
        try:
            _place(environ)
        except ValueError as no:
            return [Problem("agent.state", f"is in AWS, {no}", settings.origin("agent.state"))]
    return []


def state_of(
    settings: Settings, ends: BackEnds, family: Family, environ: Mapping[str, str], now: Clock, ticks: Clock,
    random: Callable[[int], bytes], part: Part = anew,
) -> State:  # fmt: skip
    """What [agent] state describes. What must be closed is added to *ends*, and a *part*, as in `Keeping`."""
    if not shares_state(settings):

        async def nothing() -> Refused | None:
            return None

        used, answers = (Remembered(most=MOST, forgets=True, ticks=ticks) for _ in range(2))
        return State(used, Remembered(most=MOST_ENDED, forgets=False, ticks=ticks), answers, ends.once, nothing)
    if settings.agent.state == "redis":
        store: SharedStore = part("state in redis", lambda: _in_redis(settings, ends, family, environ, random))
    else:
        store = _in_dynamodb(settings, ends, environ, now, random)

    async def trouble() -> Refused | None:
        try:
            await store.ask()
        except Refused as no:
            return no
        return None

    # A refresh asks for the token, and for the keys of its ID token by way of two forms of metadata
    seconds = 5 * settings.agent.timeout + 10
    once = OneProcess(ends.once, store, ends.pause, ticks, random, seconds, 2 * settings.agent.timeout, was_lost)
    return State(store, store, store, once, trouble)


def _in_redis(
    settings: Settings, ends: BackEnds, family: Family, environ: Mapping[str, str], random: Callable[[int], bytes]
) -> SharedStore:
    from phantomgate.backends import redis_client
    from phantomgate.backends.redis_state import STEP_SECONDS, RedisState
    from phantomgate.config.sharing import place_of, shared_secrets

    rule = settings.redis
    place = place_of(settings, shared_secrets(settings, environ)[0])
    if family == "nonblocking":
        act, close = redis_client.nonblocking(place, rule.connections)
    else:
        act, close = redis_client.blocking(place, rule.connections, STEP_SECONDS)
    store = RedisState(act, close, prefix=rule.prefix, random=random, whose=_whose(settings))
    ends.closing.append(store)
    return store


def _in_dynamodb(
    settings: Settings, ends: BackEnds, environ: Mapping[str, str], now: Clock, random: Callable[[int], bytes]
) -> SharedStore:
    from phantomgate.backends.dynamodb import DynamoDbState

    http = ends.http("dynamodb", "", None, settings.agent.max_connections)
    table = settings.agent.state.removeprefix(_DYNAMODB)
    return DynamoDbState(http, _place(environ), table, now=now, random=random, whose=_whose(settings))


def _whose(settings: Settings) -> bytes:
    """What tells this agent from another in the same store, whose provider may number users and logout tokens alike."""
    told = f"{settings.agent.issuer}\0{settings.agent.client_id}"
    return sha256(told.encode("utf-8")).digest()[:16]


def _place(environ: Mapping[str, str]) -> Place:
    from phantomgate.backends.aws_api import place_of

    return place_of("dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", environ.get("AWS_REGION", ""), environ, "1.0")
