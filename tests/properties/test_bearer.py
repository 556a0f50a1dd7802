"""The Authorization field, beside a re-statement of the grammar that looks at one byte after another."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Refuse
from phantomgate.oauth.bearer import MAX_TOKEN_BYTES, challenge, read_authorization

B64TOKEN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/")
TCHAR = frozenset(b"!#$%&'*+-.^_`|~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")

pieces = st.sampled_from(
    [b"Bearer", b"bearer", b"BEARER", b"Basic", b"DPoP", b"X", b" ", b"  ", b"\t", b",", b", ", b"=", b"abc",
    b"a.b-c_d~e+f/g",
     b"\x00", b"\n", b"\r\n", b"\x0b", b"\xa0", b"\xff", b'"', b"realm=x"]
)  # fmt: skip
values = (
    st.lists(pieces, max_size=8).map(b"".join) | st.binary(max_size=40) | st.binary(max_size=20).map(b"Bearer ".__add__)
)


def by_the_letter(value: bytes) -> bytes | Reason:
    """RFC 6750 §2.1, byte by byte: the token, or why there is none."""
    if not value:
        return Reason.MISSING_CREDENTIAL
    at = 0
    while at < len(value) and value[at] in TCHAR:
        at += 1
    if value[:at].lower() != b"bearer":
        elements = [element.strip(b" \t") for element in value.split(b",")[1:]]
        hidden = any(element.lower().replace(b"\t", b" ").split(b" ")[0] == b"bearer" for element in elements)
        return Reason.MALFORMED_REQUEST if hidden else Reason.MISSING_CREDENTIAL
    start = at
    while at < len(value) and value[at] == 0x20:
        at += 1
    token = at
    while at < len(value) and value[at] in B64TOKEN:
        at += 1
    end = at
    while at < len(value) and value[at] == 0x3D:
        at += 1
    good = token > start and end > token and at == len(value)
    return value[token:] if good else Reason.MALFORMED_REQUEST


def refusal(value: bytes) -> Refused | None:
    try:
        read_authorization(value)
    except Refused as no:
        return no
    return None


def read(value: bytes) -> bytes | Reason:
    no = refusal(value)
    return read_authorization(value).encode("ascii") if no is None else no.reason


@given(values)
@example(b"Bearer abc\n")
@example(b"Bearer")
@example(b"Bearer\xa0abc")
@example(b"Basic x, Bearer abc")
@example(b"Basic x,bearer")
@example(b",Bearer\n")
@example(b"Bearer2 abc")
def test_the_grammar_is_read_by_the_letter(value):
    assert by_the_letter(value) == read(value)


@given(
    st.text(alphabet="".join(map(chr, sorted(B64TOKEN))), min_size=1, max_size=60),
    st.integers(0, 4),
    st.integers(1, 50),
)
def test_every_good_token_comes_out_as_it_went_in(token, padding, spaces):
    token += "=" * padding
    assert token == read_authorization(f"Bearer{' ' * spaces}{token}".encode())


@given(
    st.integers(MAX_TOKEN_BYTES - 80, MAX_TOKEN_BYTES + 80), st.sampled_from([b"a", b".", b"="]), st.integers(1, 100)
)
def test_no_token_over_the_bound_is_read(length, fill, spaces):
    token = (b"a" + fill * length)[:length]
    found = read(b"Bearer" + b" " * spaces + token)
    if len(token) > MAX_TOKEN_BYTES:
        assert Reason.MALFORMED_REQUEST is found
    elif spaces <= 58:  # no sane client sends more
        assert token == found


@given(values, values)
def test_no_refusal_quotes_what_it_refused(before, after):
    assert "canary" not in str(refusal(before + b"canary" + after))


@given(st.sampled_from(Reason), st.sampled_from(["", "read", "orders:read orders:write"]))
def test_a_challenge_says_each_thing_once(reason, scope):
    said = challenge(Refuse(reason, "id", scope=scope), "api")
    assert said.isascii()
    assert said.isprintable()
    for name in ("realm=", "error=", "error_description=", "scope="):
        assert said.count(f" {name}") <= 1
