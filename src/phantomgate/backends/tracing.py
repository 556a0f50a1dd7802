"""Traces by OpenTelemetry: a span a decision, one below it for what was resolved, one below that for each call.

Rule: a span tells what the log tells and less: no path, no credential, no claim, no text of anybody else. Whatever goes
wrong in here changes no decision. Which decisions are recorded is ours to say, by the trace's id: what a caller's
`traceparent` asks for is not, or whoever may send a request could have everything recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.model import Allow, Answer, Credential, Decision, Fields, Request, Route, Token
from phantomgate.core.nouns import replace
from phantomgate.core.pattern import pattern
from phantomgate.core.ports import Http, HttpCall, HttpReply, Resolver
from phantomgate.gateway.gateway import Gateway
from phantomgate.oauth.urls import split_url

EXPORT_SECONDS = 2
"""How long the collector may take; it is asked behind, and what it doesn't take is lost."""
_TRACEPARENT = pattern(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")  # W3C Trace Context §3.2


class Tracing:
    """Makes spans and exports them to *endpoint*, an OTLP/HTTP URL: of one decision in *one_in*. State: the exporter.

    *exporter* is instead of that to *endpoint*.
    """

    def __init__(self, endpoint: str, one_in: int, *, exporter: SpanExporter | None = None) -> None:
        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(1 / one_in),
            resource=Resource({"service.name": "phantomgate"}),
            shutdown_on_exit=False,
        )
        out = exporter or OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(out))
        self._tracer = self._provider.get_tracer("phantomgate")
        # Set anew by each decision and never reset: a decision may begin in one context and end in another
        self._decision: ContextVar[tuple[Request, Span] | None] = ContextVar("decision", default=None)
        self._above: ContextVar[Span | None] = ContextVar("above", default=None)

    def gateway(self, gateway: Gateway) -> Gateway:
        """A gateway that decides as *gateway* does, and is traced."""

        def respond(request: Request) -> tuple[Fields, Answer | None]:
            with suppress(Exception):
                self._begin(request)
            return gateway.respond(request)

        def observe(request: Request, decision: Decision) -> None:
            gateway.observe(request, decision)
            with suppress(Exception):
                held = self._decision.get()
                span = held[1] if held is not None and held[0] is request else self._begin(request)
                _end(span, _told(request, decision), failed=not isinstance(decision, (Allow, Answer)))

        resolver = _Resolving(self, gateway.resolver)
        return replace(gateway, respond=respond, observe=observe, resolver=resolver)

    def http(self, http: Http, issuer: str) -> Http:
        """*http*, whose calls are traced, and tell the server which trace they belong to."""
        return _Calling(self, http, issuer)

    def start(self, name: str, above: Span | None, kind: SpanKind = SpanKind.INTERNAL) -> Span:
        """A span below *above*, which is from now on what others are below."""
        span: Span = self._tracer.start_span(name, None if above is None else set_span_in_context(above), kind)
        self._above.set(span)
        return span

    @property
    def above(self) -> Span | None:
        """What the next span belongs below."""
        return self._above.get()

    def leave(self, above: Span | None) -> None:
        """What comes next is below *above* again."""
        self._above.set(above)

    async def close(self) -> None:
        """Export what is left."""
        await asyncio.to_thread(self._provider.shutdown)

    def _begin(self, request: Request) -> Span:
        span = self.start("decision", _caller(request), SpanKind.SERVER)
        self._decision.set((request, span))
        return span


class _Resolving:
    """A resolver that is traced."""

    def __init__(self, tracing: Tracing, inner: Resolver) -> None:
        self._tracing = tracing
        self._inner = inner

    async def resolve(self, credential: Credential, route: Route) -> Token:
        """As the resolver inside."""
        above = self._tracing.above
        span = self._tracing.start("resolve", above)
        told: dict[str, Any] = {}
        try:
            token = await self._inner.resolve(credential, route)
            told = {"phantomgate.source": token.source.value, "phantomgate.issuer": token.issuer}
            return token
        except Refused as no:
            told = {"phantomgate.reason": no.reason.label}
            raise
        finally:
            _end(span, told, failed="phantomgate.source" not in told)
            self._tracing.leave(above)


class _Calling:
    """An `Http` that is traced."""

    def __init__(self, tracing: Tracing, inner: Http, issuer: str) -> None:
        self._tracing = tracing
        self._inner = inner
        self._issuer = issuer

    async def send(self, call: HttpCall) -> HttpReply:
        """As the client inside."""
        above = self._tracing.above
        span = self._tracing.start(f"{call.method} {self._issuer}", above, SpanKind.CLIENT)
        told: dict[str, Any] = {"http.request.method": call.method, "server.address": split_url(call.url)[0].host}
        failed = True
        try:
            reply = await self._inner.send(replace(call, headers=(*call.headers, ("traceparent", _traceparent(span)))))
            told["http.response.status_code"] = reply.status
            failed = reply.status >= 400
            return reply
        except Unavailable as no:
            told["error.type"] = no.kind or no.reason.label
            raise
        except Refused as no:
            told["error.type"] = no.reason.label
            raise
        finally:
            _end(span, told, failed=failed)
            self._tracing.leave(above)


def _caller(request: Request) -> Span | None:
    """The span of whoever sent *request*, if it names one that can be."""
    values = request.headers.all(b"traceparent")
    found = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(0))
    return NonRecordingSpan(context) if context.is_valid else None


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _told(request: Request, decision: Decision) -> Mapping[str, Any]:
    told = {"http.request.method": request.method}
    if isinstance(decision, Allow):
        source, issuer = decision.token.source.value, decision.token.issuer
        told |= {"phantomgate.outcome": "allowed", "phantomgate.source": source, "phantomgate.issuer": issuer}
        return {**told, "phantomgate.route": decision.route.name}
    if isinstance(decision, Answer):
        return {**told, "phantomgate.outcome": "answered"}
    told |= {"phantomgate.outcome": "refused", "phantomgate.reason": decision.reason.label}
    return {**told, "phantomgate.decision": decision.id, "http.response.status_code": decision.reason.status}


def _end(span: Span, told: Mapping[str, Any], *, failed: bool) -> None:
    with suppress(Exception):
        for name, value in told.items():
            span.set_attribute(name, value)
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end()
