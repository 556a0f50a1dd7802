"""Whatever a server says of itself or answers: it is read without an exception, and written as good TOML."""

from __future__ import annotations

import json
import tomllib

from hypothesis import given
from hypothesis import strategies as st

from phantomgate.cli.probing.given import Given
from phantomgate.cli.probing.said import read_said
from phantomgate.cli.probing.trials import answered
from phantomgate.cli.probing.ways import Way, audiences_of, shape
from phantomgate.cli.probing.words import visible
from phantomgate.cli.probing.written import Seen, settings_text, toml
from phantomgate.config.loading import Sources, load
from phantomgate.testing import reply
from tokens import segment

ISS = "https://as.example"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
ENDPOINTS = ("introspection_endpoint", "jwks_uri", "token_endpoint", "pushed_authorization_request_endpoint")
LISTS = ("token_endpoint_auth_methods_supported", "introspection_signing_alg_values_supported", "grant_types_supported")
NAMES = st.sampled_from((*ENDPOINTS, *LISTS, "issuer", "mtls_endpoint_aliases"))
URLS = st.sampled_from([f"{ISS}/a", "https://evil.example/a", "http://as.example/a", "https://as.example:x/", "//"])


@given(st.dictionaries(NAMES, JSON | URLS | st.dictionaries(NAMES, URLS)))
def test_a_document_is_read_whatever_is_in_it_and_only_the_issuers_origin_is_called(document):
    said = read_said(document, [ISS])
    for purpose in ("introspection", "keys", "token", "PAR"):
        assert said.url(purpose) == "" or said.url(purpose).startswith(f"{ISS}/")
    assert said.certificate_endpoint == "" or said.certificate_endpoint.startswith(f"{ISS}/")
    for words in said.lists.values():
        assert all(word.isascii() and word.isprintable() and " " not in word for word in words)
        assert len(words) <= 24


@given(st.text() | st.booleans() | st.lists(st.text(), max_size=5))
def test_a_value_is_the_same_after_toml(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # no text of TOML's: an unpaired surrogate
        return
    written = toml(value)
    assert {"a": value} == tomllib.loads(f"a = {written}")
    assert "\n" not in written


@given(JSON)
def test_audiences_are_what_settings_can_hold(aud):
    names = audiences_of({"aud": aud})
    assert len(names) <= 10
    if names:
        text = settings_text(Way("verify"), Given(ISS), Seen(algorithms=("ES256",), audiences=names, discovers=True))
        assert names == load(Sources(text, "pasted", {})).issuers[0].audiences


@given(JSON, JSON)
def test_a_token_has_a_shape_or_none(alg, typ):
    token = f"{segment({'alg': alg, 'typ': typ})}.{segment({'aud': 'api'})}.c2ln"
    found = shape(token)
    assert found is None or isinstance(found.algorithm, str)
    if found and not found.why_not:
        text = settings_text(
            Way("verify"),
            Given(ISS),
            Seen(algorithms=(found.algorithm,), typ=found.typ, audiences=found.audiences, discovers=True),
        )
        tomllib.loads(text)


@given(st.text())
def test_any_text_may_be_a_token(text):
    assert shape(text) is None or text.count(".") == 2


@given(st.integers(100, 599), st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), st.text())
def test_an_answer_looks_like_something(status, body, media_type):
    types = media_type.encode("latin-1", "replace").decode("latin-1")
    said = reply(status, body, content_type=types)
    assert answered(said).status == status


@given(st.text())
def test_what_is_shown_is_visible(text):
    shown = visible(text)
    assert shown.isascii()
    assert shown.isprintable()
