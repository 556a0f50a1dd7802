"""Whatever a token endpoint does to us, by either family: a refusal of the right status, and nothing goes upstream."""

from __future__ import annotations

import json

import pytest

from faults import FAULTS, PATIENT, FaultyServer, HurriedOnce, closed_port, good, with_fields
from http_clients import family
from phantomgate.backends import blocking
from phantomgate.backends.memory import MemoryCache
from phantomgate.backends.nonblocking import SingleFlight
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Route, Token
from phantomgate.gateway.forward import forward_jwt
from phantomgate.gateway.upstream_jwt import forward_made
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.token_exchange import TYPES, ExchangeRules
from phantomgate.resolvers.cached import Counts
from phantomgate.resolvers.exchange import Exchange
from tokens import NOW, jwt

BODY = json.dumps({"access_token": jwt(), "issued_token_type": TYPES["access_token"], "token_type": "Bearer"}).encode()
EXCHANGED = with_fields(b"Content-Length: %d" % len(BODY), body=BODY).replace(b"application/jwt", b"application/json")
SOURCE = Token("", {"sub": "ann"}, frozenset(), NOW + 3600.0, 1e9, presented="canary-token")


@pytest.fixture(params=["blocking", "uvloop"])
def exchanging(request, clock):
    """What forwards an exchanged token, by the real back ends of one family; and what drives it."""
    with family(request.param) as (drive, make):
        once = blocking.SingleFlight() if request.param == "blocking" else SingleFlight()

        def forward(url, timeout):
            exchange = Exchange(
                HurriedOnce(make(), timeout),
                url,
                client_secret_basic("gateway", "canary-secret"),
                ExchangeRules("orders"),
                MemoryCache(max_entries=100, max_bytes=1 << 20, ticks=clock.ticks),
                once,
                secret=b"s" * 32,
                context=(url,),
                counts=Counts(),
                now=clock.now,
                ticks=clock.ticks,
                timeout=PATIENT,
            )
            made = forward_made(exchange, forward_jwt({}), now=clock.now)
            return lambda: drive(made(Route("r"), SOURCE))

        yield forward


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_token_endpoint_is_a_refusal_and_not_remembered(exchanging, name):
    fault = FAULTS[name]
    with FaultyServer(fault.behave or good, lambda peer: peer.serve(EXCHANGED)) as server:
        url = server.url if fault.behave else f"http://127.0.0.1:{closed_port()}/"
        forward = exchanging(url, fault.seconds)
        with pytest.raises(Refused) as no:
            forward()

        assert no.value.reason is fault.reason
        assert no.value.reason in (Reason.UNAVAILABLE, Reason.BAD_ANSWER)
        assert "canary" not in f"{no.value!r} {no.value.detail} {no.value.__cause__!r}"
        if fault.behave:
            assert forward().jwt == jwt(), "the refusal was remembered"
