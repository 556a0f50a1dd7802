"""The management listener alone, and what the reference says of metrics and lines."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from phantomgate.config.observe import UPSTREAM_FAILURES, Metrics
from phantomgate.core.errors import Reason
from phantomgate.servers.management import is_misdirected, management

ROOT = Path(__file__).parents[2]
METRICS = (ROOT / "docs/reference/metrics.md").read_text()
LOG = (ROOT / "docs/reference/log.md").read_text()


class State:
    ready, restarts, unheard = 2, 1, False
    reloads = {"succeeded": 2, "failed": 1, "good_since": 1_800_000_000.0, "trouble": "redis.secret is missing"}  # noqa: RUF012

    def __init__(self, **why):
        self.why = why
        self.metrics = Metrics()

    def unready(self):
        return self.why

    def purges(self):
        return []

    async def count(self):
        return self.metrics.snapshot()


def asked(state, path, **headers):
    """(status, headers, text) of *path*."""

    async def play():
        app: web.Application = management(state)
        async with TestClient(TestServer(app)) as client, client.get(path, headers=headers) as answer:
            return answer.status, answer.headers, await answer.text()

    return asyncio.run(play())


def test_unready_says_why():
    status, headers, text = asked(State(reason="no_worker", detail="d"), "/readyz")

    assert (503, "no-store") == (status, headers["Cache-Control"])
    assert '{"status": "unready", "reason": "no_worker", "detail": "d"}' == text


def test_a_service_that_is_not_ready_is_up():
    assert (200, '{"status": "up"}') == asked(State(reason="no_worker"), "/healthz")[::2]


def test_every_reason_is_there_before_it_first_happens():
    _, _, text = asked(State(), "/metrics")

    for reason in Reason:
        assert f'phantomgate_decisions_total{{outcome="refused",reason="{reason.label}"}} 0.0' in text


def test_a_histogram_adds_up():
    state = State()
    for seconds in (0.004, 0.2, 0.2, 60.0):
        state.metrics.timed(seconds)

    _, _, text = asked(state, "/metrics")

    for bound, count in (("0.005", 1), ("0.1", 1), ("0.25", 3), ("10.0", 3), ("+Inf", 4)):
        assert f'phantomgate_introspection_seconds_bucket{{le="{bound}"}} {count}.0' in text
    assert "phantomgate_introspection_seconds_count 4.0" in text
    assert "phantomgate_introspection_seconds_sum 60.404" in text


@pytest.mark.parametrize("path", ["/metrics/", "/decide", "/healthz/x"])
def test_there_is_nothing_else(path):
    assert 404 == asked(State(), path)[0]


def test_the_reference_names_every_metric():
    _, _, text = asked(State(), "/metrics")

    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert names == set(re.findall(r"^\| `(phantomgate_\w+)`", METRICS, re.MULTILINE))


@pytest.mark.parametrize("word", [*(reason.label for reason in Reason), *UPSTREAM_FAILURES])
def test_the_reference_explains_every_reason(word):
    assert f"`{word}`" in METRICS


def test_the_reference_names_every_event():
    said = set()
    for source in (ROOT / "src/phantomgate").rglob("*.py"):
        said |= set(re.findall(r"say\(\s*Level\.\w+,\s*\"(\w+)\"", source.read_text()))
        said |= set(re.findall(r"say\(\s*level,\s*\"(\w+)\"", source.read_text()))

    assert {"started", "stopped", "worker_died", "library"} <= said
    for event in said:
        assert f"`{event}`" in LOG, event


@pytest.mark.parametrize(
    ("host", "own", "expected"),
    [
        ("localhost:9091", ("127.0.0.1", 9091), False),
        ("LOCALHOST.", ("127.0.0.1", 9091), False),
        ("gate.localhost", ("127.0.0.1", 9091), False),
        ("127.0.0.1:9091", ("127.0.0.1", 9091), False),
        ("[::1]:9091", ("::1", 9091, 0, 0), False),
        ("", ("127.0.0.1", 9091), False),
        ("rebound.example:9091", ("127.0.0.1", 9091), True),
        ("rebound.example", ("::1", 9091, 0, 0), True),
        ("localhost.example", ("127.0.0.1", 9091), True),
        ("notlocalhost", ("127.0.0.1", 9091), True),
        ("[rebound.example]", ("127.0.0.1", 9091), True),
        ("gate.example:9091", ("192.0.2.1", 9091), False),
        ("gate.example", "", False),
        ("gate.example", None, False),
    ],
)
def test_whose_name_a_loopback_address_has(host, own, expected):
    assert expected == is_misdirected(host, own)


@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/operator.js"])
def test_a_page_of_another_site_reads_nothing_here_by_a_name_of_its_own(path):
    assert 421 == asked(State(), path, Host="rebound.example")[0]
    assert 200 == asked(State(), path)[0]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_told_whatever_name_we_are_asked_by(path):
    assert 200 == asked(State(), path, Host="gate.example")[0]
