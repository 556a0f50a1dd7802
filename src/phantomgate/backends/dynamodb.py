"""What the processes of an OAuth agent remember together, in a DynamoDB table, by its JSON API and an `Http`.

Rule: nothing is a miss: what can't be asked or kept is Unavailable. Reads are consistent, writes that may be made once
are conditional, and every call does the same when it is sent twice, and is, where the trouble may be over. A record's
own time decides: DynamoDB takes away what is over (attribute `ttl`) days later. The table's key is `key`, binary.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from phantomgate.backends.aws_api import Place, api_call, error_of
from phantomgate.core.errors import Unavailable
from phantomgate.core.ports import Clock, Http, HttpReply

_VERSION = "DynamoDB_20120810"
_PASSING = ("ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded")
_TAKEN = "ConditionalCheckFailedException"
_FREE = "attribute_not_exists(#key) OR #until <= :now OR #record = :record"
_NAMES = {"#key": "key", "#until": "until", "#record": "record"}
_TIMEOUT = 2.0


class DynamoDbState:
    """An agent's `SharedStore` in *table* at *place*. *now* is Unix time, *random* makes the marks of `first`.

    A class only because these stay together. *whose* tells the agent's records from those of others in the table.
    """

    def __init__(
        self, http: Http, place: Place, table: str, *, now: Clock, random: Callable[[int], bytes], whose: bytes = b""
    ) -> None:
        self._http, self._place, self._table = http, place, table
        self._now, self._random = now, random
        self._record, self._claim = b"v" + whose, b"c" + whose

    async def get(self, key: bytes) -> bytes | None:
        """As `Store.get`."""
        _, said = await self._ask("GetItem", {"Key": {"key": _binary(self._record + key)}, "ConsistentRead": True})
        item = said.get("Item")
        if item is None:
            return None
        try:
            until, record = float(item["until"]["N"]), b64decode(item["record"]["B"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise Unavailable(f"{self._where}: an item without its time or record") from None
        return record if self._now() < until else None

    async def put(self, key: bytes, record: bytes, seconds: float) -> None:
        """As `Store.put`."""
        if seconds > 0:
            await self._ask("PutItem", {"Item": self._item(self._record + key, record, seconds)})

    async def first(self, key: bytes, seconds: float) -> bool:
        """As `Store.first`."""
        return await self._put_where_free(self._record + key, self._random(16), seconds)

    async def claim(self, key: bytes, mark: bytes, seconds: float) -> bool:
        """As `Claims.claim`."""
        return await self._put_where_free(self._claim + key, mark, seconds)

    async def release(self, key: bytes, mark: bytes) -> None:
        """As `Claims.release`."""
        condition = {
            "ConditionExpression": "#record = :record",
            "ExpressionAttributeNames": {"#record": "record"},
            "ExpressionAttributeValues": {":record": _binary(mark)},
        }
        await self._ask("DeleteItem", {"Key": {"key": _binary(self._claim + key)}, **condition})

    async def ask(self) -> None:
        """As `SharedStore.ask`."""
        await self.get(bytes(32))

    async def _put_where_free(self, key: bytes, record: bytes, seconds: float) -> bool:
        condition = {
            "ConditionExpression": _FREE,
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": {":now": {"N": repr(self._now())}, ":record": _binary(record)},
        }
        done, _ = await self._ask("PutItem", {"Item": self._item(key, record, seconds), **condition})
        return done

    def _item(self, key: bytes, record: bytes, seconds: float) -> Mapping[str, Any]:
        until = self._now() + seconds
        times = {"until": {"N": f"{until:.3f}"}, "ttl": {"N": str(math.ceil(until))}}
        return {"key": _binary(key), "record": _binary(record), **times}

    @property
    def _where(self) -> str:
        return f"the agent's state in DynamoDB ({self._table})"

    async def _ask(self, action: str, asked: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
        """What DynamoDB says, and whether the condition was met. Raises Unavailable."""
        try:
            reply = await self._send(action, asked)
            again = reply.status >= 500 or error_of(_read(reply)) in _PASSING
        except Unavailable:  # whether it was done isn't known; then it is done by the same mark
            again = True
        if again:
            reply = await self._send(action, asked)
        said = _read(reply)
        if not isinstance(said, dict):
            raise Unavailable(f"{self._where}: an answer that is no object ({reply.status})")
        if reply.status == 200:
            return True, said
        error = error_of(said)
        if reply.status == 400 and error == _TAKEN:
            return False, said
        raise Unavailable(f"{self._where}: {reply.status} {error}".rstrip())

    async def _send(self, action: str, asked: Mapping[str, Any]) -> HttpReply:
        said = {"TableName": self._table, **asked}
        return await self._http.send(api_call(self._place, f"{_VERSION}.{action}", said, self._now(), timeout=_TIMEOUT))


def _read(reply: HttpReply) -> Any:
    """The JSON of *reply*; None for anything else."""
    try:
        return json.loads(reply.body)
    except ValueError:
        return None


def _binary(data: bytes) -> Mapping[str, str]:
    return {"B": b64encode(data).decode("ascii")}
