"""Each fault at each point ends in a refusal of the right status: at the authorization server, and in every slot."""

import ast
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fault_gateway
import phantomgate
from fault_gateway import ACTIVE, SECRET, SLOTS, TOKEN, asking, broken, faulty, request
from faults import FAULTS, PATIENT, FaultyServer, answers, closes_at_once
from phantomgate.adapters.refusal import write_refusal
from phantomgate.backends import blocking
from phantomgate.backends.blocking import finish
from phantomgate.backends.nonblocking import SingleFlight
from phantomgate.core.errors import Reason
from phantomgate.core.model import Allow, Refuse
from phantomgate.testing import on_a_loop

BOTH = ("blocking", "uvloop")


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_authorization_server_is_a_refusal_of_the_right_status(which, name):
    with faulty(name) as (server, url, timeout), asking(which, url, timeout) as ask:
        refused = ask()

        assert isinstance(refused, Refuse)
        status, headers, body = write_refusal(refused, "api")
        assert status == (503 if FAULTS[name].reason is Reason.UNAVAILABLE else 502)
        assert ("Retry-After" in dict(headers)) == (status == 503)
        assert "WWW-Authenticate" not in dict(headers)
        told = f"{body!r} {headers!r} {refused!r} {refused.detail} {refused.cause!r}"
        assert TOKEN not in told
        assert SECRET not in told
        if FAULTS[name].behave:
            assert isinstance(ask(), Allow), "the refusal was remembered"
            assert isinstance(ask(), Allow)
            assert server.connections == 2


def says(status: int, *fields: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 %d x" % status, b"Content-Length: %d" % len(body), *fields, b"", body])


@pytest.mark.parametrize("which", BOTH)
@pytest.mark.parametrize(
    ("answer", "status", "retry_after"),
    [
        (says(204), 401, None),
        (says(302, b"Location: http://127.0.0.1:{elsewhere}/"), 502, None),
        (says(307, b"Location: http://127.0.0.1:{elsewhere}/"), 502, None),
        (says(401, b"WWW-Authenticate: Basic"), 502, None),
        (says(403), 502, None),
        (says(404), 502, None),
        (says(407), 502, None),
        (says(429, b"Retry-After: 7"), 503, 7),
        (says(500), 503, 5),
        (says(503, b"Retry-After: 999"), 503, 60),
        (says(200, b"Content-Type: text/html", body=b"<html>login</html>"), 502, None),
        (says(200, b"Content-Type: application/jwt"), 502, None),
        (says(200, b"Content-Type: application/json", body=b'{"active": false}'), 401, None),
        (says(200, b"Content-Type: application/json", body=b'{"active": "true"}'), 502, None),
        (ACTIVE[:-40].replace(b"Content-Length: ", b"Content-Length: 1\r\nX-Was: "), 502, None),
    ],
)
def test_an_answer_that_is_no_permission_is_a_refusal_of_the_right_status(which, answer, status, retry_after):
    with FaultyServer(closes_at_once) as elsewhere:
        answer = answer.replace(b"{elsewhere}", str(elsewhere.port).encode())
        with FaultyServer(answers(answer)) as server, asking(which, server.url, PATIENT) as ask:
            refused = ask()

        assert (refused.reason.status, refused.retry_after) == (status, retry_after)
        assert elsewhere.connections == 0


@pytest.mark.parametrize("which", BOTH)
def test_without_a_fault_the_request_is_allowed(which):
    """So that the tests above refuse for their own reasons."""
    with FaultyServer(answers(ACTIVE)) as server, asking(which, server.url, PATIENT) as ask:
        assert isinstance(ask(), Allow)
        assert f"token={TOKEN}".encode() in server.requests[0]


ERRORS = (
    TimeoutError(), ValueError(SECRET), MemoryError(), OSError(5, SECRET), KeyError(TOKEN), AssertionError(SECRET),
    RecursionError(), UnicodeDecodeError("ascii", TOKEN.encode(), 0, 1, "x"), StopIteration(), StopAsyncIteration(),
    ArithmeticError(), ImportError(), ConnectionResetError(), ExceptionGroup(TOKEN, [ValueError()]),
)  # fmt: skip
ENDS = (asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(0), GeneratorExit())


def kind(error):
    return type(error).__name__


@pytest.fixture
def once(drive):
    return blocking.SingleFlight() if drive is finish else SingleFlight()


@pytest.mark.parametrize("slot", [slot for slot in SLOTS if slot != "new_id"])
@pytest.mark.parametrize("error", ERRORS, ids=kind)
def test_a_bug_in_any_slot_is_our_own_fault(drive, once, slot, error):
    refused = drive(broken(slot, error, once).decide(request()))

    assert isinstance(refused, Refuse)
    assert (refused.reason.status, refused.retry_after) == (500, None)
    told = f"{refused!r} {refused.detail} {write_refusal(refused, 'api')}"
    assert TOKEN not in told
    assert SECRET not in told


def outcome(drive, made):
    """What `decide` gives or raises."""
    try:
        return drive(made.decide(request()))
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it is what we ask about
        return raised


@pytest.mark.parametrize("error", ERRORS, ids=kind)
def test_a_refusal_that_can_not_be_named_is_no_permission(drive, once, error):
    """Without an id there is nothing to answer with; that it raises makes the caller close without an answer."""
    assert isinstance(outcome(drive, broken("new_id", error, once)), (type(error), RuntimeError, Refuse))


@pytest.mark.parametrize("slot", ["match", "find", "resolver", "first policy", "last policy", "forward", "observe",
                                  "new_id", "cache get", "once"])  # fmt: skip
@pytest.mark.parametrize("end", ENDS, ids=kind)
def test_an_end_in_any_slot_goes_on_to_whoever_called(drive, once, slot, end):
    with pytest.raises(type(end)):
        drive(broken(slot, end, once).decide(request()))


@pytest.mark.parametrize("slot", ["http", "cache put"])
@pytest.mark.parametrize("end", ENDS, ids=kind)
def test_an_end_in_a_shared_call_ends_or_refuses_those_who_share_it(drive, once, slot, end):
    """On a loop the call has a task of its own, whose end is not its callers': for them there is no answer."""
    found = outcome(drive, broken(slot, end, once))

    if isinstance(found, Refuse):
        assert drive is on_a_loop
        assert (found.reason, found.retry_after) == (Reason.UNAVAILABLE, 5)
    else:
        assert isinstance(found, type(end))


def test_optimised_python_decides_alike():
    folder = Path(__file__).parent
    path = os.pathsep.join([str(Path(phantomgate.__file__).parents[1]), str(folder)])
    done = subprocess.run(
        [sys.executable, "-O", str(folder / "fault_gateway.py")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=True,
        timeout=600,
    )

    optimised, plain = json.loads(done.stdout), fault_gateway.verdicts()

    assert (optimised.pop("optimised"), plain.pop("optimised")) == ("True", "False")
    assert optimised == plain
    assert {verdict for verdict in plain.values() if not verdict.endswith(", allowed")} <= {
        "503, 503", "500", "ZeroDivisionError", "ValueError"
    }  # fmt: skip


def test_no_check_of_ours_is_an_assert_statement():
    """`python -O` drops those."""
    asserting = [
        f"{file}:{node.lineno}"
        for file in Path(phantomgate.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Assert)
    ]

    assert asserting == []
