"""Wycheproof's AES-GCM vectors for keys, IVs and tags of our lengths, by their own verdict, as values of format v1."""

import pytest

from phantomgate.core.base64url import base64url_text
from phantomgate.core.errors import Unreadable
from phantomgate.session.keys import KeyRing, SessionKey
from phantomgate.session.sealing import open_sealed
from wycheproof import vectors


def of_ours(group):
    return (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)


@pytest.mark.parametrize(("group", "test"), vectors("aes_gcm_test.json", of_ours))
def test_a_value_of_format_v1_opens_exactly_when_its_vector_is_valid(group, test):
    """v1 authenticates nothing besides and always seals something, so the other vectors must not open."""
    key = bytes.fromhex(test["key"])
    ring = KeyRing((SessionKey(b"id  ", v1=key, v2=key),))
    text = base64url_text(b"\x01" + b"".join(bytes.fromhex(test[part]) for part in ("iv", "ct", "tag")))

    if test["result"] == "invalid" or test["aad"] or not test["msg"]:
        with pytest.raises(Unreadable):
            open_sealed(ring, "any", "any", text, legacy=True)
    else:
        assert bytes.fromhex(test["msg"]) == open_sealed(ring, "any", "any", text, legacy=True).plaintext
