"""Every reason has a remedy, and those for the authorization server fit the texts that the back ends write."""

from __future__ import annotations

import ssl

import pytest

from phantomgate.backends import http_trouble as trouble
from phantomgate.backends.http_request import split_url
from phantomgate.config.remedies import remedy
from phantomgate.core.errors import Reason, Refused
from phantomgate.oauth.introspection import read_introspection
from phantomgate.testing import reply

ORIGIN, _ = split_url("https://as.example/")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_remedy_whatever_its_detail(reason):
    assert remedy(reason, "").endswith((".", "?"))
    assert remedy(reason, "something new")


@pytest.mark.parametrize(
    ("refused", "piece"),
    [
        (trouble.no_address(ORIGIN, "unknown"), "can't be resolved"),
        (trouble.no_connection(ORIGIN, "refused"), "is the authorization server up"),
        (trouble.no_tls(ORIGIN, ssl.SSLError("self-signed")), "introspection.ca_file"),
        (trouble.no_tls(ORIGIN, ssl.SSLError("certificate has expired")), "must be given a new certificate"),
        (trouble.no_tls(ORIGIN, ssl.SSLError("certificate is not yet valid")), "clock is behind"),
        (trouble.cut_off(ORIGIN, False), "https and http"),
        (trouble.too_late(ORIGIN, 2.0), "introspection.timeout"),
    ],
)
def test_trouble_on_the_way_is_told_apart(refused, piece):
    assert piece in remedy(refused.reason, refused.detail)


@pytest.mark.parametrize(
    ("answer", "piece"),
    [
        (reply(401), "client_secret"),
        (reply(403), "client_auth"),
        (reply(429), "limits how often"),
        (reply(503), "its log"),
        (reply(302), "redirects"),
        (reply(404), "check its path"),
        (reply(200, "<html>", content_type="text/html"), 'answer = "json"'),
        (reply(200, "a"), "the introspection endpoint?"),
        (reply(200, '{"active": true}', content_type="application/json"), "gives no JWT for it"),
        (reply(200, '{"active": false}', content_type="application/json"), "has expired, was revoked"),
        (reply(200, "a.b.c", content_type="application/jwt"), "no introspection answer"),
    ],
)
def test_answers_are_told_apart(answer, piece):
    with pytest.raises(Refused) as no:
        read_introspection(answer, asked="jwt", now=0.0)
    assert piece in remedy(no.value.reason, no.value.detail)
