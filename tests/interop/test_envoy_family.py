"""Envoy does what those of its own write into x-envoy-*, and from loopback, too, nobody is one of them."""

from __future__ import annotations

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.test_contract import arrived
from interop.test_contract_faults import FAULTY, JWT

pytestmark = pytest.mark.interop


def test_what_a_client_writes_for_envoy_itself_goes_nowhere(tmp_path):
    binary, settings = BY_NAME["Envoy"], tmp_path / "phantomgate.toml"
    own = [("X-Envoy-Retry-On", "5xx"), ("X-Envoy-Upstream-Rq-Timeout-Ms", "1"), ("X-Envoy-Internal", "true")]
    with decision_stub.running() as stub, echo_api.running() as api:
        stub.says(200, ("Authorization", JWT), ("X-User", "ann"), ("X-Tenant", ""))
        settings.write_text(FAULTY.format(port=stub.port, source=binary.source))
        with gateway(binary, settings, api.port) as running:
            assert 200 == ask(running.port, "/orders", *own, token="opaque").status
        names = set(arrived(api))
    assert not {"x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms", "x-envoy-internal"} & names
