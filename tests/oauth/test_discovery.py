"""RFC 8414 and OpenID Connect Discovery: which address is asked, and which document is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuing import ISS, metadata
from phantomgate.core.errors import Reason, Refused, Unavailable
from phantomgate.oauth.discovery import Metadata, NoMetadata, metadata_request, read_metadata
from phantomgate.oauth.urls import check_issuer
from phantomgate.testing import reply


@pytest.mark.parametrize(
    ("issuer", "form", "url"),
    [
        ("https://as.example", "oauth", "https://as.example/.well-known/oauth-authorization-server"),
        ("https://as.example", "openid", "https://as.example/.well-known/openid-configuration"),
        ("https://as.example/t1", "oauth", "https://as.example/.well-known/oauth-authorization-server/t1"),
        ("https://as.example/t1", "openid", "https://as.example/t1/.well-known/openid-configuration"),
        ("https://as.example/t1/", "oauth", "https://as.example/.well-known/oauth-authorization-server/t1"),
        ("https://as.example/t1/", "openid", "https://as.example/t1/.well-known/openid-configuration"),
        ("https://as.example:8443/", "oauth", "https://as.example:8443/.well-known/oauth-authorization-server"),
    ],
)
def test_the_issuer_becomes_the_address_of_its_document(issuer, form, url):
    call = metadata_request(issuer, form, 2.0)
    assert ("GET", url, b"") == (call.method, call.url, call.body)
    assert (("Accept", "application/json"),) == call.headers


def test_endpoints_are_found():
    said = read_metadata(metadata(), ISS)
    assert Metadata(ISS, f"{ISS}/keys", f"{ISS}/introspect") == said


def test_an_endpoint_that_is_not_there_is_empty():
    assert read_metadata(metadata(introspection_endpoint=None), ISS).introspection_endpoint == ""


@pytest.mark.parametrize("named", ["https://as.example/", "https://AS.example", "http://as.example", None, ["x"], ""])
def test_a_document_of_another_issuer_is_not_used(named):
    body = json.dumps({"issuer": named, "jwks_uri": f"{ISS}/keys"})
    with pytest.raises(Refused, match="letter by letter") as no:
        read_metadata(reply(200, body, content_type="application/json"), ISS)
    assert no.value.reason is Reason.BAD_ANSWER


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://169.254.169.254/",
        "http://as.example/introspect",
        "https://evil.example/introspect",
        "https://as.example.evil.example/introspect",
        "https://as.example:444/introspect",
        "https://as.example@evil.example/introspect",
        "https://as.example\\@evil.example/",
        "//evil.example/introspect",
        "/introspect",
        "file:///etc/passwd",
        "https://as.example/introspect#x",
        "https://as.example/intro spect",
        "",
        7,
        ["https://as.example/introspect"],
        "https://as.example/" + "a" * 2048,
    ],
)
@pytest.mark.parametrize("name", ["jwks_uri", "introspection_endpoint"])
def test_an_endpoint_elsewhere_is_refused(name, endpoint):
    with pytest.raises(Refused) as no:
        read_metadata(metadata(**{name: endpoint}), ISS)
    assert no.value.reason is Reason.BAD_ANSWER


def test_an_endpoint_at_a_named_origin_is_used():
    said = read_metadata(metadata(jwks_uri="https://keys.example/jwks"), ISS, origins=["https://keys.example"])
    assert said.jwks_uri == "https://keys.example/jwks"


def test_a_named_origin_does_not_make_http_good():
    document = metadata(jwks_uri="http://keys.example/jwks")
    with pytest.raises(Refused, match="is http"):
        read_metadata(document, ISS, origins=["http://keys.example"])
    allowed = read_metadata(document, ISS, origins=["http://keys.example"], allow_insecure_http=True)
    assert allowed.jwks_uri == "http://keys.example/jwks"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410])
def test_no_document_there_is_told_from_a_bad_one(status):
    with pytest.raises(NoMetadata):
        read_metadata(reply(status), ISS)


def test_a_page_for_people_is_no_document():
    with pytest.raises(NoMetadata):
        read_metadata(reply(200, "<html>", content_type="text/html"), ISS)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_unavailable(status):
    with pytest.raises(Unavailable):
        read_metadata(reply(status), ISS)


@pytest.mark.parametrize("status", [204, 301, 302, 307])
def test_a_redirect_is_never_followed(status):
    with pytest.raises(Refused) as no:
        read_metadata(reply(status, location="https://evil.example/"), ISS)
    assert (Reason.BAD_ANSWER, Refused) == (no.value.reason, type(no.value))


@pytest.mark.parametrize(
    "issuer", ["https://as.example/?a=b", "http://as.example", "as.example", "https://u@as.example"]
)
def test_what_can_be_no_issuer_is_never_asked(issuer):
    with pytest.raises(ValueError):
        check_issuer(issuer)


def test_http_is_for_this_machine_or_for_those_who_say_so():
    check_issuer("http://127.0.0.1:8080/t1")
    check_issuer("http://as.example", allow_insecure_http=True)


@given(st.binary(max_size=400))
def test_no_body_does_anything_but_be_refused(body):
    with pytest.raises(Refused):
        read_metadata(reply(200, body, content_type="application/json"), ISS)


def test_an_endpoint_that_nobody_wants_is_not_looked_at():
    document = metadata(token_endpoint="https://elsewhere.example/token")

    assert read_metadata(document, ISS).token_endpoint == ""
    with pytest.raises(Refused, match="token_endpoint is at"):
        read_metadata(document, ISS, wanted=("token_endpoint",))


def test_the_token_endpoint_is_found_when_it_is_wanted():
    said = read_metadata(metadata(token_endpoint=f"{ISS}/token"), ISS, wanted=("token_endpoint",))

    assert said == Metadata(ISS, token_endpoint=f"{ISS}/token")
