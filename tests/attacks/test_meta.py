"""META: what issuers publish is data of somebody who may be lying, asked for at addresses that only settings choose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler

import pytest

from attacks.cases import attack
from in_a_thread import HttpServer, in_a_thread
from issuing import ISS, jwk, key_reply, metadata, signed
from phantomgate.backends.blocking import finish
from phantomgate.config.settings import Introspection, IssuerRule, Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Reason, Unavailable
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.testing import FakeHttp, reply
from tokens import NOW, jwt, segment

MAIN = IssuerRule(name="main", issuer=ISS, audiences=("api",), algorithms=("ES256",))
CLIENT = Introspection(client_id="gateway", client_secret="env:SECRET")
OAUTH, OPENID = "oauth-authorization-server", "openid-configuration"


def gate(clock, http, *issuers: IssuerRule, introspection: Introspection | None = None) -> Wired:
    return wire(
        Settings(issuers=issuers, introspection=introspection or Introspection()),
        environ={"SECRET": "canary-51b2"},
        write=lambda line: None,
        now=clock.now,
        ticks=clock.ticks,
        http=http,
    )


def ask(wired: Wired, token: str) -> Allow | Refuse:
    return finish(wired.gateway.decide(Request("GET", "/", Headers.of([("Authorization", f"Bearer {token}")]))))


def status(decision: Allow | Refuse) -> int:
    return decision.reason.status if isinstance(decision, Refuse) else 200


def places(**there: HttpReply) -> FakeHttp:
    """Answers by what the address holds; 404 for all others."""

    def answer(call: HttpCall) -> HttpReply:
        return next((said for part, said in there.items() if part.replace("_", "-") in call.url), reply(404))

    return FakeHttp(answer)


@attack("META-002")
@pytest.mark.parametrize(
    ("discovery", "asked"),
    [
        (("oauth", "openid"), [f"{ISS}/.well-known/{OAUTH}/t1", f"{ISS}/t1/.well-known/{OPENID}"]),
        (("openid", "oauth"), [f"{ISS}/t1/.well-known/{OPENID}", f"{ISS}/.well-known/{OAUTH}/t1"]),
        (("openid",), [f"{ISS}/t1/.well-known/{OPENID}"]),
    ],
)
def test_both_places_of_an_issuer_with_a_path_are_asked_in_the_order_of_the_settings(case, clock, discovery, asked):
    http = places()
    wired = gate(clock, http, replace(MAIN, issuer=f"{ISS}/t1", discovery=discovery))
    assert 502 == status(ask(wired, signed(iss=f"{ISS}/t1")))
    assert asked == [call.url for call in http.calls]


@attack("META-003")
@pytest.mark.parametrize("name", ["introspection_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "endpoint",
    [
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "https://evil.example/introspect",
        "http://as.example/introspect",
        "https://as.example:8443/introspect",
        "https://as.example@evil.example/",
        "https://as.example.evil.example/",
    ],
)
def test_our_secret_is_sent_to_the_issuer_s_own_origin_only(case, clock, name, endpoint):
    http = places(oauth_authorization=metadata(**{name: endpoint}))
    one = replace(MAIN, mode="both", introspection=CLIENT)
    assert 502 == status(ask(gate(clock, http, one), signed()))
    alone = gate(clock, http, introspection=replace(CLIENT, issuer=ISS))
    assert 502 == status(ask(alone, "opaque"))
    assert {f"{ISS}/.well-known/{OAUTH}"} == {call.url for call in http.calls}


@attack("META-003")
def test_another_origin_that_the_settings_name_is_used(case, clock):
    said = metadata(jwks_uri="https://keys.example/jwks")
    http = FakeHttp(lambda call: key_reply("k1") if call.url == "https://keys.example/jwks" else said)
    assert 200 == status(ask(gate(clock, http, replace(MAIN, endpoint_origins=("https://keys.example",))), signed()))


@attack("META-004")
@pytest.mark.parametrize(
    "iss",
    [
        "https://evil/",
        "https://as.example@evil/",
        "https://as.example.evil",
        "https://as.example/",
        "https://as.example/../evil",
        "HTTPS://as.example",
        "https://as.example\u0000",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
        None,
        [ISS],
        {"iss": ISS},
    ],
)
def test_an_iss_that_is_not_exactly_ours_is_refused_before_any_call(case, clock, iss):
    http = FakeHttp(metadata())
    wired = gate(clock, http, MAIN, replace(MAIN, name="b", issuer="https://b.example", mode="verify"))
    decision = ask(wired, signed(iss=iss))
    assert (401, "invalid_token") == (status(decision), decision.reason.error)
    assert [] == http.calls


def forged_keys(**members: object) -> bytes:
    return json.dumps({"keys": [{**jwk("k1"), **members}]}).encode()


MANY = json.dumps({"keys": [{"kty": "EC"}] * 100_000}).encode()


@attack("META-006")
@pytest.mark.parametrize(
    "body",
    [
        MANY,
        json.dumps({"keys": [{**jwk("k1"), "kid": f"{n}"} for n in range(101)]}).encode(),
        b'{"keys": {"kty": "EC"}}',
        b'{"keys": "x"}',
        b'{"keys": [1]}',
        b"[]",
        forged_keys(d="canary"),
        forged_keys(p="canary"),
        forged_keys(q="canary"),
        b'{"keys": [' + b"[" * 1000 + b"]" * 1000 + b"]}",
    ],
    ids=["100 000 keys", "101 keys", "a table", "text", "a number", "a list", "d", "p", "q", "depth"],
)
def test_a_key_set_that_is_none_or_gives_secrets_away_is_a_bad_answer(case, clock, body):
    http = FakeHttp(reply(200, body))
    decision = ask(gate(clock, http, replace(MAIN, keys=f"{ISS}/keys")), signed())
    assert 502 == status(decision)
    assert "canary" not in decision.detail
    assert 262_144 == http.calls[0].max_bytes


@attack("META-006")
def test_keys_of_unknown_kinds_are_passed_over_and_the_others_used(case, clock):
    body = json.dumps({"keys": [{"kty": "XYZ", "kid": "k1"}, {"kty": "oct", "k": "AA", "kid": "k1"}, jwk("k1")]})
    assert 200 == status(ask(gate(clock, FakeHttp(reply(200, body)), replace(MAIN, keys=f"{ISS}/keys")), signed()))


@contextmanager
def ten_megabytes() -> Iterator[tuple[str, list[int]]]:
    """A server of a key set of 10 MB, and how much of it each client took before it hung up."""
    taken: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            taken.append(0)
            try:
                for _ in range(160):
                    self.wfile.write(b" " * 65536)
                    taken[-1] += 65536
            except OSError:
                pass

        def log_message(self, *args):
            """Quiet."""

    with in_a_thread(HttpServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}/keys", taken


@attack("META-006")
def test_ten_megabytes_of_keys_are_not_read(case, clock):
    with ten_megabytes() as (url, taken):
        wired = gate(clock, None, replace(MAIN, keys=url))
        assert 502 == status(ask(wired, signed()))
        finish(wired.close())
    assert 1 == len(taken)


@attack("META-007")
def test_during_an_outage_good_keys_go_on_for_an_hour_and_nothing_unverifiable_is_ever_let_in(case, clock):
    http = FakeHttp([key_reply("k1", max_age=300), reply(500)])
    wired = gate(clock, http, replace(MAIN, keys=f"{ISS}/keys"))
    good = signed(exp=NOW + 86_400)
    rotated, forged = signed("k2", exp=NOW + 86_400), f"{good.rsplit('.', 1)[0]}.{segment(b'0' * 64)}"
    assert 200 == status(ask(wired, good))
    for _ in range((300 + 3600) // 150):
        assert [200, 503, 401] == [status(ask(wired, token)) for token in (good, rotated, forged)]
        clock.advance(150)
    assert [503, 503, 503] == [status(ask(wired, token)) for token in (good, rotated, forged)]


@attack("META-007")
def test_after_an_outage_the_new_keys_replace_the_old(case, clock):
    http = FakeHttp([key_reply("k1"), Unavailable("down"), key_reply("k2")])
    wired = gate(clock, http, replace(MAIN, keys=f"{ISS}/keys"))
    assert 200 == status(ask(wired, signed("k1")))
    clock.advance(300)
    assert 200 == status(ask(wired, signed("k1", jti="2")))
    clock.advance(30)
    assert 200 == status(ask(wired, signed("k2")))
    assert ask(wired, signed("k1", jti="3")).reason is Reason.INVALID_TOKEN


@attack("JWT-017")
def test_random_key_names_cost_the_issuer_two_calls_a_minute_at_most(case, clock):
    http = FakeHttp(key_reply("k1", max_age=3600))
    wired = gate(clock, http, replace(MAIN, keys=f"{ISS}/keys"))
    good = signed(exp=NOW + 86_400)
    assert 200 == status(ask(wired, good))
    rest = good.split(".", 1)[1]
    for n in range(2000):
        clock.advance(0.06)  # two minutes in all
        head = segment({"alg": "ES256", "typ": "at+jwt", "kid": f"random-{n}"})
        assert 401 == status(ask(wired, f"{head}.{rest}"))
    assert len(http.calls) <= 1 + 2 * 2
    assert 200 == status(ask(wired, good))


def test_an_opaque_token_is_asked_about_where_discovery_says(clock):
    http = places(oauth_authorization=metadata(), introspect=reply(200, jwt(), content_type="application/jwt"))
    assert 200 == status(ask(gate(clock, http, introspection=replace(CLIENT, issuer=ISS)), "opaque"))
