"""HAProxy with the files of `init`, and an SPOE agent that is wrong: whatever that says or doesn't, nothing gets in."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from interop import echo_api, spoe_stub
from interop.asking import ask
from interop.gateways import BY_NAME, gateway
from interop.processes import until
from interop.spoe_stub import answer, hello
from interop.stubbed import FAULTY, JWT, settings_file
from phantomgate.adapters import spop

pytestmark = pytest.mark.interop


def allow(stream, frame):
    """What phantomgate would say."""
    return answer(stream, frame, status=200, authorization=JWT, x_user="ann", x_tenant="")


def variables(**said):
    """An ACK with these."""
    return lambda stream, frame: answer(stream, frame, **said)


def changed(kind=spop.ACK, flags=None, action=None, cut=0):
    """What phantomgate would say, but for one thing."""

    def says(stream, frame):
        data = bytearray(allow(stream, frame))
        data[4] = kind
        if flags is not None:
            data[8] = flags
        if action is not None:
            first = data.index(b"\x01\x03\x02")
            data[first : first + 3] = action
        return bytes(data[: len(data) - cut])

    return says


def said(data, **more):
    """A stub that says *data* to a request."""
    return {"says": lambda stream, frame: data, **more}


def greeted(data, **more):
    """A stub that says *data* to HELLO."""
    return {"says": allow, "greets": data, **more}


SEEN_AT_ONCE = {
    "closes": said(b"", closes=True),
    "HTTP": said(b"HTTP/1.1 200 OK\r\nAuthorization: Bearer a.b.c\r\n\r\n"),
    "a frame too long": said(b"\x7f\xff\xff\xff"),
    "a fragment": {"says": changed(flags=0), "closes": True},
    "an allow that is cut off": {"says": changed(cut=9), "closes": True},
    "an unknown action": {"says": changed(action=b"\x09\x03\x02")},
    "variables of another scope": {"says": changed(action=b"\x01\x03\x01")},
    "no variables": {"says": variables()},
    "unknown variables": {"says": variables(allowed=1, outcome="allow", http_status=200, x_user="admin")},
    "no status": {"says": variables(authorization=JWT)},
    "no JWT": {"says": variables(status=200)},
    "an empty JWT": {"says": variables(status=200, authorization="")},
    "the client's own token": {"says": variables(status=200, authorization="opaque")},
    "another status": {"says": variables(status=204, authorization=JWT)},
    "a redirect": {"says": variables(status=302, authorization=JWT, location="/elsewhere")},
    "nonsense for a status": {"says": variables(status="OK", authorization=JWT)},
}
CONNECTIONS_A_SECOND = 50
"""As the backend of haproxy.cfg has it."""
WAITED_FOR = {
    "garbage to HELLO": greeted(b"\xff" * 64, closes=True),
    "an older version": greeted(hello(version="1.0")),
    "a newer version": greeted(hello(version="3.0")),
    "an ACK to HELLO": greeted(allow(0, 0)),
    "closes at HELLO": greeted(b"", closes=True),
    "silent at HELLO": greeted(b""),
    "silent": said(b""),
    "garbage": said(b"\0\0\0\x40" + b"\xff" * 64),
    "an unknown kind of frame": {"says": changed(kind=77)},
    "half an answer": {"says": changed(cut=9)},
    "an answer to another request": {"says": lambda stream, frame: allow(stream + 1, frame)},
    "an answer to another question": {"says": lambda stream, frame: allow(stream, frame + 1)},
}
"""What HAProxy passes over or tries anew, until its `timeout processing`."""


@pytest.fixture
def started(tmp_path):
    """(the API, starts an HAProxy in front of it: its stub and its port)."""
    with ExitStack() as stack:
        api = stack.enter_context(echo_api.running())

        def start(name):
            stub = stack.enter_context(spoe_stub.running())
            binary, folder = BY_NAME["HAProxy, SPOE"], tmp_path / name
            folder.mkdir()
            settings = settings_file(folder, stub.port, FAULTY, source=binary.source)
            return stub, stack.enter_context(gateway(binary, settings, api.port)).port

        yield api, start


def test_a_wrong_answer_lets_nothing_in_and_the_next_right_one_does(started):
    api, start = started
    stub, port = start("one")
    for name, wrong in SEEN_AT_ONCE.items():
        stub.becomes(**wrong)

        def refused(seen=stub, name=name):
            assert (503, []) == (ask(port, token="opaque").status, api.requests), name
            return seen.seen  # a connection that was just ended may take the first question with it

        until(refused, f"{name}: to be asked")
        stub.becomes(allow)
        assert 200 == ask(port, token="opaque").status, f"after {name}"
        assert JWT == dict(api.requests.pop()[2])["authorization"]


def test_an_agent_that_gets_to_no_answer_lets_nothing_in_and_one_that_is_late_nobody_else(started):
    api, start = started
    stubs, ports = {}, {}
    for name, wrong in WAITED_FOR.items():
        stubs[name], ports[name] = start(name)
        stubs[name].becomes(**wrong)
    with ThreadPoolExecutor(len(ports)) as pool:
        answers = dict(zip(ports, pool.map(lambda port: ask(port, token="opaque").status, ports.values()), strict=True))
    assert (dict.fromkeys(WAITED_FOR, 503), []) == (answers, api.requests)
    silent = stubs["silent"]
    until(lambda: silent.seen or ask(ports["silent"], token="opaque") is None, "the silent one to be asked")
    stream, frame = silent.seen[-1]
    silent.says = lambda *ids: allow(stream, frame) + answer(*ids, status=401, body="{}")
    assert (401, []) == (ask(ports["silent"], token="another").status, api.requests)


def test_an_agent_that_greets_wrongly_is_not_tried_thousands_of_times(started):
    _, start = started
    stub, port = start("one")
    stub.becomes(**WAITED_FOR["an older version"])
    began = time.monotonic()
    assert 503 == ask(port, token="opaque").status
    assert 1 < stub.greeted <= 2 * CONNECTIONS_A_SECOND * (time.monotonic() - began + 1)


def test_nothing_of_one_request_is_left_for_the_next_on_its_connection(started):
    api, start = started
    stub, port = start("one")
    stub.becomes(allow)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for says, status in ((allow, b"200"), (variables(status=200), b"503")):
            stub.says = says
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer opaque\r\n\r\n")
            assert b"HTTP/1.1 " + status == client.recv(12, socket.MSG_WAITALL)
            until(lambda: b"}" in client.recv(65536), "the answer to end")
    assert 1 == len(api.requests)
