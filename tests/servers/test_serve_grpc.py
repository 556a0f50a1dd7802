"""`phantomgate serve` with `protocol = "grpc"`, several workers on one port, and grpcio's client: real processes."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest

from phantomgate.adapters.envoy import METHOD, SERVICE
from servers.process import serving, settings
from servers.test_grpc import asked, status

grpc = pytest.importorskip("grpc")

CHANNELS = 16
"""With so many connections, that all fall to one of two workers happens once in 30 000 times, and is tried again."""
PATIENT = 60.0


@contextmanager
def two_workers(folder, endpoint):
    """The service, when both workers are there."""
    with serving(folder, settings(endpoint, protocol='"grpc"', workers=2)) as service:
        service.until(lambda: service.until_ready().metrics()["phantomgate_workers"] == 2)
        yield service


@contextmanager
def callers(service, number=CHANNELS):
    """As many checks to call, each on a connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 100)]
    channels = [grpc.insecure_channel(service.started["listen"], own) for _ in range(number)]
    try:
        yield [channel.unary_unary(f"/{SERVICE}/{METHOD}") for channel in channels]
    finally:
        for channel in channels:
            channel.close()


def sockets(pid):
    """How many sockets a process has."""
    links = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(link.startswith("socket:") for link in links)


@contextmanager
def spread(service):
    """Callers whose connections have fallen to both workers."""
    for _ in range(10):
        before = {pid: sockets(pid) for pid in service.workers}
        with callers(service) as checks:
            assert {200} == {status(check(asked("good"), timeout=PATIENT)) for check in checks}
            if all(sockets(pid) > count for pid, count in before.items()):
                yield checks
                return
    raise AssertionError("all connections fell to one worker, ten times")


def test_each_worker_answers_and_a_killed_one_ends_no_service(endpoint, tmp_path):
    with two_workers(tmp_path, endpoint) as service, spread(service) as checks:
        killed, left = service.workers
        os.kill(killed, signal.SIGKILL)
        service.until(lambda: service.lines("worker_died"))
        with callers(service, 4) as new:
            assert {200} == {status(check(asked("good"), timeout=PATIENT, wait_for_ready=True)) for check in new}
        assert {200} == {status(check(asked("good"), timeout=PATIENT, wait_for_ready=True)) for check in checks}
        service.until(lambda: service.metrics()["phantomgate_workers"] == 2)
        assert left in service.workers
        assert {401} == {status(check(asked("bad"), timeout=PATIENT, wait_for_ready=True)) for check in checks}
        assert 0 == service.end()


def test_on_sigterm_every_worker_answers_what_it_was_asked(endpoint, go_on, tmp_path):
    with two_workers(tmp_path, endpoint) as service, spread(service) as checks:
        calls = [check.future(asked("held"), timeout=PATIENT) for check in checks]
        service.until(lambda: service.metrics()["phantomgate_in_flight"] == len(calls))
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.lines("draining"))
        go_on.set()
        assert {200} == {status(call.result()) for call in calls}
        assert 0 == service.process.wait(PATIENT)
        assert [] == service.lines("worker_died")
        assert ["draining", "stopped"] == [line["event"] for line in service.lines()[-2:]]


def test_an_end_that_takes_too_long_is_an_error_to_the_caller_and_no_yes(endpoint, go_on, tmp_path):
    text = settings(endpoint, protocol='"grpc"', drain='"200ms"')
    with serving(tmp_path, text) as service, callers(service.until_ready(), 1) as (check,):
        call = check.future(asked("held"), timeout=PATIENT)
        service.until(lambda: service.metrics()["phantomgate_in_flight"] == 1)
        assert 0 == service.end()
        assert call.exception().code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
