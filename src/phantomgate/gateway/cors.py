"""CORS for gateways that can't do it themselves: what a browser lets a page of another origin send and read.

Rule (Fetch §3.2): an origin is trusted when it is one of ours, byte for byte; every other one is told nothing, so that
the browser tells the page nothing. Never `*`, never an echo of what was asked for. This decides about no request:
whether one may pass is `find`'s and the policies' to say, and a refusal is readable by our pages, which can act on it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from phantomgate.core.model import Answer, Fields, Request
from phantomgate.core.nouns import dataclass
from phantomgate.core.ports import Respond

_VARY: Fields = (("Vary", "Origin"),)


@dataclass(frozen=True, slots=True)
class CorsRules:
    """Which origins are told what. `max_age` is in seconds."""

    origins: frozenset[bytes]
    methods: Sequence[str]
    headers: Sequence[str]
    exposed: Sequence[str]
    max_age: int


def cors(rules: CorsRules) -> Respond:
    """The fields for every answer to a page, and the whole answer to a preflight where the client can hear it.

    A preflight of an origin that isn't trusted is answered too, without a word of CORS.
    """
    plain = {origin: _fields(rules, origin) for origin in rules.origins}
    preflights = {origin: Answer(204, _preflight(rules, origin)) for origin in rules.origins}
    refused = Answer(204, _VARY)

    def respond(request: Request) -> tuple[Fields, Answer | None]:
        headers = request.headers
        origin = b"" if b"origin" in headers.repeated else headers.fields.get(b"origin", b"")
        if request.method == "OPTIONS" and request.answerable and is_preflight(headers.fields):
            return (), preflights.get(origin, refused)
        return plain.get(origin, _VARY), None

    return respond


def is_preflight(fields: Collection[bytes]) -> bool:
    """Whether an OPTIONS request with these fields asks for leave to send another (Fetch §4.8)."""
    return b"origin" in fields and b"access-control-request-method" in fields


def _fields(rules: CorsRules, origin: bytes) -> Fields:
    allowed = ("Access-Control-Allow-Origin", origin.decode("ascii")), ("Access-Control-Allow-Credentials", "true")
    exposed = (("Access-Control-Expose-Headers", ", ".join(rules.exposed)),) if rules.exposed else ()
    return (*allowed, *exposed, *_VARY)


def _preflight(rules: CorsRules, origin: bytes) -> Fields:
    return (
        ("Access-Control-Allow-Origin", origin.decode("ascii")),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", ", ".join(rules.methods)),
        ("Access-Control-Allow-Headers", ", ".join(rules.headers)),
        ("Access-Control-Max-Age", str(rules.max_age)),
        *_VARY,
    )
