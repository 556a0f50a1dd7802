"""Split tokens in a service as people run it: pushed over HTTP, decided by a worker, forgotten with it."""

from __future__ import annotations

import base64
import json
import time
from hashlib import sha256
from http.client import HTTPConnection
from urllib.parse import quote, urlencode

import pytest

from interop.asking import ask
from interop.phantomgate_server import phantomgate
from issuing import ISS, jwk, signed
from ports import free_port

SECRET = "a-secret-for-the-pusher"
SETTINGS = """
[[issuers]]
name = "main"
issuer = "{issuer}"
mode = "split"
audiences = ["api"]
algorithms = ["ES256"]
jwks = {keys}

[split_tokens]
secret = "env:PUSH_SECRET"
listen = "127.0.0.1:{port}"
"""


def push(port, method, path, body="", secret=SECRET):
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {secret}"})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def token():
    return signed(iat=int(time.time()), exp=int(time.time()) + 300)


def test_a_token_lives_from_its_push_to_its_deletion(tmp_path, token):
    port = free_port()
    key = jwk("k1")
    keys = f"{{ keys = [{{ {', '.join(f'{name} = {json.dumps(value)}' for name, value in key.items())} }}] }}"
    half, _, signature = token.rpartition(".")
    name = base64.b64encode(sha256(signature.encode()).digest()).decode()
    form = urlencode({"signatureHash": name, "token": half, "expiration": "300"})
    text = SETTINGS.format(issuer=ISS, keys=keys, port=port)
    with phantomgate(tmp_path, text, environ={"PUSH_SECRET": SECRET}) as gate:
        decide = lambda: ask(int(gate.listen.rpartition(":")[2]), "/exchange", token=signature)  # noqa: E731
        assert decide().status == 401
        assert push(port, "POST", "/split-tokens", form, secret="wrong") == 401
        assert decide().status == 401
        assert push(port, "POST", "/split-tokens", form) == 204
        answer = decide()
        assert (answer.status, answer.json["access_token"]) == (200, token)
        assert push(port, "DELETE", f"/split-tokens/{quote(name, safe='')}") == 204
        assert decide().status == 401
        assert gate.metric("phantomgate_cache_total", level="split", result="hit") == 1
        assert SECRET not in gate.log.read_text()
        assert signature not in gate.log.read_text()
