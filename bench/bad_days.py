"""Bad days: the authorization server freezes, a machine restarts, a person's tokens are over on every machine.

The peer is ourselves on a good day: the same load with the server well, in turns; the same tokens asked for by a
machine that found nothing in the store. Of a purge there is no peer, only the second that was promised.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from filling import fill
from measure import Broken, Load, interleave, median, ratio, wrk
from ours import ASKED, asked_for, phantomgate, stub
from phantomgate.oauth.purge_call import HEADER, purge_signature
from report import Floor, Report, Run
from servers import Server, ask, free_port, program, serving
from tokens import PREFIX, subject, token, write_tokens

WELL, FROZEN = "server well", "server frozen"
DEADLINE = 2.6
"""Seconds: `introspection.timeout`, half a second's wait for a turn, and a tenth for what is not ours."""
SECRET = "bench-only-secret-of-thirty-two-characters"
MACHINES = 3
SHARED = """
[redis]
nodes = ["127.0.0.1:{redis}"]
secret = "env:BENCH_SHARED"

[revocation]
secret = "env:BENCH_SHARED"
listen = "127.0.0.1:{purges}"
"""


def bad_days(run: Run) -> Report:
    """The three, one after the other."""
    folder = run.folder / "bad_days"
    folder.mkdir()
    count = 1000 if run.smoke else 100_000
    frozen, slowest, missed = _frozen(run, folder)
    warm, took = _shared(run, folder, count)
    throughput = ratio(frozen[FROZEN], frozen[WELL], lambda load: load.per_second)
    cpu = ratio(frozen[FROZEN], frozen[WELL], lambda load: load.total_us)
    rows = [
        *([f"remembered decisions a second, {who}", f"{_a_second(frozen[who]):,.0f}"] for who in (WELL, FROZEN)),
        ["frozen / well, CPU of one", f"{cpu:.2f}"],
        [f"longest wait of {missed} misses, server frozen", f"{slowest:.2f} s"],
        [f"questions after a restart with a warm store, of {count:,} tokens", f"{warm:,}"],
        [f"purge until {MACHINES} machines with {count:,} tokens each refuse, median", f"{1000 * took[0]:.0f} ms"],
        [f"the same, longest of {took[2]}", f"{1000 * took[1]:.0f} ms"],
    ]  # fmt: skip
    floors = [
        Floor("remembered decisions a second, server frozen / well", throughput, 0.95, at_most=False),
        Floor("longest wait of a miss, server frozen, seconds", slowest, DEADLINE, at_most=True),
        Floor("questions after a restart, warm store / cold", warm / count, 0.01, at_most=True),
        Floor("purge seen by all machines, seconds", took[1], 1.0, at_most=True),
    ]
    return Report("bad_days", ["what", "figure"], rows, floors)


def _a_second(loads: list[Load]) -> float:
    return median(loads, lambda load: load.per_second)


def _frozen(run: Run, folder: Path) -> tuple[dict[str, list[Load]], float, int]:
    """Rounds of remembered tokens with the server well and frozen, twenty misses a second beside each.

    And how long the longest of the misses took, and how many there were, while it was frozen.
    """
    write_tokens(folder / "tokens", 1000)
    waits: list[float] = []
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))
        ours = up.enter_context(phantomgate(folder, authority.port))
        fill(ours.port, 1000, run.expires_at, run.say)

        def load() -> Load:
            words = [
                "rotate",
                str(folder / "tokens"),
                "/decide",
                *(f"{name}: {value}" for name, value in ASKED.items()),
            ]
            return wrk(f"http://127.0.0.1:{ours.port}", {"phantomgate": ours.pid}, words, seconds=run.seconds)

        def well() -> Load:
            _until_well(ours)
            with _misses(ours, 200):
                return load()

        def frozen() -> Load:
            _until_well(ours)
            os.kill(authority.pid, signal.SIGSTOP)
            try:
                with _misses(ours, 503) as found:
                    seen = load()
                waits.extend(found)
            finally:
                os.kill(authority.pid, signal.SIGCONT)
            return seen

        loads = interleave({WELL: well, FROZEN: frozen}, run.rounds, run.say)
    return loads, max(waits), len(waits)


def _fresh() -> dict[str, str]:
    return {**ASKED, "Authorization": f"Bearer {PREFIX}{secrets.token_hex(16)}"}


def _until_well(ours: Server) -> None:
    """Wait until the breaker is closed: half a minute at most."""
    deadline = time.monotonic() + 35
    while ask(ours.port, "/decide", _fresh()).status != 200:
        if time.monotonic() > deadline:
            raise Broken("phantomgate asks nobody although the server is well again")
        time.sleep(0.2)


@contextmanager
def _misses(ours: Server, status: int) -> Iterator[list[float]]:
    """A token that nobody has seen every 50 ms while the block runs, and how long each took. Raises Broken."""
    over, waits, wrong = threading.Event(), [], []

    def one() -> None:
        began = time.monotonic()
        answer = ask(ours.port, "/decide", _fresh(), timeout=30)
        waits.append(time.monotonic() - began)
        if answer.status != status:
            wrong.append(answer.status)

    def send() -> None:
        with ThreadPoolExecutor(64) as pool:
            while not over.wait(0.05):
                pool.submit(one)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()
    if wrong:
        raise Broken(f"{len(wrong)} of {len(waits)} misses got {set(wrong)}, expected {status}")


def _shared(run: Run, folder: Path, count: int) -> tuple[int, tuple[float, float, int]]:
    """How many questions a machine asks that starts with a warm store; and of purges, until all machines refuse: the
    median, the longest, and how many there were."""
    redis = free_port()
    with ExitStack() as up:
        authority = up.enter_context(stub(folder, run.expires_at))
        line = [
            program("redis-server"),
            "--port",
            str(redis),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        up.enter_context(serving("redis", line, port=redis, folder=folder, ready=lambda: _pings(redis)))
        shared = {"BENCH_SHARED": SECRET}
        purges = [free_port() for _ in range(MACHINES + 1)]

        def machine(place: int) -> Server:
            more = SHARED.format(redis=redis, purges=purges[place])
            return up.enter_context(phantomgate(folder, authority.port, more=more, secrets=shared))

        def asked() -> int:
            return int(ask(authority.port, "/asked", {}).body)

        run.say(f"  {count:,} tokens that nobody knows, and then by machines that have just started")
        with ExitStack() as first:
            cold = first.enter_context(
                phantomgate(
                    folder, authority.port, more=SHARED.format(redis=redis, purges=purges[MACHINES]), secrets=shared
                )
            )
            fill(cold.port, count, run.expires_at, run.say)
        if asked() < count:
            raise Broken(f"a cold machine asked {asked()} times about {count} tokens")
        before, machines, warm = asked(), [], []
        for place in range(MACHINES):
            machines.append(machine(place))
            fill(machines[-1].port, count, run.expires_at, run.say)
            warm.append(asked() - before)
            before = asked()
        took = [_purged(machines, purges[place % MACHINES], place) for place in range(3 if run.smoke else 15)]
        run.say(f"  purges took {', '.join(f'{1000 * one:.0f}' for one in took)} ms")
        return max(warm), (statistics.median(took), max(took), len(took))


def _pings(port: int) -> bool:
    try:
        return ask(port, "/", {}).status > 0
    except ConnectionRefusedError:
        return False
    except Exception:  # noqa: BLE001 - it is no HTTP server, and it has answered
        return True


def _purged(machines: list[Server], purges: int, number: int) -> float:
    """Seconds from the call that ends all tokens of a person until every machine has refused one of them."""
    while int(time.time()) - _issued(machines[0], number) <= 6:  # what was issued a moment ago may be a new login's
        time.sleep(0.5)
    body = json.dumps({"sub": subject(token(number))}).encode()
    with ThreadPoolExecutor(len(machines)) as pool:
        began = time.monotonic()
        refused = [pool.submit(_until_refused, one, number, began + 30) for one in machines]
        connection = HTTPConnection("127.0.0.1", purges, timeout=10)
        connection.request("POST", "/purge", body, {HEADER: purge_signature(body, SECRET, time.time())})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != 200:
            raise Broken(f"a purge got {answer.status} {said!r}")
        return max(one.result() for one in refused) - began


def _issued(server: Server, number: int) -> int:
    """`iat` of the token, as the stub makes it."""

    jwt = ask(server.port, "/decide", asked_for(number)).headers["authorization"].split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(jwt + "=" * (-len(jwt) % 4)))["iat"])


def _until_refused(server: Server, number: int, deadline: float) -> float:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        while time.monotonic() < deadline:
            connection.request("GET", "/decide", headers=dict(asked_for(number)))
            answer = connection.getresponse()
            answer.read()
            if answer.status == 401:
                return time.monotonic()
            time.sleep(0.002)
        raise Broken("a purged token is still let in after half a minute")
    finally:
        connection.close()
