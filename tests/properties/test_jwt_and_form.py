"""base64url in one spelling only, JWTs in three segments only, and form encoding beside the standard library's."""

from __future__ import annotations

import base64
import binascii
import json
from urllib.parse import parse_qsl, quote_plus, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from phantomgate.core.base64url import base64url
from phantomgate.oauth.client_auth import client_secret_basic, client_secret_post
from phantomgate.oauth.form import form_body, form_value, names_of_query
from phantomgate.oauth.unverified import read_claims, read_unverified
from tokens import segment

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ODD = ALPHABET + "=+/ \n.\x00é\u0660"


@given(st.binary(max_size=64))
def test_what_was_encoded_is_decoded(data):
    assert data == base64url(base64.urlsafe_b64encode(data).rstrip(b"="))


@given(st.text(alphabet=ODD, max_size=12))
@example("YR")
@example("YQ==")
@example("YQ=\n=")
@example("Y")
@example("")
@example("ab+c")
@example("ab/c")
def test_there_is_one_spelling_for_every_value(text):
    try:
        data = base64url(text.encode())
    except (ValueError, binascii.Error):
        return
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@given(st.text(alphabet="ab.=+/ \n-_é", max_size=20) | st.text(max_size=30))
def test_no_text_is_more_than_a_value_error(text):
    for read in (read_unverified, lambda text: base64url(text.encode())):
        try:
            said = str(read(text))
        except ValueError as no:
            said = str(no)
        assert len(text) < 8 or text not in said


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=8), max_size=4),
    st.binary(min_size=1, max_size=8),
)
def test_header_and_claims_are_what_was_signed(claims, signature):
    jwt = f"{segment({'alg': 'RS256'})}.{segment(claims)}.{segment(signature)}"
    if any(isinstance(value, int) and len(str(value)) > 64 for value in claims.values()):
        return
    assert ({"alg": "RS256"}, claims) == read_unverified(jwt)
    assert claims == read_claims(jwt)


@given(st.integers(0, 200), st.sampled_from([".", "=", "\n", " ", "é", "+", "/", "\x00", ".."]))
def test_a_jwt_with_anything_put_into_it_is_none(at, extra):
    jwt = f"{segment({'alg': 'RS256'})}.{segment({'exp': 1})}.{segment(b'signature')}"
    at %= len(jwt) + 1
    with pytest.raises(ValueError, match=r".*"):
        read_unverified(jwt[:at] + extra + jwt[at:])


# -- application/x-www-form-urlencoded -------------------------------------------------------------------------------

texts = st.text(max_size=30)


@given(texts)
def test_a_value_is_encoded_as_everybody_encodes_it(text):
    assert quote_plus(text, safe="") == form_value(text)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_a_body_is_read_back_as_the_pairs_that_made_it(pairs):
    body = form_body(pairs).decode("ascii")
    assert pairs == parse_qsl(body, keep_blank_values=True, strict_parsing=True)
    assert set("&=") & set(body) <= set("&=")
    assert len(pairs) == body.count("=") == body.count("&") + 1


@given(texts, texts)
def test_client_id_and_secret_are_told_apart_whatever_is_in_them(client_id, secret):
    [(_, value)] = client_secret_basic(client_id, secret).headers
    name, _, password = base64.b64decode(value.removeprefix("Basic ")).decode("ascii").partition(":")
    assert [("id", client_id), ("secret", secret)] == parse_qsl(
        f"id={name}&secret={password}", keep_blank_values=True, strict_parsing=True
    )
    body = form_body(client_secret_post(client_id, secret).params).decode()
    assert [("client_id", client_id), ("client_secret", secret)] == parse_qsl(body, keep_blank_values=True)


@given(st.text(alphabet="\ud800\udfffa", min_size=1, max_size=5))
def test_what_has_no_utf8_is_not_encoded(text):
    assume(not text.isascii())
    with pytest.raises(ValueError, match="surrogates"):
        form_value(text)


@given(st.text(alphabet="access_token%61=&;+ \xe9é/?", max_size=40), st.sampled_from("&;"))
def test_no_spelling_of_a_parameter_hides_it(rest, part):
    spelled = "".join(
        f"%{ord(char):02x}" if at % 3 == len(rest) % 3 else char for at, char in enumerate("access_token")
    )
    for name in ("access_token", spelled):
        assert "access_token" in names_of_query(f"{rest}{part}{name}=x")
        assert "access_token" in names_of_query(f"{name}{part}{rest}")


@given(st.text(max_size=40))
@example("%")
@example("%%%")
@example("%zz&%4")
def test_every_query_has_names_as_a_decoder_finds_them(query):
    names = names_of_query(query)
    for pair in query.replace(";", "&").split("&"):
        assert unquote(pair.partition("=")[0], encoding="latin-1") in names


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3))
def test_a_dictionary_survives_its_segment(value):
    assert value == json.loads(base64url(segment(value).encode()))
