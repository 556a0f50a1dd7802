"""REL for `phantomgate serve` as a process: an end under load, too few descriptors, no disk."""

from __future__ import annotations

import http.client
import resource
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attacks.authority import Asked, Authority
from attacks.cases import attack
from servers.process import UnixConnection, serving, settings


@pytest.fixture
def authority():
    """An authorization server that knows a hundred tokens, and keeps those who ask for a held one waiting."""
    authority = Authority()
    for number in range(100):
        authority.issue(f"good-{number}", sub="alice", scope="read", exp=int(time.time()) + 300)
        authority.issue(f"held-{number}", sub="alice", scope="read", exp=int(time.time()) + 300)
    authority.go = threading.Event()

    def says(asked: Asked) -> None:
        if asked.token.startswith("held"):
            authority.go.wait(60)

    authority.says = says
    yield authority
    authority.go.set()
    authority.close()


@attack("REL-004")
@pytest.mark.parametrize("workers", [1, 2])
def test_told_to_end_it_is_unready_at_once_answers_what_it_owes_and_exits_0(case, workers, authority, tmp_path):
    with serving(tmp_path, settings(authority.url, workers=workers)) as service, ThreadPoolExecutor(40) as pool:
        service.until_ready()
        waiting = [pool.submit(service.get, "/decide/x", f"held-{number}") for number in range(20)]
        service.until(lambda: sum(asked.token.startswith("held") for asked in authority.asked) == 20)
        loading = threading.Barrier(9, timeout=30)  # every one of them has had an answer before the end begins
        load = [pool.submit(keep_asking, service.connect(), loading, number) for number in range(8)]
        loading.wait()
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.readiness() == (503, "draining"))
        assert not any(one.done() for one in waiting)  # unready first, and they are still waited for
        authority.go.set()
        assert [200] * 20 == [one.result(60)[0] for one in waiting]
        for one in load:
            assert one.result(60) > 0
        assert 0 == service.process.wait(60)
        assert [] == service.lines("cut_short")


def keep_asking(connection: http.client.HTTPConnection, loading: threading.Barrier, number: int) -> int:
    """Ask over one connection until the server says that it ends; how many answers came, every one of them whole."""
    answers = 0
    try:
        while True:
            connection.request("GET", "/decide/x", headers={"Authorization": f"Bearer good-{number}"})
            answer = connection.getresponse()
            assert 200 == answer.status
            assert b"" == answer.read()
            answers += 1
            if answers == 1:
                loading.wait()
            if answer.getheader("Connection") == "close":
                return answers
    finally:
        connection.close()


@attack("REL-009")
def test_without_a_descriptor_left_it_refuses_and_recovers_by_itself(case, authority, tmp_path):
    with serving(tmp_path, settings(authority.url)) as service:
        service.until_ready()
        for pid in (service.process.pid, *service.workers):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        early = service.connect()
        early.connect()
        many = [service.connect() for _ in range(100)]
        for one in many:
            one.connect()  # the kernel takes them all; we can't
        # with a connection to the authorization server kept from before it can ask, without one it can't
        assert {ask(early, f"good-{number}") for number in range(5)} <= {200, 503}
        for one in many:
            one.close()
        early.close()
        service.until(lambda: recovered(service))  # those that it could not take were closed on
        assert 200 == service.get("/decide/x", "good-51")[0]
        assert [] == service.lines("bug")
        assert 0 == service.end()


def recovered(service) -> bool:
    try:
        return service.get("/decide/x", "good-50")[0] == 200
    except OSError:
        return False


def ask(connection: http.client.HTTPConnection, token: str) -> int:
    connection.request("GET", "/decide/x", headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@attack("REL-010")
def test_no_disk_and_no_log_change_no_decision(case, authority, tmp_path):
    """No file can grow by one byte, and standard error is a device that is full."""

    gate, manage = tmp_path / "gate", tmp_path / "manage"
    text = settings(authority.url, listen=f'"unix:{gate}"', manage=f'"unix:{manage}"')
    with Path("/dev/full").open("ab") as full, serving(tmp_path, text, stderr=full) as service:
        service.until(lambda: manage.exists() and gate.exists() and status(manage, "/readyz") == 200)
        for pid in (service.process.pid, *service.workers):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
        for _ in range(2):
            assert 200 == status(gate, "/decide/x", "good-1")
            assert 401 == status(gate, "/decide/x", "bad")
            assert 400 == status(gate, "/decide/x", "abc=def")
            assert 401 == status(gate, "/decide/x")
        assert 0 == service.end()


def status(path, target: str, token: str | None = None) -> int:
    connection = UnixConnection(str(path))
    try:
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()
