"""The ext_authz service for Envoy, on grpcio's asyncio server.

Rule: as for HTTP. A check is answered by what `decide` returned or not at all, and Envoy takes an error for a refusal
(`failure_mode_allow` is false). grpcio binds its socket itself, so workers share the port that the supervisor holds,
each with a socket of its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import grpc

from phantomgate.adapters import envoy
from phantomgate.adapters.limits import too_large
from phantomgate.core.model import Answer, Decision, HeaderChange, Headers, Refuse
from phantomgate.gateway.gateway import Gateway
from phantomgate.servers.listener import Limits
from phantomgate.servers.trampoline import continued

REMEMBERED_ANSWERS = 4096
MOST_CALLS = 4096
"""How many checks may be open at a time; more are turned away, which Envoy takes for an error."""
BESIDES_HEADERS = 65536
"""Bytes of a CheckRequest for what isn't header fields: addresses, certificates, what the user's filters add."""


class Checks:
    """The service. Its state: what was rendered, by header change; how many wait; whether it ends and cut one off."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        trusts: Callable[[str], bool],
        realm: str = "api",
        resource_metadata: str = "",
        limits: Limits | None = None,
        waiting: Callable[[int], None] = lambda change: None,  # noqa: ARG005 - nobody counts
    ) -> None:
        self.gateway = gateway
        self.trusts = trusts
        self.realm = realm
        self.resource_metadata = resource_metadata
        self.limits = limits or Limits()
        self.waiting = waiting
        self.open = 0
        self.ending = self.cut = False
        self._allowed: OrderedDict[HeaderChange, tuple[bytes, bytes]] = OrderedDict()
        self._server: Any = None

    def adopt(self, newer: Checks) -> None:
        """Go by what *newer* was made with; the size of messages and idle times stay as grpcio has taken them."""
        self.gateway, self.trusts, self.limits = newer.gateway, newer.trusts, newer.limits
        self.realm, self.resource_metadata = newer.realm, newer.resource_metadata

    async def start(self, host: str, port: int) -> int:
        """Accept calls on *host* and *port*; the port. Raises OSError when that can't be had."""
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=MOST_CALLS,
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", self.limits.max_header_bytes + BESIDES_HEADERS),
                ("grpc.max_connection_idle_ms", int(self.limits.idle_timeout * 1000)),
            ],
        )
        methods = {envoy.METHOD: grpc.unary_unary_rpc_method_handler(self.check)}  # bytes in, bytes out
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(envoy.SERVICE, methods),))
        try:
            bound: int = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as no:
            raise OSError(f"grpcio can't listen on port {port}") from no
        await self._server.start()
        return bound

    async def stop(self, seconds: float) -> bool:
        """Whether every open check was answered within *seconds*; those that were not are cut off."""
        self.ending = True
        await self._server.stop(seconds)
        return not self.cut and not self.open

    async def check(self, data: bytes, call: Any) -> bytes:
        """One check: the bytes of a CheckRequest in, those of a CheckResponse out."""
        peer = peer_of(call.peer())
        if not self.trusts(peer):
            await call.abort(grpc.StatusCode.PERMISSION_DENIED, "not a trusted proxy")
        request = envoy.read_check(data, peer)
        line = len(request.path) + len(request.query)
        large = too_large(line, request.headers, self.limits.max_headers, self.limits.max_header_bytes)
        request.problem = request.problem or large
        deciding = self.gateway.decide(request)
        try:
            future = deciding.send(None)
        except StopIteration as done:
            return self.rendered(done.value, request.headers)
        self.open += 1
        self.waiting(1)
        try:
            return self.rendered(await continued(deciding, future), request.headers)
        except asyncio.CancelledError:
            self.cut = self.cut or self.ending
            raise
        finally:
            self.open -= 1
            self.waiting(-1)

    def rendered(self, decision: Decision, headers: Headers) -> bytes:
        """*decision* about the request with *headers* as a CheckResponse."""
        if isinstance(decision, Refuse):
            return envoy.write_refuse(decision, self.realm, self.resource_metadata)
        if isinstance(decision, Answer):
            return envoy.write_answer(decision)
        made = self._allowed.get(decision.upstream)
        if made is None:
            if len(self._allowed) >= REMEMBERED_ANSWERS:
                self._allowed.popitem(last=False)
            made = self._allowed[decision.upstream] = (
                envoy.write_upstream(decision.upstream), envoy.write_metadata(decision),
            )  # fmt: skip
        return envoy.write_allow(decision, headers, *made)


def peer_of(text: str) -> str:
    """The address in what grpcio calls a peer: "ipv4:127.0.0.1:50000", "ipv6:%5B::1%5D:50000"."""
    kind, _, rest = text.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")
