"""`phantomgate explain` for sessions: which check failed and what to do, and nothing of a cookie."""

from __future__ import annotations

import json
import os

import pytest

from loopback_server import TOKEN
from phantomgate.cli.main import main
from phantomgate.session.cookies import CookieNames
from phantomgate.session.csrf import SessionToken, seal_token
from sealed import ISSUER, KEY, ring

ORIGIN = "Origin: https://www.example.com"
NAMES = CookieNames("example")


def sealed(kind="at", value=TOKEN, issuer=ISSUER):
    token = SessionToken(b"s" * 16, value)
    return seal_token(ring(), NAMES.name(kind), issuer, token, random=os.urandom)


def explain(server, capsys, *headers, method="GET", path="/orders", **more):
    environ = server.environ(
        KEY=KEY,
        PHANTOMGATE__SESSION__KEYS="env:KEY",
        PHANTOMGATE__SESSION__TRUSTED_WEB_ORIGINS="https://www.example.com",
        PHANTOMGATE__SESSION__COOKIE_PREFIX="example",
        PHANTOMGATE__SESSION__ISSUER=ISSUER,
        PHANTOMGATE__SESSION__CORS="true",
        **more,
    )
    words = [word for header in headers for word in ("--header", header)]
    outputs = []
    for form in ([], ["--json"]):
        assert 0 == main(["explain", "--method", method, "--path", path, *words, *form], environ)
        outputs.append("".join(capsys.readouterr()))
    for secret in (
        TOKEN,
        "secret-value",
        "secret-csrf",
        *(part[-20:] for h in headers if "=" in h for part in h.split("; ")),
    ):
        assert secret not in "".join(outputs)
    return outputs[0], json.loads(outputs[1])


def test_a_session_that_is_let_in_is_told_and_what_is_left_of_its_cookies_is_not(server, capsys):
    text, told = explain(server, capsys, f"Cookie: {NAMES.at}={sealed()}; other=secret-value", ORIGIN)

    assert "find      session cookie, with the access token, canary... (49 characters)" in text
    assert ["Cookie", "(18 characters)"] in told["answer"]["headers"]
    assert ["Access-Control-Allow-Origin", "https://www.example.com"] in told["answer"]["headers"]
    assert "decision  ALLOWED" in text


@pytest.mark.parametrize(
    ("headers", "reason", "remedy"),
    [
        (["Origin: https://other.example.com"], "forged_request", "session.trusted_web_origins"),
        ([], "forged_request", "does your gateway pass it on"),
        ([ORIGIN], "forged_request", "which sets the CSRF cookie"),
        ([ORIGIN, "X-Example-Csrf: secret-csrf"], "forged_request", "which sets the CSRF cookie"),
        ([ORIGIN, "Sec-Fetch-Site: cross-site"], "forged_request", "of another site"),
        ([ORIGIN, "Authorization: Bearer x"], "malformed_request", "of a session or of a token"),
    ],
)
def test_a_refusal_says_which_check_it_was_and_what_to_do(headers, reason, remedy, server, capsys):
    text, told = explain(server, capsys, f"Cookie: {NAMES.at}={sealed()}", *headers, method="POST")

    assert reason == told["decision"]["reason"]
    assert remedy in told["decision"]["remedy"]
    assert "REFUSED" in text


@pytest.mark.parametrize(
    ("at", "remedy"),
    [
        (sealed(issuer="https://other"), "same session.keys, names of cookies and issuer"),
        ("AcYBf995tTBVsLtQLvOuLUZXHm2c-XqP8t7SKmhBiQtzy5CAw4h_RF6r", "behind the new one"),
        ("x", "must log in again"),
    ],
)
def test_a_cookie_that_can_not_be_read_is_told_by_what_may_be_wrong_with_the_keys(at, remedy, server, capsys):
    _, told = explain(server, capsys, f"Cookie: {NAMES.at}={at}", ORIGIN)

    assert "unreadable_session" == told["decision"]["reason"]
    assert remedy in told["decision"]["remedy"]


def test_a_preflight_is_explained_where_one_is_answered(server, capsys):
    wanted = "Access-Control-Request-Method: POST"
    text, told = explain(server, capsys, ORIGIN, wanted, method="OPTIONS", path="/preflight/orders")
    assert ({"outcome": "answered"}, 204) == (told["decision"], told["answer"]["status"])
    assert "decision  ANSWERED" in text
    _, told = explain(server, capsys, ORIGIN, wanted, method="OPTIONS")
    assert "missing_credential" == told["decision"]["reason"]
    proxied = {"PHANTOMGATE__SERVE__UPSTREAM": "http://127.0.0.1:1"}
    assert 204 == explain(server, capsys, ORIGIN, wanted, method="OPTIONS", **proxied)[1]["answer"]["status"]
