"""Where keys come from, and what each way of not getting them is called."""

from __future__ import annotations

import pytest

from issuing import ISS, jwk, key_reply, key_set, metadata
from phantomgate.backends.blocking import finish
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.oauth.key_set import MAX_BYTES
from phantomgate.resolvers.held import Held
from phantomgate.resolvers.keys import endpoint_in, keys_at, keys_in, metadata_of
from phantomgate.testing import FakeHttp, each_by_itself, reply

OAUTH = f"{ISS}/.well-known/oauth-authorization-server"
OPENID = f"{ISS}/.well-known/openid-configuration"
ES256 = ("ES256",)


def server(**places: HttpReply) -> FakeHttp:
    """Answers by the end of the address; 404 elsewhere."""

    def answer(call: HttpCall) -> HttpReply:
        return next((said for end, said in places.items() if call.url.endswith(end)), reply(404))

    return FakeHttp(answer)


async def somewhere() -> str:
    return f"{ISS}/keys"


def discover(http, forms=("oauth", "openid"), **more):
    return finish(metadata_of(http, ISS, forms, timeout=2.0, **more)())


@pytest.mark.parametrize(
    ("forms", "places", "asked"),
    [
        (("oauth", "openid"), {"server": metadata()}, [OAUTH]),
        (("oauth", "openid"), {"configuration": metadata()}, [OAUTH, OPENID]),
        (("openid", "oauth"), {"configuration": metadata(), "server": metadata()}, [OPENID]),
        (("openid",), {"configuration": metadata()}, [OPENID]),
    ],
)
def test_the_forms_are_tried_in_the_order_of_the_settings(forms, places, asked):
    http = server(**places)
    assert f"{ISS}/keys" == discover(http, forms).value.jwks_uri
    assert asked == [call.url for call in http.calls]


def test_a_form_that_is_not_configured_is_never_asked():
    http = server(configuration=metadata())
    with pytest.raises(Refused, match=r"no metadata at .*oauth-authorization-server") as no:
        discover(http, ("oauth",))
    assert Reason.BAD_ANSWER is no.value.reason
    assert [OAUTH] == [call.url for call in http.calls]


def test_another_issuer_s_document_ends_the_search():
    http = server(server=metadata("https://evil.example"), configuration=metadata())
    with pytest.raises(Refused, match="letter by letter"):
        discover(http)
    assert 1 == len(http.calls)


def test_a_missing_endpoint_is_a_bad_answer(clock):
    http = server(server=metadata(jwks_uri=None))
    held = Held("m", metadata_of(http, ISS, ("oauth",), timeout=2.0), each_by_itself, ticks=clock.ticks)
    with pytest.raises(Refused, match="no jwks_uri") as no:
        finish(endpoint_in(held, "jwks_uri")())
    assert Reason.BAD_ANSWER is no.value.reason
    assert f"{ISS}/introspect" == finish(endpoint_in(held, "introspection_endpoint")())
    assert 1 == len(http.calls)


def test_keys_are_fetched_within_bounds_and_kept_as_long_as_the_server_says(drive):
    http = FakeHttp(key_reply("k1", max_age=120))
    value, freshness = drive(keys_at(http, somewhere, ES256, timeout=1.5)())
    assert (["k1"], 120.0) == ([key.kid for key in value.keys], freshness)
    [call] = http.calls
    assert ("GET", f"{ISS}/keys", 1.5, MAX_BYTES) == (call.method, call.url, call.timeout, call.max_bytes)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>"),
        reply(200, b"{}"),
        reply(200, b'{"keys": {}}'),
        reply(200, b'{"keys": [], "keys": []}'),
        reply(200, b'{"keys": [' + b",".join([b"{}"] * 101) + b"]}"),
        reply(200, b'{"keys": []}' + b" " * MAX_BYTES),
        reply(200, b"\xff"),
        reply(404),
        reply(301, location=f"{ISS}/elsewhere"),
    ],
)
def test_a_malformed_key_set_is_a_bad_answer(answer):
    with pytest.raises(Refused) as no:
        finish(keys_at(FakeHttp(answer), somewhere, ES256, timeout=2.0)())
    assert Reason.BAD_ANSWER is no.value.reason


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_unavailable(status):
    with pytest.raises(Unavailable):
        finish(keys_at(FakeHttp(reply(status)), somewhere, ES256, timeout=2.0)())


def test_keys_from_a_file_are_read_again_when_due(clock, tmp_path):
    file = tmp_path / "keys.json"
    file.write_bytes(key_set("k1"))
    held = Held("k", keys_in(file.read_bytes, "keys.json", ES256), each_by_itself, ticks=clock.ticks)
    assert "k1" == finish(held.get()).value.keys[0].kid
    file.write_bytes(key_set("k2"))
    clock.advance(300)
    assert "k2" == finish(held.get()).value.keys[0].kid


def test_a_file_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match=r"keys\.json can't be read: No such file"):
        finish(keys_in((tmp_path / "keys.json").read_bytes, "keys.json", ES256)())


def test_a_refused_key_set_quotes_nothing_of_it():
    body = b'{"keys": [{"kty": "EC", "d": "canary"}]}'
    with pytest.raises(Refused) as no:
        finish(keys_at(FakeHttp(reply(200, body)), somewhere, ES256, timeout=2.0)())
    assert "canary" not in str(no.value)
    assert jwk("k1")["x"] not in str(no.value)
