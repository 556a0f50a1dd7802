"""Traces: a span a decision with its children, the caller's trace continued and passed on, and never a secret."""

from __future__ import annotations

import asyncio
import http.server
import subprocess
import sys
from dataclasses import replace

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed; requirements/dev.txt has it")

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from in_a_thread import in_a_thread
from phantomgate.backends.tracing import Tracing
from phantomgate.config.settings import Introspection, Policy, Settings, Traces
from phantomgate.config.wiring import wire
from phantomgate.core.errors import Unavailable
from phantomgate.core.model import Allow, Headers, Refuse, Request
from phantomgate.testing import FakeHttp, on_a_loop, reply
from tokens import jwt

TOKEN = "canary-0123456789-token"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SETTINGS = Settings(
    introspection=Introspection(endpoint="https://as.example/i", client_id="g", client_secret="env:S"),
    policy=Policy(scopes=("read",)),
)


def asking(token=TOKEN, **fields):
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"c={TOKEN}", **fields}
    return Request("GET", f"/orders/{TOKEN}", Headers.of(headers.items()), query=f"t={TOKEN}")


def play(clock, answer, *requests, one_in=1):
    """(decisions, spans by name, calls) of a traced gateway."""
    exporter, calls = InMemorySpanExporter(), FakeHttp(answer)

    async def story():
        tracing = Tracing("", one_in, exporter=exporter)
        made = wire(SETTINGS, "nonblocking", environ={"S": "canary-secret"}, write=lambda line: None, now=clock.now,
                    ticks=clock.ticks, http=tracing.http(calls, "main"))  # fmt: skip
        gateway = tracing.gateway(made.gateway)
        decisions = [await gateway.decide(request) for request in requests]
        await made.close()
        await tracing.close()
        return decisions

    return on_a_loop(story()), list(exporter.get_finished_spans()), calls.calls


def good():
    return reply(200, jwt({"scope": "read"}), content_type="application/jwt")


def test_a_decision_is_one_span_with_what_was_resolved_below_and_the_call_below_that(clock):
    (decision,), spans, (call,) = play(clock, good(), asking(traceparent=f"00-{TRACE}-{SPAN}-00"))
    assert isinstance(decision, Allow)
    named = {span.name: span for span in spans}
    assert {"decision", "resolve", "POST main"} == set(named)
    assert SPAN == f"{named['decision'].parent.span_id:016x}"
    assert named["decision"].context.span_id == named["resolve"].parent.span_id
    assert named["resolve"].context.span_id == named["POST main"].parent.span_id
    assert {int(TRACE, 16)} == {span.context.trace_id for span in spans}
    assert f"00-{TRACE}-{named['POST main'].context.span_id:016x}-01" == dict(call.headers)["traceparent"]
    assert {
        "http.request.method": "GET", "phantomgate.outcome": "allowed", "phantomgate.source": "network",
        "phantomgate.issuer": "", "phantomgate.route": "policy",
    } == dict(named["decision"].attributes)  # fmt: skip


def test_each_decision_is_a_trace_of_its_own_and_one_from_memory_calls_nobody(clock):
    request = asking()
    _, spans, _ = play(clock, good(), request, request, asking("other"))
    decisions = [span for span in spans if span.name == "decision"]
    assert 3 == len({span.context.trace_id for span in decisions})
    assert ["network", "memory", "network"] == [span.attributes["phantomgate.source"] for span in decisions]
    assert 2 == sum(span.name == "POST main" for span in spans)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(204), "inactive"),
        (Unavailable("no", kind="timeout"), "unavailable"),
        (RuntimeError(TOKEN), "server_error"),
    ],
)
def test_no_span_holds_a_token_a_secret_a_path_or_somebodys_text(clock, answer, reason):
    bad = replace(asking(), problem=None)
    _, spans, _ = play(clock, answer, asking(), bad, asking("bad token"), asking(traceparent=TOKEN))
    assert reason in {span.attributes.get("phantomgate.reason") for span in spans}
    for span in spans:
        assert "canary" not in span.to_json(), span.name
        assert () == tuple(span.events)


@pytest.mark.parametrize(
    "said", ["", "00-0-0-01", f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01x"]
)
def test_a_traceparent_that_names_no_span_is_passed_over(clock, said):
    _, spans, _ = play(clock, good(), asking(traceparent=said))
    assert [None] == [span.parent for span in spans if span.name == "decision"]


def test_what_a_caller_asks_to_have_recorded_is_recorded_no_sooner(clock):
    requests = [asking(f"t{number}", traceparent=f"00-{'f' * 31}{number:x}-{SPAN}-01") for number in range(8)]
    decisions, spans, calls = play(clock, good(), *requests, one_in=1_000_000)
    assert all(isinstance(decision, Allow) for decision in decisions)
    assert [] == spans
    assert all(dict(call.headers)["traceparent"].endswith("-00") for call in calls)


def test_requests_at_the_same_time_do_not_share_a_trace(clock):
    exporter = InMemorySpanExporter()

    class Slow:
        async def send(self, call):
            await asyncio.sleep(0.01)
            return good()

    async def story():
        tracing = Tracing("", 1, exporter=exporter)
        made = wire(SETTINGS, "nonblocking", environ={"S": "s"}, write=lambda line: None, now=clock.now,
                    ticks=clock.ticks, http=tracing.http(Slow(), "main"))  # fmt: skip
        gateway = tracing.gateway(made.gateway)
        await asyncio.gather(*(gateway.decide(asking(f"token-{number}")) for number in range(10)))
        await made.close()
        await tracing.close()

    on_a_loop(story())
    by_trace: dict[int, list[str]] = {}
    for span in exporter.get_finished_spans():
        by_trace.setdefault(span.context.trace_id, []).append(span.name)
    assert [["POST main", "decision", "resolve"]] * 10 == [sorted(names) for names in by_trace.values()]


def test_spans_go_to_the_collector_and_one_that_is_gone_changes_nothing(clock):
    bodies = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *ignored):
            """Quiet."""

    async def story(port):
        traces = Traces(endpoint=f"http://127.0.0.1:{port}/v1/traces", one_in=1)
        made = wire(replace(SETTINGS, traces=traces), "nonblocking", environ={"S": "s"}, write=lambda line: None,
                    now=clock.now, ticks=clock.ticks, http=FakeHttp(good()))  # fmt: skip
        decided = await made.gateway.decide(asking())
        await made.close()
        return decided

    with in_a_thread(http.server.HTTPServer(("127.0.0.1", 0), Collector)) as port:
        assert isinstance(on_a_loop(story(port)), Allow)
    ((path, body),) = bodies
    assert "/v1/traces" == path
    assert all(word in body for word in (b"decision", b"resolve", b"POST introspection", b"phantomgate"))
    assert b"canary" not in body


def test_nothing_of_it_is_imported_unless_it_is_configured():
    program = """
import sys
from phantomgate.config.settings import Introspection, Settings
from phantomgate.config.wiring import wire
import asyncio
async def story():
    asked = Introspection(endpoint="https://as.example/i", client_id="g", client_secret="env:S")
    await wire(Settings(introspection=asked), "nonblocking", environ={"S": "s"}).close()
asyncio.run(story())
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""
    assert 0 == subprocess.run([sys.executable, "-c", program], timeout=300, check=False).returncode


def test_a_refusal_is_told_with_the_id_that_finds_its_line(clock):
    (decision,), spans, _ = play(clock, reply(204), asking())
    assert isinstance(decision, Refuse)
    (span,) = (span for span in spans if span.name == "decision")
    assert (decision.id, 401) == (span.attributes["phantomgate.decision"], span.attributes["http.response.status_code"])
