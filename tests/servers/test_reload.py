"""Settings, secrets and keys that change while `phantomgate serve` runs, under a load of real requests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from attacks.cases import attack
from servers.authorization import authorization_server
from servers.process import UnixConnection, serving, settings

BAD = "[serve"
LONG = "#" * 200_000 + "\n"
"""Before settings: whoever has read them has read so much."""


def with_scope(endpoint, scope, **serve):
    return settings(endpoint, **serve).replace('["read"]', f'["{scope}"]')


def written(service, text):
    """The file as an editor leaves it: another in its place."""
    file = service.log.parent / "phantomgate.toml"
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


@contextmanager
def told_to_prepare(service, pid):
    """What is done in this block has the worker *pid*, and so all of them, told to get ready for `LONG` settings."""

    def read():
        return int(re.search(r"^rchar: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)[1])

    before = read()
    yield
    service.until(lambda: read() - before > len(LONG))


def outcomes(service):
    """("reloaded" or "reload_failed", its line) for every attempt so far."""
    return [(line["event"], line) for line in service.lines() if line["event"].startswith("reload")]


def reloaded(service, text=None):
    """What came of a reload by signal, of the settings *text* if it is given."""
    before = len(outcomes(service))
    if text is not None:
        written(service, text)
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: len(outcomes(service)) > before)
    return outcomes(service)[-1]


class Load:
    """Requests without pause on connections that stay open. State: what came of them.

    *renews*: on another connection now and then, and whenever the service wants it.
    """

    def __init__(self, service, threads=4, *, renews=False):
        self.service, self.ends, self.renews = service, threading.Event(), renews
        self.answers, self.failures = [], []
        self.threads = [threading.Thread(target=self.go, args=(number,)) for number in range(threads)]

    def go(self, number):
        connection = self.service.connect()
        asked = 0
        while not self.ends.is_set():
            asked += 1
            token = f"good-{number}-{asked % 50}"
            try:
                connection.request("GET", "/decide/orders", headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
                self.answers.append((answer.status, "Authorization" in answer.headers))
                if self.renews and (answer.will_close or asked % 20 == 0):
                    connection.close()
                    connection = self.service.connect()
            except OSError as no:
                self.failures.append(repr(no))
                connection.close()
                connection = self.service.connect()
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.service.until(lambda: len(self.answers) > 100)
        return self

    def __exit__(self, *why):
        self.ends.set()
        for thread in self.threads:
            thread.join()


@contextmanager
def served(folder, text, workers, **also):
    with serving(folder, text, also=also) as service:
        service.until_ready()
        service.until(lambda: service.metrics()["phantomgate_workers"] == workers)
        yield service


def everywhere(service, status, requests=24):
    """Every worker answers *status*: connections of their own are spread over all of them."""
    assert {status} == {service.get("/decide/orders", "good")[0] for _ in range(requests)}


@attack("REL-005")
def test_no_request_fails_while_settings_secrets_and_keys_change(case, tmp_path):
    secrets = ["one"]
    secret = tmp_path / "secret"
    secret.write_text("one")
    with authorization_server(secrets=secrets) as endpoint:
        good = settings(endpoint, workers=2).replace("env:GATEWAY_SECRET", f"file:{secret}")
        with served(tmp_path, good, 2) as service:
            with Load(service) as load:
                for number in range(20):
                    if number % 5 == 4:
                        assert "reload_failed" == reloaded(service, BAD)[0]
                        assert 1 == service.metrics()["phantomgate_reload_last_failed"]
                    secrets.append(f"secret-{number}")
                    secret.write_text(f"secret-{number}")
                    text = f"{good}\n[forward]\nclaims = {{ X-User = 'sub', X-Number = 'number{number}' }}\n"
                    assert "reloaded" == reloaded(service, text)[0]
                    del secrets[:-2]  # a call that is under way has shown the one before
            assert [] == load.failures
            assert {(200, True)} == set(load.answers)
            metrics = service.metrics()
            assert 0 == metrics["phantomgate_reload_last_failed"]
            assert 20 == metrics['phantomgate_reloads_total{result="success"}']
            assert 4 == metrics['phantomgate_reloads_total{result="failure"}']
            assert 0 == metrics["phantomgate_worker_restarts_total"]
            headers = [service.get("/decide/orders", "good")[1] for _ in range(12)]
            assert all("X-Number" in one and "X-User" in one for one in headers)
            assert 0 == service.end()


@attack("FWD-049")
@pytest.mark.parametrize(
    "broken",
    [
        BAD,
        "",
        "[policy]\nscopes = 7\n",
        "[[routes]]\npath = 'orders'\n",
        "[introspection]\nendpoint = 'http://127.0.0.1:1/'\nclient_id = 'g'\nclient_secret = 'env:NOBODY_SET_THIS'\n",
    ],
    ids=["not TOML", "empty", "a wrong kind", "a wrong path", "a secret that isn't there"],
)
def test_settings_that_cant_be_used_change_nothing_and_are_said(case, broken, tmp_path):
    with authorization_server() as endpoint, served(tmp_path, with_scope(endpoint, "admin", workers=2), 2) as service:
        everywhere(service, 403)
        event, line = reloaded(service, broken)
        assert ("reload_failed", "error") == (event, line["level"])
        everywhere(service, 403)
        status = json.loads(service.get("/status", listener="manage")[2])
        assert status["reloads"]["trouble"].startswith(line["detail"][:400])  # the log cuts what is long
        assert (200, None) == service.readiness()
        assert "reloaded" == reloaded(service, with_scope(endpoint, "read", workers=2))[0]
        everywhere(service, 200)
        assert "" == json.loads(service.get("/status", listener="manage")[2])["reloads"]["trouble"]


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_file_of_settings_that_is_gone_or_empty_changes_nothing(how, tmp_path):
    """With the rest in variables, what would be left without it may be good settings that let anybody in."""
    also = {
        "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
        "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:GATEWAY_SECRET",
        "PHANTOMGATE__SERVE__LISTEN": "127.0.0.1:0",
        "PHANTOMGATE__SERVE__MANAGE": "127.0.0.1:0",
    }
    with authorization_server() as endpoint:
        also["PHANTOMGATE__INTROSPECTION__ENDPOINT"] = endpoint
        with served(tmp_path, '[policy]\nscopes = ["admin"]\n', 1, **also) as service:
            (tmp_path / "phantomgate.toml").unlink()
            event, line = reloaded(service, *([" \n"] if how == "empty" else []))
            everywhere(service, 403, 4)
            assert ("reload_failed", True) == (event, f"is {how}" in line["detail"])
            assert "reloaded" == reloaded(service, '[policy]\nscopes = ["read"]\n')[0]
            everywhere(service, 200, 4)


@pytest.mark.parametrize("place", ["settings", "secret", "ca_file"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(place, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint), 1) as service:
        if place == "settings":
            pipe.rename(tmp_path / "phantomgate.toml")
            event, line = reloaded(service)
        elif place == "secret":
            event, line = reloaded(service, settings(endpoint).replace("env:GATEWAY_SECRET", f"file:{pipe}"))
        else:
            text = settings(endpoint).replace("[policy]", f'ca_file = "{pipe}"\n[policy]')
            event, line = reloaded(service, text)
        assert ("reload_failed", True) == (event, "is a pipe" in line["detail"])
        assert 200 == service.get("/decide/orders", "good")[0]
        assert 0 == service.end()


def test_connections_that_are_open_go_by_the_new_settings_and_are_not_closed(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint), 1) as service:
        connection = service.connect()

        def ask():
            connection.request("GET", "/decide/orders", headers={"Authorization": "Bearer good"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, connection.sock.getsockname()

        (first, where) = ask()
        assert "reloaded" == reloaded(service, with_scope(endpoint, "admin"))[0]
        assert (200, (403, where)) == (first, ask())
        reloaded(service, settings(endpoint, trusted_proxies='["10.0.0.0/8"]', source='"original"'))
        headers = {"X-Original-URI": "/a", "X-Original-Method": "GET", "Authorization": "Bearer good"}
        connection.request("GET", "/decide", headers=headers)
        with connection.getresponse() as answer:
            assert (400, where) == (answer.status, connection.sock.getsockname())  # no longer a trusted proxy
        connection.close()


def test_a_connection_to_the_proxy_that_stays_open_is_held_to_fewer_fields(tmp_path):
    with authorization_server() as endpoint, socket.create_server(("127.0.0.1", 0)) as api:
        upstream = {"upstream": f'"http://127.0.0.1:{api.getsockname()[1]}"'}
        with served(tmp_path, with_scope(endpoint, "admin", **upstream), 1) as service:
            connection = service.connect()

            def ask():
                fields = {f"X-{number}": "x" for number in range(40)}
                connection.request("GET", "/orders", headers={"Authorization": "Bearer good", **fields})
                with connection.getresponse() as answer:
                    answer.read()
                    return answer.status, connection.sock and connection.sock.getsockname()

            first, where = ask()
            assert "reloaded" == reloaded(service, with_scope(endpoint, "admin", max_headers=20, **upstream))[0]
            assert (403, (400, where)) == (first, ask())
            connection.close()


def test_a_client_that_the_server_refuses_is_not_taken_up(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("right")
    with authorization_server(secrets=["right"]) as endpoint:
        good = settings(endpoint).replace("env:GATEWAY_SECRET", f"file:{secret}")
        with served(tmp_path, good, 1) as service:
            assert 200 == service.get("/decide/orders", "good")[0]
            secret.write_text("canary-wrong")
            event, line = reloaded(service)
            assert "reload_failed" == event
            assert "401" in line["detail"]
            assert 200 == service.get("/decide/orders", "good-new")[0]
            assert "canary-wrong" not in service.log.read_text()


def test_settings_can_change_while_the_server_is_away(tmp_path):
    with served_without_server(tmp_path) as service:
        assert "reloaded" == reloaded(service, with_scope("http://127.0.0.1:1/other", "admin"))[0]


@contextmanager
def served_without_server(folder):
    with serving(folder, settings()) as service:
        service.until(lambda: service.lines("worker_ready"))
        yield service


def test_a_worker_that_dies_is_replaced_by_one_with_the_settings_in_force(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, workers=2), 2) as service:
        reloaded(service, with_scope(endpoint, "admin", workers=2))
        reloaded(service, BAD)
        os.kill(service.workers[0], signal.SIGKILL)
        service.until(lambda: len(service.lines("worker_ready")) == 3)
        everywhere(service, 403)


def test_a_worker_that_does_not_answer_has_nobody_go_by_the_new_settings(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, workers=2), 2) as service:
        frozen, other = service.workers
        os.kill(frozen, signal.SIGSTOP)
        written(service, LONG + with_scope(endpoint, "admin", workers=2))
        with told_to_prepare(service, other):
            service.process.send_signal(signal.SIGHUP)
        os.kill(frozen, signal.SIGKILL)
        service.until(lambda: outcomes(service))
        assert "ended meanwhile" in outcomes(service)[0][1]["detail"]
        service.until(lambda: len(service.lines("worker_ready")) == 3)
        everywhere(service, 200)
        assert other in service.workers
        assert "reloaded" == reloaded(service)[0]
        everywhere(service, 403)


def test_signals_that_come_while_a_change_is_under_way_ask_for_one_more(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, workers=2), 2) as service:
        frozen, other = service.workers
        os.kill(frozen, signal.SIGSTOP)
        written(service, LONG + settings(endpoint, workers=2))
        with told_to_prepare(service, other):
            service.process.send_signal(signal.SIGHUP)
        for _ in range(8):
            service.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        written(service, with_scope(endpoint, "admin", workers=2))
        os.kill(frozen, signal.SIGKILL)
        service.until(lambda: len(outcomes(service)) == 2)
        assert ["reload_failed", "reloaded"] == [event for event, _ in outcomes(service)]
        service.until(lambda: len(service.lines("worker_ready")) == 3)
        everywhere(service, 403)
        assert "reloaded" == reloaded(service)[0]
        assert 3 == len(outcomes(service))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_end_that_comes_while_workers_get_ready_is_an_end(number, tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, workers=2), 2) as service:
        frozen, other = service.workers
        os.kill(frozen, signal.SIGSTOP)
        written(service, LONG + with_scope(endpoint, "admin", workers=2, drain='"2s"'))
        with told_to_prepare(service, other):
            service.process.send_signal(signal.SIGHUP)
        service.process.send_signal(number)
        service.until(lambda: service.lines("draining"))
        os.kill(frozen, signal.SIGCONT)
        assert 0 == service.process.wait(60)
        assert [] == service.lines("bug") + service.lines("worker_failed")


def test_workers_whose_supervisor_dies_while_they_get_ready_end_too(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, workers=2), 2) as service:
        pids = service.workers
        os.kill(pids[0], signal.SIGSTOP)
        written(service, LONG + settings(endpoint, workers=2))
        with told_to_prepare(service, pids[1]):
            service.process.send_signal(signal.SIGHUP)
        service.process.kill()
        os.kill(pids[0], signal.SIGCONT)
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)


# -- other addresses, other workers --------------------------------------------------------------------------------


def moved(service):
    """What the workers there were are gone for, with the line that says so."""
    pids = set(service.workers)
    outcome = reloaded(service)
    service.until(lambda: not pids & set(service.workers))
    return outcome[0]


@pytest.mark.parametrize("listen", ["tcp", "unix"])
def test_other_workers_take_over_and_nobody_is_refused(listen, tmp_path):
    where = {"listen": f'"unix:{tmp_path}/gate.sock"' if listen == "unix" else '"127.0.0.1:0"', "drain": '"5s"'}
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, **where), 1) as service:
        with Load(service, renews=True) as load:
            for workers in (3, 2, 1):
                asked = len(load.answers)
                written(service, settings(endpoint, workers=workers, **where))
                assert "reloaded" == moved(service)
                assert workers == len(service.workers) == service.metrics()["phantomgate_workers"]
                service.until(lambda asked=asked: len(load.answers) > asked + 100)
        assert [] == load.failures
        assert {(200, True)} == set(load.answers)
        metrics = service.metrics()
        assert len(load.answers) == metrics['phantomgate_decisions_total{outcome="allowed"}']
        assert 0 == metrics["phantomgate_worker_restarts_total"]
        assert 0 == service.end()
        assert not (tmp_path / "gate.sock").exists()


def test_another_address_is_served_before_the_old_one_is_left(tmp_path):
    old, new = (f'"unix:{tmp_path}/{name}.sock"' for name in ("old", "new"))
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, listen=old), 1) as service:
        written(service, settings(endpoint, listen=new))
        assert "reloaded" == moved(service)
        assert not (tmp_path / "old.sock").exists()
        connection = UnixConnection(f"{tmp_path}/new.sock")
        connection.request("GET", "/decide", headers={"Authorization": "Bearer good"})
        assert 200 == connection.getresponse().status
        connection.close()
        written(service, settings(endpoint, listen='"127.0.0.1:0"', manage=f'"unix:{tmp_path}/manage.sock"'))
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: len(service.lines("reloaded")) == 2)
        connection = UnixConnection(f"{tmp_path}/manage.sock")
        connection.request("GET", "/readyz")
        assert 200 == connection.getresponse().status
        connection.close()
        with pytest.raises(OSError):
            service.get("/healthz", listener="manage")


def test_the_proxy_takes_the_place_of_the_listener_and_a_purge_is_known_to_who_comes(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint), 1) as service:
        written(service, settings(endpoint, upstream='"http://127.0.0.1:1"'))
        assert "reloaded" == moved(service)
        assert 502 == service.get("/orders", "good")[0]


def test_an_end_that_comes_while_new_workers_start_is_an_end(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint), 1) as service:
        written(service, settings(endpoint, workers=3))
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: len(service.workers) > 1)
        assert 0 == service.end()
        assert [] == [line for line in service.lines() if line["event"] in ("reloaded", "bug")]


@pytest.mark.parametrize("place", ["listen", "manage"])
def test_an_address_that_cant_be_had_changes_nothing(place, tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        authorization_server() as endpoint,
        served(tmp_path, settings(endpoint), 1) as service,
    ):
        worker = service.workers
        there = f'"127.0.0.1:{taken.getsockname()[1]}"'
        text = settings(endpoint, **{place: there, "workers": 2}).replace('["read"]', '["admin"]')
        event, line = reloaded(service, text)
        assert "reload_failed" == event
        assert f"serve.{place}" in line["detail"]
        assert "another process listens there" in line["detail"]
        everywhere(service, 200, 4)
        assert worker == service.workers


def test_what_only_a_restart_can_change_is_said(tmp_path):
    purges = '\n[revocation]\nsecret = "env:PURGE"\nlisten = "127.0.0.1:{}"\n'
    with (
        authorization_server() as endpoint,
        served(tmp_path, settings(endpoint) + purges.format(0), 1, PURGE="p" * 32) as service,
    ):
        event, line = reloaded(service, settings(endpoint) + purges.format(1))
        assert ("reload_failed", True) == (event, "can only be changed by a restart" in line["detail"])


# -- on change -----------------------------------------------------------------------------------------------------


def test_a_file_that_changes_is_read_again_once_it_has_come_to_rest(tmp_path):
    change = {"reload": '"change"', "workers": 2}
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint, **change), 2) as service:
        file = tmp_path / "phantomgate.toml"
        file.write_text(BAD)
        service.until(lambda: service.lines("reload_failed"))
        everywhere(service, 200)
        file.write_text(with_scope(endpoint, "admin", **change))
        service.until(lambda: service.lines("reloaded"))
        assert "change" == service.lines("reloaded")[0]["why"]
        everywhere(service, 403)
        assert 1 == len(service.lines("reload_failed"))


def test_with_signal_a_file_that_changes_is_left_alone(tmp_path):
    with authorization_server() as endpoint, served(tmp_path, settings(endpoint), 1) as service:
        written(service, BAD)
        time.sleep(2.5)
        assert [] == outcomes(service)
        assert "reloaded" == reloaded(service, with_scope(endpoint, "admin"))[0]


def test_files_that_kubernetes_swaps_by_a_link_are_seen(tmp_path):
    """A mounted ConfigMap or Secret: FILE -> ..data/FILE, and ..data is a link that is replaced."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()

    def put(version, text, secret):
        (mounted / version).mkdir()
        (mounted / version / "gate.toml").write_text(text)
        (mounted / version / "secret").write_text(secret)
        (mounted / "..new").symlink_to(version)
        (mounted / "..new").rename(mounted / "..data")

    secrets = ["one"]
    with authorization_server(secrets=secrets) as endpoint:
        text = settings(endpoint, reload='"change"').replace("env:GATEWAY_SECRET", f"file:{mounted}/secret")
        put("..1", text, "one")
        for name in ("gate.toml", "secret"):
            (mounted / name).symlink_to(f"..data/{name}")
        with served(tmp_path, "", 1, PHANTOMGATE_CONFIG=str(mounted / "gate.toml")) as service:
            assert 200 == service.get("/decide", "good")[0]
            secrets.append("two")
            put("..2", text, "two")
            shutil.rmtree(mounted / "..1")
            service.until(lambda: len(service.lines("reloaded")) == 1)
            assert [] == service.lines("reloaded")[0]["changed"]
            secrets.remove("one")
            assert 200 == service.get("/decide", "good-other")[0]
            put("..3", text.replace('["read"]', '["admin"]'), "two")
            service.until(lambda: len(service.lines("reloaded")) == 2)
            everywhere(service, 403, 4)
