"""RFC 7515: one spelling for one JWT, or none."""

import pytest

from phantomgate.core.base64url import base64url
from phantomgate.oauth.strict_json import read_object
from phantomgate.oauth.unverified import read_claims, read_unverified
from tokens import jwt, segment


def test_header_and_claims_are_read():
    header, claims = read_unverified(jwt(sub="åsa"))

    assert header["alg"] == "ES256"
    assert claims["sub"] == "åsa"
    assert read_claims(jwt(sub="åsa")) == claims


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.",
        ".b.c",
        f"{segment({})}.{segment({})}.s=",
        f"{segment({})}.{segment({})}.s\n",
        f" {segment({})}.{segment({})}.s",
        f"{segment({})}.{segment([])}.s",
        f"{segment({})}.{segment(b'{')}.s",
        f"{segment({})}.{segment(bytes([255]))}.s",
        '{"alg":"none"}.{}.s',
        f"{segment({})}.{segment({})}.é",
    ],
)
def test_what_is_not_a_compact_jwt_is_refused(text):
    with pytest.raises(ValueError):
        read_unverified(text)


def test_a_jwt_over_64_kib_is_refused():
    with pytest.raises(ValueError, match="want at most 65536"):
        read_unverified(jwt(pad="x" * 65536))


def test_base64url_has_one_spelling():
    assert base64url(b"") == b""
    assert base64url(b"YQ") == b"a"
    assert base64url(b"YWI") == b"ab"
    assert base64url(b"YWJj") == b"abc"
    assert base64url(b"_-8") == b"\xff\xef"
    for other in (
        b"YR",
        b"YQ==",
        b"YQ=",
        b"YWJ",
        b"Y",
        b"YWJjY",
        b"YQ\n",
        b"Y\nQ",
        b"+/8",
        b"Y Q",
        b"=",
        b"YW==",
        b"Y\xe9Q",
    ):
        with pytest.raises(ValueError):
            base64url(other)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":1e400}',
        '{"a":"\\ud800"}',
        '{"\\ud800":1}',
        '{"a":["\\ud800"]}',
        "[" * 100000,
        '{"a":' * 17 + "1" + "}" * 17,
        '{"a":' + "9" * 5000 + "}",
        '{"a":' + "9" * 65 + "}",
        '{"a":[["\\ud800"]]}',
        '{"a":1}{}',
        '{"a":1} x',
        '\x0b{"a":1}',
        "\u00a0{}",
        "7",
        "",
    ],
    ids=lambda text: text[:20],
)
def test_json_that_others_might_read_differently_is_refused(text):
    with pytest.raises(ValueError):
        read_object(text.encode("utf-8"))


def test_a_long_integer_and_white_space_around_are_json():
    assert read_object(b' \t\r\n{"a":' + b"9" * 64 + b"}\n ") == {"a": int("9" * 64)}


def test_brackets_in_strings_are_not_depth():
    assert read_object(b'{"a": "' + b"[{" * 50 + b'\\""}') == {"a": "[{" * 50 + '"'}
    assert read_object(b'{"a":' * 16 + b"1" + b"}" * 16)


def test_a_byte_order_mark_is_not_json():
    with pytest.raises(ValueError):
        read_object(b"\xef\xbb\xbf{}")
