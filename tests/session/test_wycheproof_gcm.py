"""Wycheproof's AES-GCM vectors for keys, IVs and tags of our lengths, by their own verdict, as values of format v1.

The vectors are not part of this repository; see tests/oauth/test_wycheproof.py for where they are looked for.
"""

import json
import os
from pathlib import Path

import pytest

from phantomgate.core.base64url import base64url_text
from phantomgate.core.errors import Unreadable
from phantomgate.session.keys import KeyRing, SessionKey
from phantomgate.session.sealing import open_sealed

NAME = "aes_gcm_test.json"
FILE = (
    Path(os.environ.get("PHANTOMGATE_WYCHEPROOF", Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"))
    / NAME
)


def vectors():
    if not FILE.is_file():
        why = f"no {NAME}: set PHANTOMGATE_WYCHEPROOF to the folder that holds Wycheproof's vectors"
        return [pytest.param(None, id=NAME, marks=pytest.mark.skip(reason=why))]
    return [
        pytest.param(test, id=f"{test['tcId']}-{test['comment']}")
        for group in json.loads(FILE.read_text(encoding="utf-8"))["testGroups"]
        for test in group["tests"]
        if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128) and not test["aad"] and test["msg"]
    ]


@pytest.mark.parametrize("test", vectors())
def test_a_value_of_format_v1_opens_exactly_when_its_vector_is_valid(test):
    key = bytes.fromhex(test["key"])
    ring = KeyRing((SessionKey(b"id  ", v1=key, v2=key),))
    text = base64url_text(b"\x01" + b"".join(bytes.fromhex(test[part]) for part in ("iv", "ct", "tag")))

    if test["result"] == "invalid":
        with pytest.raises(Unreadable):
            open_sealed(ring, "any", "any", text, legacy=True)
    else:
        assert bytes.fromhex(test["msg"]) == open_sealed(ring, "any", "any", text, legacy=True).plaintext
