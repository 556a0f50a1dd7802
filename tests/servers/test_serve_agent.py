"""`phantomgate serve` with [agent]: the agent in one process of its own, beside the workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.page import Page, at_the_development_server
from agent.test_end_to_end import APP, ENVIRON, TOML
from phantomgate.demo.authorization_server import DevelopmentServer
from phantomgate.demo.clients import Client as Registered
from servers.process import SECRET, SOURCES, serving, settings


@pytest.fixture(scope="module")
def server():
    scopes = frozenset({"openid", "profile", "read"})
    spa = Registered("spa", "spa-secret", scopes, (f"{APP}/",), post_logout_redirect_uris=(f"{APP}/bye",))
    server = DevelopmentServer([spa, Registered("gateway", SECRET, introspects=True)])
    with server.running_in_thread():
        yield server


def text(server, listen='"127.0.0.1:0"', **serve):
    agent = TOML.format(app=APP, issuer=server.issuer, timeout="5s") + f"listen = {listen}\n"
    return settings(f"{server.issuer}/introspect", **serve) + agent


def run(folder, text):
    """serving() with our secrets in its environment."""
    return serving(folder, text, also=ENVIRON)


def page_of(service):
    return Page(f"http://{service.started['agent']}", APP)


def test_a_session_of_the_agent_is_one_of_the_gateway(server, tmp_path):
    with run(tmp_path, text(server, workers=2)) as service:
        service.until_ready()
        page = page_of(service)
        page.log_in(at_the_development_server)

        connection = service.connect()
        cookies = "; ".join(f"{name}={value}" for (_, path, name), value in page.cookies().items() if path == "/")
        connection.request("GET", "/decide/orders", headers={"Cookie": cookies, "Origin": APP})
        answer = connection.getresponse()
        assert (200, b"") == (answer.status, answer.read())
        assert answer.headers["Authorization"].startswith("Bearer ey")
        connection.close()
        assert "uvicorn" not in str(page.ask("GET", "/claims").headers)
        assert 0 == service.end()


def test_it_ends_in_good_order_and_starts_its_process_again(server, tmp_path):
    with run(tmp_path, text(server)) as service:
        service.until_ready()
        pids = [line["pid"] for line in service.lines("worker_ready")]
        assert 2 == len(pids)
        for pid in pids:
            if b"agent_worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        service.until(lambda: len(service.lines("worker_ready")) == 3)
        service.until_ready()
        assert 401 == page_of(service).ask("GET", "/claims").status
        assert 0 == service.end()
        assert [] == [line for line in service.lines() if line["level"] == "error" and line["event"] != "worker_died"]


def test_a_unix_socket_will_do(server, tmp_path):
    with run(tmp_path, text(server, listen=f'"unix:{tmp_path}/agent.sock"')) as service:
        service.until_ready()
        status, _, _ = service.get("/oauth-agent/claims", listener="agent")
        assert 401 == status
        assert 0 == service.end()


def test_what_goes_wrong_is_one_line_without_a_secret(server, tmp_path):
    with run(tmp_path, text(server)) as service:
        service.until_ready()
        page = page_of(service)
        page.log_in(at_the_development_server)
        page.csrf = "canary-csrf"
        page.ask("POST", "/refresh")
        line = service.until(lambda: service.lines("agent"))[-1]

        assert (401, "unauthorized_request", "/oauth-agent/refresh") == (line["status"], line["code"], line["path"])
        log = service.log.read_text()
        for secret in ("canary-csrf", "spa-secret", ENVIRON["KEY"], *page.cookies().values()):
            assert secret not in log
        assert 0 == service.end()


def test_check_asks_the_provider(server, tmp_path):
    (tmp_path / "phantomgate.toml").write_text(text(server))
    environ = {**os.environ, **ENVIRON, "PYTHONPATH": str(SOURCES), "GATEWAY_SECRET": SECRET}
    done = subprocess.run(
        [sys.executable, "-m", "phantomgate", "check", "--json"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)

    assert (0, True) == (done.returncode, found["good"])
    assert [server.issuer] == [
        one["endpoint"] for one in found["authorization_servers"] if "agent" == one.get("issuer")
    ]


def test_a_second_service_with_the_same_agent_is_refused_with_the_reason(server, tmp_path):
    (tmp_path / "other").mkdir()
    with run(tmp_path, text(server)) as service:
        service.until_ready()
        with run(tmp_path / "other", text(server)) as second:
            assert 2 == second.process.wait(60)
        assert "another process on this machine serves this agent" in second.log.read_text()
        assert 0 == service.end()


def test_more_processes_than_one_are_refused_with_the_reason(server, tmp_path):
    wrong = text(server).replace("[agent]", "[agent]\nprocesses = 2")
    with run(tmp_path, wrong) as service:
        assert 2 == service.process.wait(60)
    assert "in the memory of one process" in service.log.read_text()


def test_a_session_and_what_the_agent_remembers_outlive_a_change_of_its_settings(server, tmp_path):
    with run(tmp_path, text(server, workers=2)) as service:
        service.until_ready()
        page, other = page_of(service), page_of(service)
        page.log_in(at_the_development_server)
        other.log_in(at_the_development_server)
        stale = dict(other.client.cookies)
        assert 200 == other.ask("POST", "/logout").status
        (tmp_path / "phantomgate.toml").write_text(
            text(server, workers=2).replace("[agent]", "[agent]\nrefresh_window = '7s'")
        )
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: service.lines("reloaded") or service.lines("reload_failed"))
        assert ["agent"] == service.lines("reloaded")[0]["changed"]
        assert 200 == page.ask("GET", "/claims").status
        assert 204 >= page.ask("POST", "/refresh").status
        other.client.cookies |= stale
        assert 401 == other.ask("GET", "/claims").status
        assert 0 == service.metrics()["phantomgate_worker_restarts_total"]
        assert 0 == service.end()
