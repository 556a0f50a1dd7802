"""A real gateway against a faulty server, or with a fault of its own in any slot; run as a script, also under `-O`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from faults import FAULTS, PATIENT, FaultyServer, HurriedOnce, closed_port, good, with_fields
from http_clients import family
from phantomgate.backends import blocking
from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.nonblocking import SingleFlight
from phantomgate.core.model import Allow, Headers, Request, Route
from phantomgate.core.ports import Http
from phantomgate.gateway.find import find_bearer
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.gateway import Gateway
from phantomgate.gateway.judge import not_expired, scopes
from phantomgate.gateway.rule import policy_only
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.resolvers.cached import Cached
from phantomgate.resolvers.introspect import Introspect
from phantomgate.testing import FakeClock, FakeHttp, reply
from tokens import jwt

TOKEN = "opaque-token"
SECRET = "client-secret"
ACTIVE = with_fields(b"Content-Length: %d" % len(jwt()), body=jwt().encode())
"""What a good authorization server answers."""


def request() -> Request:
    return Request("GET", "/orders", Headers.of([("Authorization", f"Bearer {TOKEN}")]))


def gateway(http: Http, once: Any, *, url: str = "https://as.example/introspect", timeout: float = 5.0) -> Gateway:
    """All the parts that a server wires, around *http*."""
    clock = FakeClock()
    client = client_secret_basic("gateway", SECRET)
    inner = Introspect(http, url, client, now=clock.now, ticks=clock.ticks, timeout=timeout)
    cache = MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks)
    cached = Cached(inner, cache, once, secret=b"s" * 32, context=(url,), now=clock.now, ticks=clock.ticks)
    return Gateway(
        match=policy_only(Route("policy", scopes=frozenset({"read"}))),
        find=find_bearer(),
        resolver=cached,
        policies=(not_expired(clock.now), scopes()),
        forward=forward_jwt({"X-User": "sub"}),
        observe=lambda request, decision: None,
        new_id=lambda: "id-1",
    )


@contextmanager
def asking(name: str, url: str, timeout: float) -> Iterator[Any]:
    """Decides the request with the back ends of the family called *name*, again and again, on one gateway.

    *timeout* is that of the first call.
    """
    with family(name) as (drive, make):
        once = blocking.SingleFlight() if name == "blocking" else SingleFlight()
        made = gateway(HurriedOnce(make(), timeout), once, url=url, timeout=PATIENT)
        yield lambda: drive(made.decide(request()))


@contextmanager
def faulty(name: str) -> Iterator[tuple[FaultyServer, str, float]]:
    """The server of the fault called *name*, which is a good one from its second connection on; its URL; a timeout."""
    fault = FAULTS[name]
    then_good = lambda peer: peer.serve(ACTIVE)  # noqa: E731 - a behaviour, as the server wants it
    with FaultyServer(fault.behave or good, then_good) as server:
        url = server.url if fault.behave else f"http://127.0.0.1:{closed_port()}/"
        yield server, url, fault.seconds


SLOTS = ("match", "find", "resolver", "first policy", "last policy", "forward", "observe", "new_id",
         "once", "cache get", "cache put", "http")  # fmt: skip


def broken(slot: str, error: BaseException, once: Any) -> Gateway:
    """A gateway that would allow the request, were it not for *error* in *slot*."""

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    async def fails_later(*_: Any, **__: Any) -> Any:
        raise error

    http = FakeHttp(reply(200, jwt(), content_type="application/jwt"))
    made = gateway(http, once)
    cached: Any = made.resolver
    if slot in ("match", "find", "observe"):
        return replace(made, **{slot: fails})
    if slot == "new_id":  # asked for only when there is a refusal to name
        return replace(made, new_id=fails, policies=(*made.policies, lambda *_: 1 / 0))
    if slot == "first policy":
        return replace(made, policies=(fails, *made.policies))
    if slot == "last policy":
        return replace(made, policies=(*made.policies, fails))
    if slot == "forward":
        return replace(made, forward=fails_later)
    if slot == "resolver":
        return replace(made, resolver=_With(resolve=fails_later))
    if slot == "once":
        cached.once = fails_later
    elif slot == "http":
        cached.inner.http = _With(send=fails_later)
    else:
        name = slot.removeprefix("cache ")
        cached.cache = _With(**{"get": cached.cache.get, "put": cached.cache.put, name: fails_later})
    return made


class _With:
    """Anything with these methods."""

    def __init__(self, **methods: Any):
        self.__dict__.update(methods)


def verdicts() -> dict[str, str]:
    """What comes of a few faults and of a bug in each slot: in words that JSON can carry."""
    found = {"optimised": str(not __debug__)}
    few = ("nobody listens", "closes in the body", "drips the header section", "garbage", "two lengths", "a gzip body")
    for name in few:
        for which in ("blocking", "uvloop"):
            with faulty(name) as (_, url, timeout), asking(which, url, timeout) as ask:
                found[f"{name}, {which}"] = f"{_shown(ask())}, {_shown(ask())}"
    for slot in SLOTS:
        found[f"{slot}, blocking"] = _shown_of(
            blocking.finish, broken(slot, ValueError(SECRET), blocking.SingleFlight())
        )
        found[f"{slot}, loop"] = _shown_of(asyncio.run, broken(slot, ValueError(SECRET), SingleFlight()))
    return found


def _shown_of(drive: Any, made: Gateway) -> str:
    try:
        return _shown(drive(made.decide(request())))
    except Exception as error:  # noqa: BLE001 - which one is what we want to know
        return type(error).__name__


def _shown(decision: Any) -> str:
    return "allowed" if isinstance(decision, Allow) else str(decision.reason.status)


if __name__ == "__main__":
    json.dump(verdicts(), sys.stdout)
