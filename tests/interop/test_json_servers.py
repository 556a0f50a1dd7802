"""Authorization servers that state facts in JSON and give no JWT: what goes upstream is a JWT of ours, or nothing."""

from __future__ import annotations

import time

import pytest

from attacks.cases import attacks
from interop.canaille_server import canaille
from interop.django_oauth_toolkit_server import django_oauth_toolkit
from interop.minting import MINT_ENVIRON, OURS, decide, exchange, minting, verified
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate
from interop.processes import until

pytestmark = pytest.mark.interop

JSON_ONLY = {"django-oauth-toolkit": django_oauth_toolkit, "Canaille": canaille}
SERVERS = {**JSON_ONLY, "oidc-provider": oidc_provider}


@pytest.fixture(scope="module", params=[*SERVERS])
def server(request, tmp_path_factory):
    """Each of them."""
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def django(tmp_path_factory):
    """The one that calls its users `username`."""
    with django_oauth_toolkit(tmp_path_factory.mktemp("django")) as running:
        yield running


@pytest.fixture(scope="module")
def fractional(tmp_path_factory):
    """Canaille, whose `exp` and `iat` have fractions of a second."""
    with canaille(tmp_path_factory.mktemp("canaille")) as running:
        yield running


def gateway(folder, server, *, mint=None, environ=MINT_ENVIRON, **introspection):
    """phantomgate that mints from this server's JSON."""
    text = minting(**(mint or {})) + server.settings(**{"answer": "json"} | introspection)
    return phantomgate(folder, text, environ=environ)


@pytest.mark.parametrize("answer", ["json", "jwt"])
def test_an_opaque_token_becomes_a_jwt_of_ours(tmp_path, server, matrix, answer):
    """Asked for `application/jwt` these servers answer in JSON all the same; that is understood."""
    with gateway(tmp_path, server, answer=answer) as gate:
        token = server.issue("read write")
        before = time.time()
        decided, exchanged = decide(gate, token), exchange(gate, token)
        facts = server.facts(token)
        claims = [verified(gate, said) for said in (decided, exchanged)]
    assert [200, 200] == [decided.status, exchanged.status]
    for said in claims:
        assert ("read write", "service", "service") == (said["scope"], said["client_id"], said["sub"])
        assert int(before) <= said["iat"] < said["exp"] <= facts["exp"]
    # django-oauth-toolkit says nothing about keeping its answer; the others say `no-store`
    assert (int(decided.one("x-accel-expires")) > 0) == (server.name == "django-oauth-toolkit")
    asked = {"json": "JSON (RFC 7662)", "jwt": "JSON, though asked for `application/jwt`"}
    matrix.record(server, f"opaque, {asked[answer]}", "`basic`", OURS)


@pytest.mark.parametrize("answer", ["json", "jwt"])
def test_what_is_not_good_is_refused_with_its_reason(tmp_path, server, answer):
    with gateway(tmp_path, server, answer=answer) as gate:
        poor, revoked = server.issue("write"), server.issue()
        server.revoke(revoked)
        said = [decide(gate, token) for token in (poor, revoked, "never-issued")]
        reasons = [gate.said(one.json["decision"])["reason"] for one in said]
    assert [403, 401, 401] == [one.status for one in said]
    assert ["insufficient_scope", "inactive", "inactive"] == reasons
    assert not any(one.all("authorization") for one in said)


@attacks(
    "name, answers",
    [("INT-022", "Canaille", 401), ("INT-022", "oidc-provider", 401), ("INT-023", "django-oauth-toolkit", 403)],
)
def test_a_wrong_client_secret_is_a_502_and_never_a_401(tmp_path, name, answers):
    """django-oauth-toolkit says so by 403 and a page of HTML."""
    wrong = MINT_ENVIRON | {"GATEWAY_SECRET": "wrong"}
    with SERVERS[name](tmp_path) as server, gateway(tmp_path, server, environ=wrong) as gate:
        for token in (server.issue(), "never-issued"):
            said = decide(gate, token)
            line = gate.said(said.json["decision"])
            assert (502, "client_refused") == (said.status, line["reason"])
            assert f"({answers})" in line["detail"]


@pytest.mark.parametrize("name", JSON_ONLY)
def test_a_signed_answer_that_a_server_does_not_give_is_a_502(tmp_path, name, matrix):
    with JSON_ONLY[name](tmp_path) as server:
        asked = {"answer": "signed", "issuer": server.issuer, "keys": f"{server.issuer}/jwks"}
        with gateway(tmp_path, server, **asked) as gate:
            said = decide(gate, server.issue())
            assert (502, "bad_answer") == (said.status, gate.said(said.json["decision"])["reason"])
    matrix.record(server, "opaque, JSON, though asked for it signed (RFC 9701)", "`basic`", "502: nobody has signed it")


def test_facts_without_a_jwt_are_a_502_unless_we_mint(tmp_path, server):
    with phantomgate(tmp_path, server.settings(answer="json")) as gate:
        said = decide(gate, server.issue())
        assert (502, "bad_answer") == (said.status, gate.said(said.json["decision"])["reason"])


@pytest.mark.parametrize("name", JSON_ONLY)
def test_a_token_is_let_in_until_it_expires_and_no_longer_cached_or_not(tmp_path, name):
    with JSON_ONLY[name](tmp_path, token_seconds=4) as server, gateway(tmp_path, server) as gate:
        token = server.issue()
        exp = server.facts(token)["exp"]
        let_in = []

        def ends():
            asked = time.time()
            said = decide(gate, token)
            if said.status == 200:
                claims = verified(gate, said, expires=False)
                let_in.append((asked, claims["exp"], asked + int(said.one("x-accel-expires"))))
                return False
            let_in.append((401, said.status))
            return True

        until(ends, "the token to expire")
        late = decide(gate, token)
    *good, (wanted, status) = let_in
    assert good
    assert wanted == status == late.status
    for asked, minted, kept in good:
        assert asked < minted <= exp
        assert kept <= exp + 1  # the second that the question itself may have taken


def test_a_time_with_a_fraction_is_cut_and_not_refused(tmp_path, fractional):
    with gateway(tmp_path, fractional) as gate:
        for _ in range(3):  # one may have been issued at a whole second
            token = fractional.issue()
            facts = fractional.facts(token)
            claims = verified(gate, decide(gate, token))
            assert [float, float] == [type(facts[name]) for name in ("exp", "iat")]
            assert [int, int] == [type(claims[name]) for name in ("exp", "iat")]
            assert int(facts["exp"]) == claims["exp"]


def test_canaille_tells_nobody_whom_the_token_is_not_for(tmp_path, fractional):
    with gateway(
        tmp_path, fractional, client_id="stranger", environ=MINT_ENVIRON | {"GATEWAY_SECRET": "stranger-secret"}
    ) as gate:
        said = decide(gate, fractional.issue())
        assert (401, "inactive") == (said.status, gate.said(said.json["decision"])["reason"])


def test_a_user_of_django_is_the_subject_by_his_username(tmp_path, django):
    with gateway(tmp_path, django, mint={"subject": "username"}) as gate:
        claims = verified(gate, decide(gate, django.issue_to("ann")))
    assert ("ann", "app") == (claims["sub"], claims["client_id"])


def test_a_user_of_django_is_never_called_by_the_name_of_his_client(tmp_path, django):
    with gateway(tmp_path, django) as gate:
        said = decide(gate, django.issue_to("ann"))
        assert (502, "bad_answer") == (said.status, gate.said(said.json["decision"])["reason"])


def test_django_knows_us_by_our_secret_in_the_form_too(tmp_path, django, matrix):
    with gateway(tmp_path, django, client_auth="post") as gate:
        assert "service" == verified(gate, decide(gate, django.issue()))["sub"]
    matrix.record(django, "opaque, JSON (RFC 7662)", "`post`", OURS)


def test_canaille_does_not_know_us_by_our_secret_in_the_form(tmp_path, fractional, matrix):
    with gateway(tmp_path, fractional, client_auth="post") as gate:
        said = decide(gate, fractional.issue())
        assert (502, "client_refused") == (said.status, gate.said(said.json["decision"])["reason"])
    matrix.record(fractional, "opaque, JSON (RFC 7662)", "`post`", "502: the server refuses our client")


def test_django_knows_us_by_a_bearer_token_for_introspection(tmp_path, django, matrix):
    environ = MINT_ENVIRON | {"GATEWAY_SECRET": django.issue("introspection")}
    with gateway(tmp_path, django, client_auth="bearer", environ=environ) as gate:
        assert "service" == verified(gate, decide(gate, django.issue()))["sub"]
    matrix.record(django, "opaque, JSON (RFC 7662)", "`bearer`", OURS)


def test_a_bearer_token_that_is_not_for_introspection_is_a_502(tmp_path, django):
    environ = MINT_ENVIRON | {"GATEWAY_SECRET": django.issue("read")}
    with gateway(tmp_path, django, client_auth="bearer", environ=environ) as gate:
        said = decide(gate, django.issue())
        assert (502, "client_refused") == (said.status, gate.said(said.json["decision"])["reason"])
