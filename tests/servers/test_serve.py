"""`phantomgate serve` as an operator meets it: real processes, real sockets, real signals."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from phantomgate.servers.sockets import bind_tcp
from ports import free_port
from servers.authorization import authorization_server
from servers.process import SECRET, serving, settings


@pytest.fixture(scope="module")
def service(endpoint, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve"), settings(endpoint, workers=2)) as service:
        service.until_ready()
        service.until(lambda: service.metrics()["phantomgate_workers"] == 2)
        yield service


@pytest.fixture(params=["tcp", "unix"])
def listen(request, tmp_path):
    return '"127.0.0.1:0"' if request.param == "tcp" else f'"unix:{tmp_path}/gate.sock"'


def test_it_decides(service):
    status, headers, body = service.get("/decide/orders", "good")
    assert (200, b"") == (status, body)
    assert headers["Authorization"].startswith("Bearer ey")
    status, _, body = service.get("/decide/x", "bad")
    assert (401, "invalid_token") == (status, json.loads(body)["error"])


def test_health_and_readiness_are_told_apart_from_decisions(service):
    for path, said in (("/healthz", "up"), ("/readyz", "ready")):
        status, headers, body = service.get(path, listener="manage")
        assert (200, {"status": said}) == (status, json.loads(body))
        assert ("no-store", "phantomgate") == (headers["Cache-Control"], headers["Server"])
    assert 404 == service.get("/healthz")[0]
    assert 404 == service.get("/decide", "good", listener="manage")[0]


def test_metrics_are_true_across_workers(service):
    before = service.metrics()
    for number in range(40):
        service.get("/decide/orders", "good" if number % 4 else "bad")
    after = service.metrics()

    grown = {name: value - before[name] for name, value in after.items() if value != before[name]}
    assert 30 == grown.pop('phantomgate_decisions_total{outcome="allowed"}')
    assert 10 == grown.pop('phantomgate_decisions_total{outcome="refused",reason="inactive"}')
    looked_up = sum(value for name, value in grown.items() if name.startswith("phantomgate_cache_total"))
    assert 40 == looked_up
    asked_for = {"phantomgate_introspection_seconds", "phantomgate_authorization_server_calls_total"}
    assert {"phantomgate_cache_total", *asked_for} >= {
        name.partition("{")[0].removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name in grown
    }
    asked = after["phantomgate_introspection_seconds_count"]
    assert asked == after['phantomgate_cache_total{level="memory",result="miss"}']


def test_metrics_have_the_names_and_labels_that_dashboards_rely_on(service):
    names = {name.partition("{")[0] for name in service.metrics()}
    assert {
        "phantomgate_decisions_total",
        "phantomgate_cache_total",
        "phantomgate_introspection_seconds_bucket",
        "phantomgate_introspection_seconds_count",
        "phantomgate_introspection_seconds_sum",
        "phantomgate_stale_served_total",
        "phantomgate_refreshed_ahead_total",
        "phantomgate_authorization_server_calls_total",
        "phantomgate_authorization_server_retries_total",
        "phantomgate_authorization_server_shed_total",
        "phantomgate_authorization_server_in_flight",
        "phantomgate_breaker_state",
        "phantomgate_breaker_opened_total",
        "phantomgate_in_flight",
        "phantomgate_workers",
        "phantomgate_worker_restarts_total",
        "phantomgate_purges_unheard",
        "phantomgate_ready",
        "phantomgate_reloads_total",
        "phantomgate_reload_last_success_timestamp_seconds",
        "phantomgate_reload_last_failed",
        "phantomgate_log_lines_dropped_total",
        "phantomgate_upstream_failures_total",
        "phantomgate_build_info",
    } == names


def test_openmetrics_is_spoken_where_it_is_asked_for(service):
    connection = service.connect("manage")
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.read().endswith(b"# EOF\n")
    connection.close()


def test_waiting_requests_are_in_flight(service, go_on):
    threads = [threading.Thread(target=service.get, args=("/decide", f"held{n}")) for n in range(3)]
    for thread in threads:
        thread.start()
    assert service.until(lambda: service.metrics()["phantomgate_in_flight"] == 3)
    go_on.set()
    for thread in threads:
        thread.join()
    assert 0 == service.metrics()["phantomgate_in_flight"]


def test_a_refusals_decision_finds_its_line(service):
    _, _, body = service.get("/decide/orders?token=canary-query", "canary-token")
    number = json.loads(body)["decision"]

    (line,) = service.until(lambda: [line for line in service.lines("decision") if line["decision"] == number])

    assert ("inactive", 401, "GET", "/orders", "127.0.0.1") == tuple(
        line[name] for name in ("reason", "status", "method", "path", "peer")
    )
    assert "canary" not in service.log.read_text()


def test_an_untrusted_look_at_the_processes_shows_no_secret(service):
    for pid in [service.process.pid, *service.workers]:
        assert SECRET not in Path(f"/proc/{pid}/cmdline").read_text()


def test_a_killed_worker_takes_no_count_back_and_ends_no_service(endpoint, tmp_path):
    with serving(tmp_path, settings(endpoint, workers=2)) as service:
        service.until(lambda: service.until_ready().metrics()["phantomgate_workers"] == 2)
        for _ in range(30):
            assert 200 == service.get("/decide", "good")[0]
        before = service.metrics()
        killed = service.workers[0]
        os.kill(killed, signal.SIGKILL)

        for _ in range(30):
            assert 200 == service.get("/decide", "good")[0]
            after = service.metrics()
            assert not [name for name in before if name.endswith("_total") and after[name] < before[name]]
        service.until(lambda: service.metrics()["phantomgate_workers"] == 2)

        after = service.metrics()
        assert 60 == after['phantomgate_decisions_total{outcome="allowed"}']
        assert 1 == after["phantomgate_worker_restarts_total"]
        assert not Path(f"/proc/{killed}").exists()
        assert ["SIGKILL"] == [line["how"] for line in service.lines("worker_died")]
        assert 0 == service.end()


class Load:
    """Callers that don't stop until they can't connect any more. What they count: answers, and requests without one."""

    def __init__(self, service, keep_alive):
        self.answers, self.lost, self.wrong = 0, [], []
        self.stopping = False
        self.threads = [threading.Thread(target=self.call, args=(service, keep_alive, n)) for n in range(6)]
        for thread in self.threads:
            thread.start()

    def call(self, service, keep_alive, number):
        connection = service.connect()
        connection.auto_open = False
        connected = False
        while not self.stopping:
            if not connected:
                connection.close()
                try:
                    connection.connect()
                except OSError:  # nobody listens any more: that is no lost request
                    return
            try:
                connection.request("GET", "/decide", headers={"Authorization": f"Bearer good{number}"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                return
            self.answers += 1
            if answer.status != 200:
                self.wrong.append(answer.status)
            connected = keep_alive and not answer.will_close

    def join(self):
        for thread in self.threads:
            thread.join(60)


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "new"])
def test_no_request_is_lost_when_it_is_told_to_end(endpoint, go_on, listen, tmp_path, keep_alive):
    with serving(tmp_path, settings(endpoint, workers=2, listen=listen)) as service:
        service.until(lambda: service.until_ready().metrics()["phantomgate_workers"] == 2)
        load = Load(service, keep_alive)
        slow = []
        caller = threading.Thread(target=lambda: slow.append(service.get("/decide", "held")))
        caller.start()
        service.until(lambda: load.answers > 300 and endpoint.held)

        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.lines("draining"))
        go_on.set()
        assert 0 == service.process.wait(60)

        load.stopping = True
        load.join()
        caller.join()
        assert ([], []) == (load.lost, load.wrong)
        assert (200, "close") == (slow[0][0], slow[0][1]["Connection"])
        assert [] == service.lines("worker_died")
        assert ["draining", "stopped"] == [line["event"] for line in service.lines()[-2:]]


def test_it_is_unready_before_it_stops_and_still_answers(endpoint, go_on, tmp_path):
    with serving(tmp_path, settings(endpoint)) as service:
        service.until_ready()
        slow = []
        caller = threading.Thread(target=lambda: slow.append(service.get("/decide", "held")[0]))
        caller.start()
        service.until(lambda: service.metrics()["phantomgate_in_flight"] == 1)
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.lines("draining"))
        assert (503, "draining") == service.readiness()
        assert 200 == service.get("/healthz", listener="manage")[0]
        go_on.set()
        caller.join()
        assert ([200], 0) == (slow, service.process.wait(60))


def test_a_second_signal_ends_it_at_once(endpoint, go_on, tmp_path):
    with serving(tmp_path, settings(endpoint)) as service:
        service.until_ready()
        connection = service.connect()
        connection.request("GET", "/decide", headers={"Authorization": "Bearer held"})
        service.until(lambda: service.metrics()["phantomgate_in_flight"] == 1)
        service.process.send_signal(signal.SIGTERM)
        service.until(lambda: service.lines("draining"))
        assert 1 == service.end(signal.SIGINT)
        assert ["cut_short"] == [line["event"] for line in service.lines("cut_short")]
        connection.close()


def test_a_drain_that_takes_too_long_is_cut_off(endpoint, go_on, tmp_path):
    with serving(tmp_path, settings(endpoint, drain='"300ms"')) as service:
        service.until_ready()
        connection = service.connect()
        connection.request("GET", "/decide", headers={"Authorization": "Bearer held"})
        service.until(lambda: service.metrics()["phantomgate_in_flight"] == 1)
        assert 0 == service.end()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        connection.close()


def test_workers_do_not_outlive_a_killed_supervisor(endpoint, tmp_path):
    with serving(tmp_path, settings(endpoint, workers=2)) as service:
        service.until_ready()
        workers = service.workers
        service.end(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(_runs(pid) for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_authorization_server_that_is_down_makes_it_unready_and_decisions_503_until_it_is_there(tmp_path):
    port = free_port()
    with serving(tmp_path, settings(f"http://127.0.0.1:{port}/introspect")) as service:
        service.until(lambda: service.readiness() == (503, "authorization_server"))
        status, headers, body = service.get("/decide", "good")
        assert (503, "temporarily_unavailable") == (status, json.loads(body)["error"])
        assert headers["Retry-After"]
        assert 0 == service.metrics()["phantomgate_ready"]
        with authorization_server(port):
            service.until_ready()
            assert 200 == service.get("/decide", "good")[0]
        assert ["unavailable"] == [line["reason"] for line in service.lines("authorization_server_unseen")]
        assert 1 == len(service.lines("authorization_server_seen"))
        assert 0 == service.end()


def ended(folder, text, **popen):
    """(exit code, what it said) of a service that can't start."""
    with serving(folder, text, stderr=subprocess.PIPE, **popen) as service:
        _, said = service.process.communicate(timeout=60)
        return service.process.returncode, said.decode()


def test_every_problem_in_the_settings_is_said_at_once(tmp_path):
    text = settings(workers=0, listn='"x"').replace("GATEWAY_SECRET", "NOT_THERE").replace("read", "re ad")

    code, said = ended(tmp_path, text)

    assert 2 == code
    for problem in ("serve.workers", "serve.listn", "policy.scopes", "NOT_THERE"):
        assert problem in said
    assert "Traceback" not in said


def test_addresses_that_are_taken_are_said_at_once(tmp_path):
    taken = [bind_tcp("127.0.0.1", 0, 1) for _ in range(2)]

    code, said = ended(tmp_path, settings(listen=f'"{taken[0].name}"', manage=f'"{taken[1].name}"'))

    assert 2 == code
    for name, bound in zip(("serve.listen", "serve.manage"), taken, strict=True):
        assert f'{name}  is "{bound.name}", where we can\'t listen: Address already in use' in said
        bound.close()


def test_a_unix_socket_is_for_its_group_survives_a_crash_and_goes_away_at_the_end(endpoint, tmp_path):
    path = tmp_path / "gate.sock"
    text = settings(endpoint, listen=f'"unix:{path}"')
    with serving(tmp_path, text) as service:
        service.until_ready()
        assert 0o660 == stat.S_IMODE(path.stat().st_mode)
        assert 200 == service.get("/decide", "good")[0]
        code, said = ended(tmp_path, text)
        assert (2, True) == (code, "Address already in use" in said)
        workers = service.workers
        service.end(signal.SIGKILL)
    for pid in workers:
        while _runs(pid):
            time.sleep(0.02)
    with socket.socket(socket.AF_UNIX) as left_over:  # as it would be had the workers been killed too
        path.unlink(missing_ok=True)
        left_over.bind(str(path))
    service.log.unlink()
    with serving(tmp_path, text) as service:
        service.until_ready()
        assert 200 == service.get("/decide", "good")[0]
        assert 0 == service.end()
        assert not path.exists()


@pytest.mark.parametrize("stderr", ["/dev/full", "closed", "unread", "gone"])
def test_a_log_that_can_not_be_written_changes_no_decision(endpoint, tmp_path, stderr):
    ports = [bind_tcp("127.0.0.1", 0, 1) for _ in range(2)]
    text = settings(endpoint, listen=f'"{ports[0].name}"', manage=f'"{ports[1].name}"')
    for bound in ports:
        bound.close()
    options = {}
    read = write = None
    if stderr == "closed":
        options["preexec_fn"] = lambda: os.close(2)
    elif stderr == "/dev/full":
        write = os.open(stderr, os.O_WRONLY)
        options["stderr"] = write
    else:
        read, write = os.pipe()
        options["stderr"] = write
    with serving(tmp_path, text, **options) as service:
        if write is not None:
            os.close(write)
        if stderr == "gone":
            os.close(read)
        started = {"event": "started", "listen": ports[0].name, "manage": ports[1].name}
        service.log.write_text(json.dumps(started) + "\n")
        service.until(lambda: _ready(service))
        if stderr == "closed":  # else the next socket would have been what we log to
            for pid in (service.process.pid, *service.workers):
                assert "/dev/null" == os.readlink(f"/proc/{pid}/fd/2")
        for number in range(300):
            assert 401 == service.get("/decide/" + "x" * 400, "bad")[0]
            assert 200 == service.get("/decide", "good")[0], number
        assert 300 == service.metrics()['phantomgate_decisions_total{outcome="refused",reason="inactive"}']
        if stderr != "closed":
            assert service.metrics()["phantomgate_log_lines_dropped_total"] > 0
        assert 0 == service.end()
    if stderr == "unread":
        os.close(read)


def _ready(service):
    try:
        return service.readiness() == (200, None)
    except OSError:
        return False


class Upstream(http.server.BaseHTTPRequestHandler):
    """An API that says what it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        got = {"target": self.path, "fields": dict(self.headers), "body": self.rfile.read(length).decode()}
        body = json.dumps(got).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass


def test_with_an_upstream_it_is_the_gateway_itself(endpoint, tmp_path):
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    upstream = f'"http://127.0.0.1:{api.server_address[1]}"'
    text = settings(endpoint, upstream=upstream) + '[forward]\nclaims = { "X-User" = "sub" }\n'
    with serving(tmp_path, text) as service:
        service.until_ready()
        connection = service.connect()
        for token, status in (("good", 200), ("bad", 401), ("good", 200)):
            fields = {"Authorization": f"Bearer {token}", "X-User": "admin", "X_User": "admin"}
            connection.request("POST", "/orders%2F1?a=b", "hello", fields)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            assert status == answer.status
        assert ("/orders%2F1?a=b", "hello", "ann") == (said["target"], said["body"], said["fields"]["X-User"])
        assert said["fields"]["Authorization"].startswith("Bearer ey")
        assert not [value for value in said["fields"].values() if value == "admin"]

        api.shutdown()
        thread.join()
        api.server_close()
        connection.close()
        status, _, body = service.get("/orders", "good")
        number = json.loads(body)["decision"]
        assert (502, "bad_gateway") == (status, json.loads(body)["error"])
        assert [number] == [line["decision"] for line in service.lines("upstream_failed")]
        metrics = service.metrics()
        assert 3 == metrics['phantomgate_decisions_total{outcome="allowed"}']
        assert 1 == metrics['phantomgate_upstream_failures_total{kind="unreachable"}']
        assert 0 == service.end()


def test_more_connections_than_descriptors_are_survived(endpoint, tmp_path):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    with serving(tmp_path, settings(endpoint), preexec_fn=few) as service:
        service.until_ready()
        many = [service.connect() for _ in range(150)]
        for connection in many:
            connection.connect()
        assert 200 == service.get("/healthz", listener="manage")[0]
        for connection in many:
            connection.close()
        service.until(lambda: _answers(service))
        assert 0 == service.metrics()["phantomgate_worker_restarts_total"]
        assert 0 == service.end()


def _answers(service):
    try:
        return service.get("/decide", "good")[0] == 200
    except OSError:
        return False
