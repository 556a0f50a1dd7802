"""The management listener: is it up, is it ready, what has it counted. Never a decision.

Rule: nothing here waits for the authorization server or for a worker longer than a second, and nothing tells more than
a monitoring system needs: labels come from closed lists. On a loopback address it is for who is on this machine, not
for pages of other sites in his browser.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from phantomgate import __version__
from phantomgate.config.observe import BUCKETS, Snapshot
from phantomgate.servers.operator import HEADERS, PARTS, part, status
from phantomgate.servers.side_listener import side_app


class State(Protocol):
    """What the management listener asks the service about."""

    @property
    def ready(self) -> int:
        """How many workers accept connections."""
        ...

    @property
    def restarts(self) -> int:
        """How often a worker had to be started again."""
        ...

    @property
    def reloads(self) -> dict[str, Any]:
        """How changes of the settings went: `succeeded`, `failed`, `good_since`, `trouble`; empty where none may be."""
        ...

    @property
    def unheard(self) -> bool:
        """Whether what was purged before the start isn't known yet."""
        ...

    def unready(self) -> dict[str, str]:
        """Why requests should go elsewhere, empty when they shouldn't: `reason`, and what to do about it."""
        ...

    def purges(self) -> list[dict[str, Any]]:
        """The last purges, the newest first: when, by whom, how much of which kind, and whether everybody knows."""
        ...

    async def count(self) -> Snapshot:
        """What all workers have counted."""
        ...


_FOR_ANYBODY = ("/healthz", "/readyz")


def is_misdirected(host: str, own: object) -> bool:
    """Whether a request to *own*, a loopback address, names a *host* that somebody else could have given that address.

    A site that does (DNS rebinding) may read our answers: to a browser they are its own.
    """
    if not isinstance(own, tuple) or not ip_address(own[0]).is_loopback or not host:
        return False
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return not f".{name.lower().rstrip('.')}".endswith(".localhost")
    return False


def management(state: State) -> web.Application:
    """The application with `/healthz`, `/readyz`, `/metrics` and, at `/`, the page for who runs this."""

    async def healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        return web.json_response({"status": "up"})

    async def readyz(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        why = state.unready()
        return web.json_response(
            {"status": "unready", **why} if why else {"status": "ready"}, status=503 if why else 200
        )

    async def metrics(request: web.Request) -> web.Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Counted(await state.count(), state))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def told(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        counts = await state.count()
        said = status(
            counts,
            ready=state.ready,
            restarts=state.restarts,
            unready=state.unready(),
            purges=state.purges(),
            reloads=state.reloads,
        )
        return web.json_response(said, headers=HEADERS)

    @web.middleware
    async def by_our_name(request: web.Request, handler: Handler) -> web.StreamResponse:
        own = None if request.transport is None else request.transport.get_extra_info("sockname")
        if request.path not in _FOR_ANYBODY and is_misdirected(request.headers.get("Host", ""), own):
            raise web.HTTPMisdirectedRequest
        return await handler(request)

    app = side_app(1024, by_our_name)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/status", told)
    app.router.add_get("/", part("operator.html", "text/html"))
    for name, content_type in PARTS.items():
        app.router.add_get(f"/{name}", part(name, content_type))
    return app


class _Counted(Collector):
    """One scrape: a snapshot in Prometheus' words. docs/reference/metrics.md explains each."""

    def __init__(self, counts: Snapshot, state: State) -> None:
        self._counts = counts
        self._state = state

    def collect(self) -> Iterator[Metric]:
        counts = self._counts
        decisions = CounterMetricFamily(
            "phantomgate_decisions", "Decisions by outcome and, for refusals, reason.", labels=("outcome", "reason")
        )
        decisions.add_metric(("allowed", ""), counts["allowed"])
        decisions.add_metric(("answered", ""), counts["answered"])
        for reason, count in counts["refused"].items():
            decisions.add_metric(("refused", reason), count)
        decisions.add_metric(("abandoned", ""), counts["abandoned"])
        yield decisions

        cache = CounterMetricFamily("phantomgate_cache", "Look-ups by level and result.", labels=("level", "result"))
        for level, results in counts["cache"].items():
            for result, count in results.items():
                cache.add_metric((level, result), count)
        yield cache

        introspection = HistogramMetricFamily(
            "phantomgate_introspection_seconds", "How long the authorization server took to answer, or not to."
        )
        buckets, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts["latency"], strict=True):
            total += count
            buckets.append((bound, total))
        introspection.add_metric((), buckets, counts["latency_sum"])
        yield introspection

        yield CounterMetricFamily(
            "phantomgate_stale_served", "Answers used past their time, as [cache] allows.", counts["stale"]
        )
        yield CounterMetricFamily(
            "phantomgate_refreshed_ahead", "Answers asked for before their time was over.", counts["ahead"]
        )
        yield from _of_servers(counts["servers"])

        upstream = CounterMetricFamily(
            "phantomgate_upstream_failures", "Requests that the API behind the proxy did not answer.", labels=("kind",)
        )
        for kind, count in counts["upstream_failures"].items():
            upstream.add_metric((kind,), count)
        yield upstream

        yield GaugeMetricFamily("phantomgate_in_flight", "Requests that wait for an answer.", counts["in_flight"])
        yield CounterMetricFamily(
            "phantomgate_log_lines_dropped", "Log lines that could not be written.", counts["lines_dropped"]
        )
        yield GaugeMetricFamily("phantomgate_workers", "Workers that accept connections.", self._state.ready)
        yield CounterMetricFamily(
            "phantomgate_worker_restarts", "Workers that had to be started again.", self._state.restarts
        )
        yield from _of_reloads(self._state.reloads)
        yield GaugeMetricFamily(
            "phantomgate_ready", "1 when /readyz says so, else 0.", 0 if self._state.unready() else 1
        )
        yield GaugeMetricFamily(
            "phantomgate_purges_unheard", "1 until what was purged before the start is known.", self._state.unheard
        )
        build = GaugeMetricFamily("phantomgate_build_info", "1, with the version.", labels=("version", "python"))
        build.add_metric((__version__, platform.python_version()), 1)
        yield build


def _of_reloads(told: dict[str, Any]) -> Iterator[Metric]:
    """How changes of the settings went, while we ran."""
    if not told:
        return
    reloads = CounterMetricFamily("phantomgate_reloads", "Changes of the settings, by result.", labels=("result",))
    reloads.add_metric(("success",), told["succeeded"])
    reloads.add_metric(("failure",), told["failed"])
    yield reloads
    yield GaugeMetricFamily(
        "phantomgate_reload_last_success_timestamp_seconds", "When the settings in force were read.", told["good_since"]
    )
    yield GaugeMetricFamily(
        "phantomgate_reload_last_failed", "1 while the settings can't be used as they are now.", bool(told["trouble"])
    )


def _of_servers(servers: Snapshot) -> Iterator[Metric]:
    """How our calls to each authorization server went; its name is that of the settings."""
    prefix = "phantomgate_authorization_server"
    calls = CounterMetricFamily(f"{prefix}_calls", "Calls by what came of them.", labels=("issuer", "result"))
    retries = CounterMetricFamily(f"{prefix}_retries", "Calls made once more.", labels=("issuer",))
    shed = CounterMetricFamily(f"{prefix}_shed", "Calls that were not made, by why.", labels=("issuer", "why"))
    opened = CounterMetricFamily("phantomgate_breaker_opened", "How often a breaker opened.", labels=("issuer",))
    under_way = GaugeMetricFamily(f"{prefix}_in_flight", "Calls under way.", labels=("issuer",))
    breaker = GaugeMetricFamily("phantomgate_breaker_state", "Workers by their breaker.", labels=("issuer", "state"))
    for name, one in servers.items():
        for result, count in one["calls"].items():
            calls.add_metric((name, result), count)
        for why, count in one["shed"].items():
            shed.add_metric((name, why), count)
        for state, count in one["breaker"].items():
            breaker.add_metric((name, state), count)
        retries.add_metric((name,), one["retries"])
        opened.add_metric((name,), one["opened"])
        under_way.add_metric((name,), one["in_flight"])
    yield from (calls, retries, shed, under_way, breaker, opened)
