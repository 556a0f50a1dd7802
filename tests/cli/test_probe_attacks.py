"""Servers that lie: what they say sends no secret anywhere, plays with no terminal, and gets into no settings."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from cli.probed import FACTS, INACTIVE, SECRET, TOKEN, Server, in_json, phantom, said, text_of
from in_a_thread import HttpServer, in_a_thread
from issuing import ISS, key_reply, metadata, signed
from phantomgate.cli.main import main
from phantomgate.cli.probing.told import told
from phantomgate.config.loading import Sources, load
from phantomgate.testing import reply
from tokens import jwt

EVIL = "https://evil.example"


@pytest.mark.parametrize("name", [EVIL, f"{ISS}/", "HTTPS://AS.EXAMPLE", "", None, 7, ["https://as.example"]])
def test_metadata_of_another_issuer_is_not_used(name):
    document = in_json(issuer=name, introspection_endpoint=f"{ISS}/introspect", jwks_uri=f"{ISS}/keys")
    server = Server(phantom, document)
    finding = server.probe(token=TOKEN)
    assert (False, [], [], "") == (finding.works, server.asked(), server.asked(f"{ISS}/keys"), finding.settings)
    assert "letter by letter" in said(finding)


@pytest.mark.parametrize(
    "endpoint",
    [
        f"{EVIL}/introspect",
        f"{ISS}.evil.example/introspect",
        f"{ISS}:444/introspect",
        "http://as.example/introspect",
        "https://as.example@evil.example/introspect",
        "file:///etc/passwd",
        "//evil.example/introspect",
        "",
        7,
        {"url": f"{ISS}/introspect"},
    ],
)
def test_an_endpoint_elsewhere_gets_no_secret_and_no_token(endpoint):
    document = metadata(introspection_endpoint=endpoint, token_endpoint=endpoint)
    server = Server(phantom, document)
    finding = server.probe(token=TOKEN, grant=True)
    assert (False, "") == (finding.works, finding.settings)
    assert {"GET"} == {call.method for call in server.calls}
    assert "not called: metadata" in said(finding)


def test_an_endpoint_elsewhere_is_called_when_that_origin_is_named():
    document = metadata(introspection_endpoint="https://edge.example/introspect")
    server = Server(phantom, document)
    finding = server.probe(token=TOKEN, origins=("https://edge.example",))
    assert ("jwt", "https://edge.example/introspect") == (finding.best.way.answer, finding.endpoint)
    assert [] == Server(phantom, document).probe(token=TOKEN).showings


def test_keys_elsewhere_are_not_fetched():
    server = Server(phantom, metadata(jwks_uri=f"{EVIL}/keys"))
    finding = server.probe(token=signed(), client_id="", client_secret="")
    assert (False, []) == (finding.works, server.asked(f"{EVIL}/keys"))


def test_an_alias_for_certificates_elsewhere_is_not_used():
    document = metadata(mtls_endpoint_aliases={"introspection_endpoint": f"{EVIL}/introspect"})
    assert f"{ISS}/introspect" == Server(phantom, document).probe(certificate="/nowhere.pem").endpoint


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    away = reply(status, location=f"{EVIL}/introspect")
    server = Server(lambda form, accept: away)
    finding = server.probe(token=TOKEN)
    assert (False, f"status {status}" in said(finding)) == (finding.works, True)
    assert not [call for call in server.calls if call.url.startswith(EVIL)]
    finding = Server(phantom, away, more={f"{ISS}/.well-known/openid-configuration": away}).probe(token=TOKEN)
    assert (False, "redirects are not followed" in said(finding)) == (finding.works, True)


def test_a_server_that_repeats_our_secrets_has_them_masked_and_gets_them_into_no_settings():
    def echo(form, accept):
        if form["token"] != TOKEN:
            return INACTIVE
        return in_json(**FACTS, aud=[TOKEN, SECRET, "api"], scopes="x", phantom_token=jwt(aud=[SECRET, TOKEN, "api"]))

    finding = Server(echo).probe(token=TOKEN)
    assert ("api",) == load(Sources(finding.settings, "pasted", {})).policy.audiences
    for canary in (SECRET, TOKEN):
        assert canary not in finding.settings
        assert canary not in json.dumps(told(finding))
        assert canary not in repr(finding)


def test_a_jwt_that_repeats_our_secrets_has_them_masked():
    finding = Server().probe(token=signed(aud=[SECRET, "api"], header={"alg": "ES256", "typ": SECRET, "kid": "k1"}))
    assert ("api",) == finding.shape.audiences[1:]
    assert "(44 characters)" in text_of(finding)


def test_a_server_can_not_play_with_the_terminal_nor_add_lines():
    evil = "\x1b[2J\x1b]0;owned\x07\r\n  ok  everything"
    document = metadata(grant_types_supported=[evil, "authorization_code"], authorization_endpoint=f"{ISS}/{evil}")
    jwks = json.loads(key_reply("k1").body)["keys"][0] | {"kid": evil}
    keys = reply(200, json.dumps({"keys": [jwks, jwks | {"use": evil}]}), content_type="application/json")
    header = {"alg": "ES256", "typ": f"at+jwt{evil}", "kid": "k1"}
    token = signed(header=header, aud=[evil, "api"])
    text = text_of(Server(phantom, document, keys).probe(token=token))
    report = text.split("-----")[0]
    assert (True, True) == (text.isascii(), all(line.isprintable() for line in report.splitlines()))
    assert "\n  ok  everything" not in text


def test_what_a_token_says_can_not_add_settings():
    aud = '"]\nallow_insecure_http = true\n[serve]\nallow_any_caller = true #'
    finding = Server().probe(token=signed(aud=["api", aud, 'quo"te', "back\\slash"]), client_id="", client_secret="")
    settings = load(Sources(finding.settings, "pasted", {}))
    assert ("api", 'quo"te', "back\\slash") == settings.issuers[0].audiences
    assert (False, False) == (settings.serve.allow_any_caller, settings.issuers[0].allow_insecure_http)


def test_every_call_has_a_bound_on_time_and_size():
    server = Server(phantom, metadata(token_endpoint=f"{ISS}/token"))
    server.probe(token="", grant=True, timeout="3s")
    assert {3.0} == {call.timeout for call in server.calls}
    assert all(call.max_bytes <= 262_144 for call in server.calls)


def test_there_are_few_calls_however_much_a_server_offers():
    ways = [f"way-{number}" for number in range(200)] + ["client_secret_basic", "client_secret_post"]
    document = metadata(token_endpoint_auth_methods_supported=ways, introspection_signing_alg_values_supported=ways)
    server = Server(phantom, document)
    server.probe(token=TOKEN)
    assert len(server.asked()) <= 14


class _Hostile(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b'{"issuer": "' + b"x" * 65536)
        except OSError:
            return

    def log_message(self, *args):
        """Quiet."""


def test_an_endless_answer_is_cut_off(capsys):
    http = HttpServer(("127.0.0.1", 0), _Hostile)
    http.daemon_threads = True
    with in_a_thread(http) as port:
        code = main(["probe", f"http://127.0.0.1:{port}", "--timeout", "5s"], {})
    out, _ = capsys.readouterr()
    assert (1, True) == (code, "none:" in out), out
