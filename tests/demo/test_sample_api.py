"""The API behind the gateway: a good JWT is let in and shown, everything else is not."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from joserfc import jwt

from demo.conftest import CLIENTS, ask
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.sample_api import SampleApi
from phantomgate.demo.serving import in_thread
from phantomgate.demo.tokens import make_key, verify


@asynccontextmanager
async def both():
    """A development server and the API that trusts it."""
    server = DevelopmentServer(CLIENTS)
    async with server.serving() as issuer:
        api = SampleApi(issuer, issuer + "/jwks", prefix="/api", tick_seconds=0.001)
        async with api.serving() as url:
            yield server, url + "/api"


@pytest.fixture
def running():
    with in_thread(both) as value:
        yield value


def bearer(server, scope="read", **how):
    return "Bearer " + server.jwt(server.issue("service", scope, **how))


def test_a_good_jwt_is_let_in_and_the_answer_shows_what_arrived(running):
    server, api = running
    jwt = bearer(server, subject="ann")
    answer = ask(api + "/orders?page=1", Authorization=jwt, X_User="ann", Cookie="a=secret-cookie")
    assert answer.status == 200
    assert len(answer.json["orders"]) == 3
    received = answer.json["received"]
    assert (received["method"], received["path"], received["body_bytes"]) == ("GET", "/api/orders?page=1", 0)
    assert received["jwt"]["claims"]["sub"] == "ann"
    assert ["X-User", "ann"] in received["headers"]
    assert jwt not in answer.body.decode()
    assert "secret-cookie" not in answer.body.decode()


def test_what_somebody_orders_is_on_that_persons_list_and_on_no_other(running):
    server, api = running
    ann, bob = (bearer(server, "read orders:write", subject=who) for who in ("ann", "bob"))
    for body in (b'{"item": " A creaking door "}', b"no json", b"[]", b'{"item": ""}', b'{"item": "%s"}' % (b"x" * 99)):
        assert ask(api + "/orders", body=body, Authorization=ann).json["accepted"]
    items = [order["item"] for order in ask(api + "/orders", Authorization=ann).json["orders"]]
    assert items[3:] == ["A creaking door", *["Something"] * 3, "x" * 60]
    assert len(ask(api + "/orders", Authorization=bob).json["orders"]) == 3


def test_each_route_wants_its_scope(running):
    server, api = running
    assert ask(api + "/orders", body=b"{}", Authorization=bearer(server, "orders:write")).status == 201
    assert ask(api + "/me", Authorization=bearer(server, "", subject="ann")).json["you"] == "ann"
    for path, body, scope in (("/orders", b"{}", "read"), ("/orders", None, "orders:write"), ("/ticker", None, "")):
        answer = ask(api + path, body=body, Authorization=bearer(server, scope))
        assert (answer.status, answer.json["error"]) == (403, "insufficient_scope"), path


def test_without_one_good_bearer_nobody_gets_in(running):
    server, api = running
    opaque = server.issue("service", "read")
    good = server.jwt(opaque)
    for value in (f"Bearer {opaque}", f"Basic {good}", "Bearer ", "Bearer a.b.c", f"Bearer {good}x", good):
        answer = ask(api + "/orders", Authorization=value)
        assert (answer.status, answer.json["error"]) == (401, "invalid_token"), value
    assert ask(api + "/orders").status == 401


KEY = make_key()
GOOD = {"iss": "https://as.example", "aud": "sample-api", "exp": 101, "sub": "ann"}


def check(claims, key=KEY, now=100):
    return verify(key.sign(claims), KEY.public(), issuer="https://as.example", audience="sample-api", now=now)


def test_a_jwt_for_us_from_our_issuer_and_in_time_is_good():
    assert check(GOOD).claims["sub"] == "ann"
    assert check({**GOOD, "aud": ["other", "sample-api"], "scope": "read write"}).scopes == {"read", "write"}


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({**GOOD, "iss": "https://as.example/"}, "iss is"),
        ({**GOOD, "aud": "sample-api-2"}, "aud is"),
        ({**GOOD, "aud": ["other"]}, "aud is"),
        ({**GOOD, "exp": 100}, "exp is"),
        ({**GOOD, "exp": True}, "exp is"),
        ({**GOOD, "exp": "101"}, "exp is"),
        ({name: GOOD[name] for name in ("iss", "aud")}, "exp is"),
    ],
)
def test_a_jwt_with_a_wrong_claim_is_told_which(claims, complaint):
    with pytest.raises(ValueError, match=complaint):
        check(claims)


def test_an_expiry_that_is_not_a_number_is_none_at_any_time():
    for exp in (True, None, [101], "101"):
        with pytest.raises(ValueError, match="exp is"):
            check({**GOOD, "exp": exp}, now=0)


def test_a_jwt_of_another_key_or_another_type_is_refused():
    with pytest.raises(ValueError, match="not a JWT signed by"):
        check(GOOD, key=make_key())
    id_token = jwt.encode({"alg": "ES256", "typ": "JWT", "kid": KEY.key.kid}, GOOD, KEY.key, algorithms=["ES256"])
    with pytest.raises(ValueError, match="typ is 'JWT'"):
        verify(id_token, KEY.public(), issuer="https://as.example", audience="sample-api", now=100)


def test_without_the_issuers_keys_nobody_is_let_in_and_nobody_is_blamed():
    async def story():
        api = SampleApi("http://127.0.0.1:9", "http://127.0.0.1:9/jwks", now=time.time)
        good_enough = {"Authorization": "Bearer a.b.c"}
        async with api.serving() as url, ClientSession() as http, http.get(url + "/me", headers=good_enough) as answer:
            return answer.status, (await answer.json())["error"], api.requests

    assert asyncio.run(story()) == (503, "temporarily_unavailable", 0)


def test_the_ticker_ticks_and_listens_for_whoever_may_read():
    async def story():
        async with both() as (server, api), ClientSession() as http:
            with pytest.raises(WSServerHandshakeError, match="401"):
                await http.ws_connect(api + "/ticker")
            async with http.ws_connect(api + "/ticker", headers={"Authorization": bearer(server)}) as socket:
                first = await socket.receive_json()
                await socket.send_str("boo")
                while (tick := await socket.receive_json())["heard"] != "boo":
                    pass
                return first, json.dumps(tick)

    first, last = asyncio.run(story())
    assert (first["tick"], first["you"]) == (1, "service")
    assert '"heard": "boo"' in last
