"""What the processes of an OAuth agent remember together, in Redis or Valkey.

Rule: unlike the shared cache, nothing is a miss: what can't be asked or kept is Unavailable, and whoever needs to know
refuses. Every command does the same when it is sent twice, and is: an idle connection may be over when it is needed.

What an ACL user needs: +get +set +del +strlen +eval +ping on ~PREFIX:agent:*, and +info for `check` to see whether it
evicts. The server must keep what it was told: `maxmemory-policy noeviction`, and replicas or a file that outlive it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from phantomgate.core.errors import Unavailable

MOST_BYTES = 65536
"""A longer record isn't fetched: whoever may write into the store can't fill our memory."""
STEP_SECONDS = 1.0
"""How long one command may take."""
_GET = "if redis.call('STRLEN',KEYS[1])>tonumber(ARGV[1]) then return redis.error_reply('too long') end \
return redis.call('GET',KEYS[1])"
_CLAIM = "local had=redis.call('GET',KEYS[1]) if had and had~=ARGV[1] then return 0 end \
redis.call('SET',KEYS[1],ARGV[1],'PX',ARGV[2]) return 1"
_RELEASE = "if redis.call('GET',KEYS[1])==ARGV[1] then redis.call('DEL',KEYS[1]) end return 1"

Act: TypeAlias = Callable[[Sequence[Any], float], Awaitable[Any]]
"""Runs one command within so many seconds; raises whatever goes wrong."""


class RedisState:
    """An agent's `SharedStore`. *act* runs commands, and *end* ends its connections; names begin with *prefix*.

    A class only because these stay together. *random* makes the marks of `first`, and *whose* tells the agent's records
    from those of others under the prefix.
    """

    def __init__(
        self,
        act: Act,
        end: Callable[[], Awaitable[None]],
        *,
        prefix: str,
        random: Callable[[int], bytes],
        whose: bytes = b"",
    ) -> None:
        self._act, self._end, self._random = act, end, random
        self._record, self._claim = f"{prefix}:agent:v1:".encode() + whose, f"{prefix}:agent:ask:".encode() + whose

    async def get(self, key: bytes) -> bytes | None:
        """As `Store.get`."""
        found = await self._do("EVAL", _GET, 1, self._record + key, MOST_BYTES)
        if found is None or isinstance(found, bytes):
            return found
        raise _unusable(found)

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """As `Store.put`."""
        if seconds > 0:
            said = await self._do("SET", self._record + key, record, "PX", _milliseconds(seconds))
            if said is not True and said != b"OK":
                raise _unusable(said)

    async def first(self, key: bytes, seconds: float) -> bool:
        """As `Store.first`."""
        return await self._claimed(self._record + key, self._random(16), seconds)

    async def claim(self, key: bytes, mark: bytes, seconds: float) -> bool:
        """As `Claims.claim`."""
        return await self._claimed(self._claim + key, mark, seconds)

    async def release(self, key: bytes, mark: bytes) -> None:
        """As `Claims.release`."""
        await self._do("EVAL", _RELEASE, 1, self._claim + key, mark)

    async def ask(self) -> None:
        """As `SharedStore.ask`. Whether it evicts is known only where our ACL user may ask for that."""
        await self.get(bytes(32))
        try:
            said = await self._act(("INFO", "memory"), STEP_SECONDS)
        except Exception:  # noqa: BLE001 - as in `_do`
            return
        policy = _evicts(said)
        if policy:
            raise Unavailable(
                f"the agent's state in Redis: maxmemory-policy is {policy}, under which sessions that were ended could "
                "live on; want noeviction"
            )

    async def close(self) -> None:
        """End the connections."""
        await self._end()

    async def _claimed(self, name: bytes, mark: bytes, seconds: float) -> bool:
        said = await self._do("EVAL", _CLAIM, 1, name, mark, _milliseconds(seconds))
        if isinstance(said, int) and said in (0, 1):
            return said == 1
        raise _unusable(said)

    async def _do(self, *command: Any) -> Any:
        for last in (False, True):
            try:
                return await self._act(command, STEP_SECONDS)
            except Exception as no:  # noqa: BLE001 - whatever a broken store makes of its library, nothing is known
                if last:
                    raise Unavailable(f"the agent's state in Redis: {type(no).__name__}") from None
        raise AssertionError("unreachable")


def _evicts(said: object) -> str:
    """By which policy a server whose INFO is *said* evicts; empty where it doesn't, or doesn't tell."""
    if isinstance(said, bytes):
        said = dict(line.split(":", 1) for line in said.decode("ascii", "replace").splitlines() if ":" in line)
    policy = said.get("maxmemory_policy") if isinstance(said, dict) and str(said.get("maxmemory", "0")) != "0" else ""
    return str(policy)[:32] if policy and policy != "noeviction" else ""


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)


def _unusable(said: object) -> Unavailable:
    return Unavailable(f"the agent's state in Redis: an answer of type {type(said).__name__}")
