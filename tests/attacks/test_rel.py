"""REL: the same decisions in bad times: no clock, no server, no memory, no disk, and every exception there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from attacks import decisions
from attacks.authority import Answer, as_json, as_jwt, jwt, segment
from attacks.cases import attack
from attacks.harness import TOKEN, Reply, assert_allowed, assert_refused
from phantomgate.core.errors import Reason, Refused
from phantomgate.core.model import Allow

NOW = 1_800_000_000
UNTIL = NOW + 300


@attack("REL-002")
def test_a_server_that_fails_half_the_time_is_blamed_for_it_and_asked_a_tenth_more_at_most(case, serve, authority):
    authority.issue(TOKEN, exp=UNTIL)
    failing = iter([True, False, False, True, True, False, True, False] * 50)
    authority.says = lambda asked: Answer(503) if next(failing) else None
    gate = serve(caching={"max_age": 0.0}, resilience={"breaker": False})
    statuses = Counter(gate.bearer().status for _ in range(200))
    assert {200, 503} == set(statuses)  # never 401
    assert 100 < statuses[200]  # what was tried again helped somebody
    assert 200 < len(authority.asked) <= 220


@attack("REL-002")
def test_a_server_that_fails_half_the_time_is_left_alone_for_a_while(case, serve, authority):
    authority.issue(TOKEN, exp=UNTIL)
    failing = iter([True, False, True, False] * 100)
    authority.says = lambda asked: Answer(503) if next(failing) else None
    gate = serve(caching={"max_age": 0.0})
    statuses = Counter(gate.bearer().status for _ in range(200))
    assert {200, 503} == set(statuses)
    assert 20 <= len(authority.asked) <= 30  # then the breaker is open, and the clock stands still


@attack("REL-006")
@pytest.mark.parametrize(
    ("skew", "claims", "status"),
    [
        (+300, {"exp": UNTIL}, 401),  # our clock is five minutes ahead: expired
        (+299, {"exp": UNTIL}, 200),
        (-300, {"exp": UNTIL}, 200),
        (-300, {"exp": UNTIL, "iat": NOW}, 401),  # behind: issued in our future
        (-300, {"exp": UNTIL, "nbf": NOW}, 401),
        (-5, {"exp": UNTIL, "iat": NOW, "nbf": NOW}, 200),
        (-6, {"exp": UNTIL, "iat": NOW, "nbf": NOW}, 401),
        (+300, {"exp": UNTIL + 300, "iat": NOW, "nbf": NOW}, 200),
    ],
)
def test_another_clock_than_ours_gets_five_seconds_and_exp_none(case, skew, claims, status, serve, authority):
    token = authority.issue(TOKEN, **claims)
    gate = serve()
    gate.clock.wall += skew
    reply = gate.bearer()
    if status == 200:
        assert_allowed(reply, token)
        assert int(reply.one("x-accel-expires")) == min(claims["exp"] - NOW - skew, 300)
    else:
        assert_refused(reply, 401, "invalid_token")


@attack("REL-008")
@pytest.mark.parametrize(
    "answer",
    [
        as_jwt(jwt({"exp": UNTIL, "pad": "a" * (1 << 20)})),
        as_jwt("a" * 65536),
        as_jwt("." * 65536),
        as_jwt("a." * 32768),
        as_jwt(f"{segment({'alg': 'RS256'})}.{segment(b'[' * 48000)}.x"),
        as_jwt(f"{segment({'alg': 'RS256'})}.{segment(b'{' + b' ' * 48000)}.x"),
        Answer(200, '{"active":' + "[" * 60000, "application/json"),
        Answer(200, '{"a":' * 13000, "application/json"),
        Answer(200, '{"active":true,"n":' + "9" * 60000 + "}", "application/json"),
        Answer(200, '{"active":true,"n":1e' + "9" * 60000 + "}", "application/json"),
        Answer(200, '"' + "\\u0061" * 10000, "application/json"),
        as_json({"active": True, "jwt": "a" * 65000}),
        as_json({"active": True, **{f"k{number}": number for number in range(4000)}}),
    ],
    ids=range(13),
)
def test_a_large_or_deep_answer_is_refused_by_its_size_or_shape(case, answer, serve, authority):
    authority.says = answer
    assert_refused(serve().bearer(), 502, "bad_gateway")


# -- the matrix ------------------------------------------------------------------------------------------------------

VARIANTS = {
    "as it is": ([], {}),
    "-O": (["-O"], {}),
    "-OO": (["-OO"], {}),
    "hash seed 0": ([], {"PYTHONHASHSEED": "0"}),
    "hash seed 4294967295": ([], {"PYTHONHASHSEED": "4294967295"}),
    "locale C": ([], {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "Turkish": ([], {"LC_ALL": "tr_TR.UTF-8"}),
    "-X dev": (["-X", "dev"], {}),
}
NO_NETWORK = """
import sys
def refuse(event, args):
    if event.startswith("socket.") and event != "socket.__new__" or event in ("os.system", "subprocess.Popen"):
        raise RuntimeError(f"{event} although nothing was asked for")
sys.addaudithook(refuse)
import runpy
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def run_decisions(*command: str, **environ: str) -> dict[str, object]:
    """What the fixed set of decisions comes to in a Python of its own."""
    path = [str(folder) for folder in sys.path if folder]
    run = subprocess.run(
        [sys.executable, *command],
        env={"PYTHONPATH": ":".join(path), **environ},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert 0 == run.returncode, run.stderr
    return json.loads(run.stdout)


PROGRAM = decisions.__file__
assert PROGRAM is not None


@pytest.fixture(scope="module")
def here():
    """The decisions in this process."""
    return json.loads(json.dumps(decisions.everything()))


@attack("REL-011")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_decisions_under_every_way_to_start_python(case, variant, here):
    options, environ = VARIANTS[variant]
    assert here == run_decisions(*options, PROGRAM, **environ)


@attack("REL-011")
def test_the_decision_path_needs_no_network_to_be_imported_or_to_decide(case, here):
    assert here == run_decisions("-c", NO_NETWORK, PROGRAM)


@attack("REL-011")
def test_no_check_is_an_assert(case):
    sources = Path(decisions.outcome.__globals__["Gateway"].__module__.replace(".", "/"))
    assert sources.name == "gateway"
    package = Path(sys.modules["phantomgate"].__file__ or "").parent
    found = [
        f"{file.relative_to(package)}:{number}"
        for file in package.rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.lstrip().startswith("assert ")
    ]
    assert [] == found


@attack("REL-011")
def test_the_fixed_decisions_are_the_right_ones(case, here):
    """So that "the same" above means something: what is good is allowed, and only that."""
    allowed = sorted(name for name, ended in here["decisions"].items() if ended.startswith("allowed"))
    assert [
        "another audience: PATCH /any/1 'Bearer opaque'",
        "another issuer: GET /read/1 'Bearer  opaque'",
        "another issuer: GET /read/1 'Bearer opaque'",
        "good json: GET /read/1 'Bearer  opaque'",
        "good json: GET /read/1 'Bearer opaque'",
        "good json: PATCH /any/1 'Bearer opaque'",
        "good json: POST /write/1 'Bearer opaque'",
        "good: GET /read/1 'Bearer  opaque'",
        "good: GET /read/1 'Bearer opaque'",
        "good: PATCH /any/1 'Bearer opaque'",
        "odd audience: PATCH /any/1 'Bearer opaque'",
    ] == allowed
    statuses = {
        "inactive": "401 inactive", "inactive json": "401 inactive", "expired": "401 expired",
        "no exp": "401 invalid_token",
        "exp true": "401 invalid_token", "not yet": "401 invalid_token", "odd audience": "401 invalid_token",
        "odd scope": "401 invalid_token", "bound": "401 bound_token", "unsigned": "502 bad_answer",
        "another audience": "401 wrong_audience", "statement": "502 bad_answer", "html": "502 bad_answer",
        "active twice": "502 bad_answer",
        "active 1": "502 bad_answer", "no jwt": "502 bad_answer", "NaN": "502 bad_answer",
        "deep": "502 bad_answer", "surrogate": "502 bad_answer", "client refused": "502 client_refused",
        "busy": "503 unavailable", "trouble": "503 unavailable", "moved": "502 bad_answer",
    }  # fmt: skip
    for name, status in statuses.items():
        assert f"refused {status}" == here["decisions"][f"{name}: GET /read/1 'Bearer opaque'"], name


ENDS = {"CancelledError", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "BaseExceptionGroup", "ForeignBase"}
"""What is not for us to answer: it is passed on, and whoever called closes without an answer."""


@attack("REL-012")
def test_every_fault_at_every_point_is_a_refusal_of_the_right_status(case, here):
    rows = here["faults"]
    assert 1000 < len(rows)
    assert set(decisions.POINTS) == {point for point, *_ in rows}
    labels = {reason.label: f"refused {reason.status} {reason.label}" for reason in Reason}
    for point, fault, state, ended in rows:
        kind, _, label = fault.partition(" ")
        if kind in ENDS:
            assert f"raised {kind}" == ended, (point, fault, state)
        elif kind in ("Refused", "Unavailable") and point != "observe":
            if point == "cache.get" and state == "fresh":
                pass  # a store has no business refusing, but what it says is a refusal all the same
            assert labels[label] == ended, (point, fault, state)
        else:
            assert "refused 500 server_error" == ended, (point, fault, state)


@attack("REL-012")
def test_a_refusal_that_can_not_be_given_an_id_is_no_answer_and_no_allow(case, here):
    assert all(ended.startswith("raised ") for ended in here["ids"].values())


# SystemExit and KeyboardInterrupt end the process, and with it the connection.
ON_THE_WIRE = [fault for fault in decisions.FAULTS if not isinstance(fault(), (SystemExit, KeyboardInterrupt, Refused))]


@attack("REL-012")
@pytest.mark.parametrize("point", ["find", "forward", "observe", "policies", "match"])
@pytest.mark.parametrize("fault", ON_THE_WIRE)
def test_on_the_wire_a_fault_is_an_answer_that_refuses_or_a_closed_connection(case, point, fault, serve, authority):
    """In the real listener, too: whatever is raised, and whether or not it had to be waited for."""
    authority.issue(TOKEN, exp=UNTIL)
    gate = serve()
    failing = decisions.Failing(fault)
    broken = {"policies": (failing,)} if point == "policies" else {point: failing}
    reply = break_and_ask(gate, broken)
    assert reply.status in (0, 500)
    assert b"Bearer ey" not in reply.raw
    assert not any(isinstance(seen.decision, Allow) for seen in gate.seen)


def break_and_ask(gate, broken: dict[str, object]) -> Reply:
    gate.listener.gateway = replace(gate.listener.gateway, **broken)
    gate.loop.loop.call_soon_threadsafe(gate.loop.loop.set_exception_handler, lambda loop, context: None)
    try:
        return gate.bearer()
    finally:
        gate.loop.loop.call_soon_threadsafe(gate.loop.loop.set_exception_handler, None)
