"""Writes envoy.json beside it, for tests/adapters/test_envoy.py: messages as protobuf makes them of Envoy's own
definitions, all of them.

    pip install xds-protos && python tests/vectors/envoy_messages.py     (in an environment of its own)
"""

from __future__ import annotations

import json
from pathlib import Path

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse
from google.rpc.status_pb2 import Status

ASKED = [
    (":method", "POST"), (":path", "/orders/17?page=2"), (":authority", "api.example"), (":scheme", "https"),
    ("authorization", "Bearer opaque"), ("x-mine", "kept"),
]  # fmt: skip


def request(*, raw: bool) -> bytes:
    """A CheckRequest with everything that Envoy fills in."""
    message = CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = "192.0.2.1"
    attributes.source.address.socket_address.port_value = 50000
    attributes.source.principal = "spiffe://example/client"
    attributes.destination.address.socket_address.address = "192.0.2.2"
    attributes.destination.labels["app"] = "api"
    attributes.request.time.seconds = 1_800_000_000
    http = attributes.request.http
    http.id, http.method, http.path = "17", "POST", "/orders/17?page=2"
    http.host, http.scheme, http.protocol, http.size = "api.example", "https", "HTTP/1.1", -1
    if raw:
        for name, value in [*ASKED, ("x-twice", "one"), ("x-twice", "two")]:
            http.header_map.headers.add(key=name, raw_value=value.encode())
    else:
        http.headers.update([*ASKED, ("x-twice", "one,two")])
    attributes.context_extensions["route"] = "r"
    attributes.metadata_context.filter_metadata["a"].update({"b": 1})
    attributes.tls_session.sni = "api.example"
    return message.SerializeToString(deterministic=True)


def _set(name: str, value: str) -> HeaderValueOption:
    overwrite = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=overwrite, keep_empty_value=True)


def allow() -> CheckResponse:
    """An allow with headers to set and remove, one for the client, and the claims as metadata."""
    said = OkHttpResponse(
        headers=[_set("authorization", "Bearer a.b.c"), _set("x-user", "ann"), _set("x-tenant", "")],
        headers_to_remove=["x_user", "x-http-method-override", "x-real-ip", "x_forwarded_for"],
        response_headers_to_add=[_set("vary", "Origin")],
    )
    message = CheckResponse(status=Status(), ok_response=said)
    claims = {"sub": "ann", "n": 1, "f": 1.5, "ok": True, "z": None, "l": ["x", {"y": "z"}]}
    message.dynamic_metadata.update({"phantomgate": "allowed", "claims": claims, "issuer": "main"})
    return message


def denied(code: int, status: int, body: str, *headers: tuple[str, str]) -> CheckResponse:
    """A refusal, or an answer in the API's place."""
    said = DeniedHttpResponse(headers=[_set(*pair) for pair in headers], body=body)
    said.status.code = status
    return CheckResponse(status=Status(code=code), denied_response=said)


SAID = "The access token is invalid, expired or revoked"
REFUSAL = {"error": "invalid_token", "error_description": SAID, "decision": "id-1"}
RESPONSES = {
    "allow": allow(),
    "refuse": denied(
        16, 401, json.dumps(REFUSAL), ("content-type", "application/json"), ("cache-control", "no-store"),
        ("www-authenticate", f'Bearer realm="api", error="invalid_token", error_description="{SAID}"'),
    ),
    "answer": denied(7, 204, "", ("access-control-max-age", "60")),
}  # fmt: skip

if __name__ == "__main__":
    made = {
        "requests": {name: request(raw=name == "raw").hex() for name in ("map", "raw")},
        "responses": {name: message.SerializeToString(deterministic=True).hex() for name, message in RESPONSES.items()},
    }
    Path(__file__).with_name("envoy.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
