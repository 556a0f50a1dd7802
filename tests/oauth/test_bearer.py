"""RFC 6750: one credential exactly, or the right refusal; the challenge says no more than it must."""

import pytest

from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Refuse
from phantomgate.oauth.bearer import challenge, read_authorization


@pytest.mark.parametrize("value", [b"Bearer abc", b"bearer abc", b"BEARER abc", b"Bearer    abc"])
def test_the_scheme_has_no_case_and_any_number_of_spaces(value):
    assert read_authorization(value) == "abc"


def test_every_character_of_b64token_is_taken():
    assert read_authorization(b"Bearer aZ09-._~+/==") == "aZ09-._~+/=="


@pytest.mark.parametrize(
    "value", [None, b"", b"Basic dTpw", b"XBearer abc", b"Bearerx abc", b"Bearer-x abc", b"DPoP abc"]
)
def test_no_credential_of_ours_is_missing_not_malformed(value):
    with pytest.raises(Refused) as no:
        read_authorization(value)

    assert no.value.reason is Reason.MISSING_CREDENTIAL


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer abc def",
        b"Bearer abc\n",
        b"Bearer abc,",
        b"Bearer abc, Bearer def",
        b"Basic x, Bearer abc",
        b"Basic x,bearer",
        b"Bearer\x0babc",
        b"Bearer\xa0abc",
        b"Bearer \x00abc",
        b"Bearer abc=def",
        b"Bearer ===",
        b"Bearer a%20b",
        b"Bearer \xc3\xa9",
        b"Bearer=abc",
    ],
)
def test_a_bearer_credential_outside_the_grammar_is_malformed(value):
    with pytest.raises(Refused) as no:
        read_authorization(value)

    assert no.value.reason is Reason.MALFORMED_REQUEST
    assert "abc" not in str(no.value)


def test_a_token_of_8192_bytes_is_taken_and_one_more_is_not():
    assert len(read_authorization(b"Bearer " + b"a" * 8192)) == 8192
    for token in (b"a" * 8193, b"." * 1_000_000):
        with pytest.raises(Refused) as no:
            read_authorization(b"Bearer " + token)
        assert no.value.reason is Reason.MALFORMED_REQUEST


def test_a_digest_credential_with_commas_is_another_scheme():
    with pytest.raises(Refused) as no:
        read_authorization(b'Digest username="bearer", realm="x, y"')

    assert no.value.reason is Reason.MISSING_CREDENTIAL


def test_a_challenge_for_a_missing_credential_has_no_error():
    assert challenge(Refuse(Reason.MISSING_CREDENTIAL, "id"), "api") == 'Bearer realm="api"'


def test_a_challenge_for_a_scope_asks_for_it():
    text = challenge(Refuse(Reason.INSUFFICIENT_SCOPE, "id", scope="orders:write read"), "shop")

    assert text == (
        'Bearer realm="shop", error="insufficient_scope", '
        'error_description="The access token lacks a required scope", scope="orders:write read"'
    )


def test_inactive_expired_and_unverifiable_look_alike():
    reasons = [reason for reason in Reason if reason.error == "invalid_token"]

    assert len({challenge(Refuse(reason, "id"), "api") for reason in reasons}) == 1
    assert len(reasons) >= 5
