"""Authorization servers that are not ours, behind phantomgate, behind nginx: what they really answer, and what becomes
of it at the client and at the API.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager

import pytest

from interop import echo_api
from interop.asking import ask
from interop.glewlwyd_server import glewlwyd
from interop.nginx_server import nginx
from interop.oidc_provider_server import oidc_provider
from interop.phantomgate_server import phantomgate
from interop.processes import until
from ports import free_port

pytestmark = pytest.mark.interop

POLICY = '[policy]\nscopes = ["read"]\n'


@pytest.fixture(scope="module")
def api():
    """The API behind all of them."""
    with echo_api.running() as running:
        yield running


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """oidc-provider as it comes: opaque tokens, and no JWT in its answers."""
    with oidc_provider(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """oidc-provider that puts a JWT into its answers."""
    with oidc_provider(tmp_path_factory.mktemp("oidc"), "phantom_token") as running:
        yield running


@pytest.fixture(scope="module")
def with_jwt(tmp_path_factory):
    """Glewlwyd, which answers introspection with `application/jwt`."""
    with glewlwyd(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running


@contextmanager
def gateway(folder, api, text, secret="gateway-secret"):
    """phantomgate with these settings, and nginx in front: (phantomgate, a way to ask)."""
    api.requests.clear()
    environ = {"GATEWAY_SECRET": secret}
    with phantomgate(folder, POLICY + text, environ=environ) as gate, nginx(gate.settings, api.port) as proxy:
        yield gate, lambda **more: ask(proxy.port, **more)


def claims_of(jwt):
    """The claims of a JWT, unverified."""
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize("answer", ["json", "jwt"])
def test_an_opaque_token_of_oidc_provider_becomes_the_jwt_in_its_answer(tmp_path, api, phantom, matrix, answer):
    """Asked for `application/jwt`, oidc-provider answers in JSON all the same; that is understood."""
    with gateway(tmp_path, api, phantom.settings(answer=answer, issuer=phantom.issuer)) as (_, through):
        token = phantom.issue("read write")
        said = through(token=token)
    jwt = dict(said.json["headers"])["authorization"].removeprefix("Bearer ")
    assert (200, "read write", phantom.issuer) == (said.status, claims_of(jwt)["scope"], claims_of(jwt)["iss"])
    assert not api.contains(token)
    asked = {"json": "JSON", "jwt": "JSON, though asked for `application/jwt`,"}[answer]
    matrix.record(
        phantom, f"opaque, {asked} with a JWT in `phantom_token`", "`basic`", "the JWT in the answer, without `[mint]`"
    )


def test_a_scope_that_oidc_provider_did_not_grant_is_a_403(tmp_path, api, phantom):
    with gateway(tmp_path, api, phantom.settings(answer="json")) as (_, through):
        said = through(token=phantom.issue("write"))
    assert (403, "insufficient_scope", []) == (said.status, said.json["error"], api.requests)


@pytest.mark.parametrize("answer", ["json", "jwt"])
def test_an_active_token_without_a_jwt_is_a_502_and_the_log_says_so(tmp_path, api, plain, answer):
    with gateway(tmp_path, api, plain.settings(answer=answer)) as (gate, through):
        said = through(token=plain.issue())
        line = gate.said(said.json["decision"])
    assert (502, "bad_gateway", []) == (said.status, said.json["error"], api.requests)
    assert ("bad_answer", True) == (line["reason"], "no JWT" in line["detail"])


@pytest.mark.parametrize("answer", ["json", "jwt"])
def test_a_token_that_oidc_provider_calls_inactive_is_a_401(tmp_path, api, plain, answer):
    with gateway(tmp_path, api, plain.settings(answer=answer)) as (_, through):
        revoked = plain.issue()
        plain.revoke(revoked)
        for token in (revoked, "never-issued"):
            said = through(token=token)
            assert (401, "invalid_token", []) == (said.status, said.json["error"], api.requests)


def test_oidc_provider_is_ready_when_it_answers(tmp_path, api, plain):
    with gateway(tmp_path, api, plain.settings(answer="json")) as (gate, _):
        until(lambda: ask(gate.manage, "/readyz").status == 200, "phantomgate to be ready", gate.log)


def test_a_wrong_client_secret_at_oidc_provider_is_a_502_and_never_a_401(tmp_path, api, phantom):
    with gateway(tmp_path, api, phantom.settings(answer="json"), secret="wrong") as (gate, through):
        for token in (phantom.issue(), "never-issued"):
            said = through(token=token)
            assert (502, "bad_gateway", []) == (said.status, said.json["error"], api.requests)
            assert "client_refused" == gate.said(said.json["decision"])["reason"]


def test_a_server_that_is_not_there_is_a_503(tmp_path, api, phantom):
    endpoint = f"http://127.0.0.1:{free_port()}/introspect"
    with gateway(tmp_path, api, phantom.settings(endpoint=endpoint)) as (_, through):
        said = through(token=phantom.issue())
    assert (503, "temporarily_unavailable", []) == (said.status, said.json["error"], api.requests)
    assert said.one("retry-after").isdigit()


def test_the_application_jwt_of_glewlwyd_is_a_statement_about_the_token_and_is_not_forwarded(
    tmp_path, api, with_jwt, matrix
):
    """Its media type is `application/jwt`, but its `typ` is `token-introspection+jwt`: RFC 9701 §5, such a JWT is no
    access token, and an API that took it for one would be wrong."""
    text = with_jwt.settings(client_id="service", answer="jwt")
    with gateway(tmp_path, api, text, secret="service-secret") as (gate, through):
        said = through(token=with_jwt.issue())
        line = gate.said(said.json["decision"])
    assert (502, "bad_gateway", []) == (said.status, said.json["error"], api.requests)
    assert ("bad_answer", True) == (line["reason"], "token-introspection+jwt" in line["detail"])
    outcome = "502: it is a statement about the token and no access token (RFC 9701 §5)"
    matrix.record(with_jwt, "opaque, `application/jwt`", "`basic`", outcome)


def test_an_inactive_token_at_glewlwyd_is_refused(tmp_path, api, with_jwt):
    """In JSON it says so, a 401; asked for a JWT it answers 400 with nothing in it, which is no answer: a 502."""
    for answer, status in (("json", 401), ("jwt", 502)):
        folder = tmp_path / answer
        folder.mkdir()
        text = with_jwt.settings(client_id="service", answer=answer)
        with gateway(folder, api, text, secret="service-secret") as (_, through):
            assert (status, []) == (through(token="never-issued").status, api.requests)


def test_a_wrong_client_secret_at_glewlwyd_is_a_502_and_never_a_401(tmp_path, api, with_jwt):
    text = with_jwt.settings(client_id="service", answer="jwt")
    with gateway(tmp_path, api, text, secret="wrong") as (gate, through):
        said = through(token=with_jwt.issue())
        assert "client_refused" == gate.said(said.json["decision"])["reason"]
    assert (502, "bad_gateway", []) == (said.status, said.json["error"], api.requests)
