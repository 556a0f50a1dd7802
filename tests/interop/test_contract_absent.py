"""The contract's cases of a decision service that hangs, and of one that isn't there: at all gateways at a time.

Rule: each waits for seconds, so they wait together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from interop import decision_stub, echo_api
from interop.asking import ask
from interop.gateways import BINARIES, gateway
from interop.needs import SERVERS, needs
from interop.stubbed import FAULTY, settings_file

pytestmark = pytest.mark.interop

HERE = [binary for binary in BINARIES if all(SERVERS[name]() for name in binary.needs)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(decision stub that hangs, API, (binary, port) of each gateway)."""
    with ExitStack() as stack, ExitStack() as decision:
        api = stack.enter_context(echo_api.running())
        stub = decision.enter_context(decision_stub.running())
        stub.says(401)
        gateways = []
        for binary in HERE:
            settings = settings_file(tmp_path_factory.mktemp("settings"), stub.port, FAULTY, source=binary.source)
            gateways.append((binary, stack.enter_context(gateway(binary, settings, api.port)).port))
        api.requests.clear()
        yield stub, decision, api, gateways


def asked(gateways):
    """(binary, status) of all that were asked at once."""
    with ThreadPoolExecutor(len(gateways)) as pool:
        return [*pool.map(lambda one: (one[0], ask(one[1], token="opaque").status), gateways)]


def test_a_decision_service_that_is_not_there_or_never_answers_lets_nothing_in(world, contract):
    stub, decision, api, gateways = world
    for binary, _ in gateways:
        if binary.patient:
            contract.record(
                binary.name, binary.version(), "decision: never answers", f"not run: waits {binary.patient} s"
            )
    stub.hang()
    seen = [("decision: never answers", *one) for one in asked([one for one in gateways if not one[0].patient])]
    decision.close()
    seen += [("decision: not there", *one) for one in asked(gateways)]
    assert [] == api.requests
    assert [] == [one for one in seen if one[2] < 500]
    for case, binary, status in seen:
        contract.record(binary.name, binary.version(), case, str(status))
    needs(*(name for binary in BINARIES for name in binary.needs))
