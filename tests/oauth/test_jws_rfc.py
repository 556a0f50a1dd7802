"""The examples of RFC 7515, RFC 7520 and RFC 8037, byte for byte."""

import json
from pathlib import Path

import pytest

from phantomgate.oauth.algorithms import ALGORITHMS
from phantomgate.oauth.jwks import read_key_set
from phantomgate.oauth.jws import verify_jws
from signing import key_set_body, refusal

FOLDER = Path(__file__).parent.parent / "vectors" / "rfc"
VECTORS = [
    pytest.param(vector, id=vector["source"])
    for path in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("vector", VECTORS)
def test_an_example_of_the_rfc(vector):
    jwks = [vector["jwk"]] if vector["jwk"] else []
    allowed = [vector["alg"]] if vector["alg"] in ALGORITHMS else sorted(ALGORITHMS)
    key_set = read_key_set(key_set_body(*jwks), allowed)

    if vector["verdict"] == "good":
        assert vector["payload"] == verify_jws(vector["jws"], key_set)[1].decode()
        assert () == key_set.skipped
    else:
        assert f"alg is '{vector['alg']}', want one of " in refusal(verify_jws, vector["jws"], key_set).detail


def test_all_examples_are_here():
    assert 10 == len(VECTORS)
