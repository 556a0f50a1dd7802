"""Known ways around a gateway that is led to read another request than the API, or told what to drop."""

from __future__ import annotations

from collections.abc import Iterator

from phantomgate.cli.doctor.case import FRAMING, MARK, Case, Known


def cases(known: Known, bearer: str) -> Iterator[Case]:
    """Every such case."""
    yield from _hops(known, bearer)
    yield from _lengths(known, bearer)
    yield from _fields(bearer)
    yield Case("http-1.0", FRAMING, "HTTP/1.0 without a credential", "refused", _STRICT, version="HTTP/1.0")
    yield _question(known, bearer)  # last, since what it puts out of step stays so


_STRICT = "the gateway must refuse what it could misread; keep it up to date and its parser strict"
_WEBSOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: ZG9jdG9yIHdhcyBoZXJlIQ==",
)


def _hops(known: Known, bearer: str) -> Iterator[Case]:
    """What is said to the next hop alone: fields to drop, other protocols."""
    hop = (
        "no client may say which fields a hop drops: phantomgate refuses such a Connection if the gateway passes it on"
    )
    for name in ("Authorization", "Cookie", *known.identity):
        yield Case(
            f"hop-{name.lower()}",
            FRAMING,
            f"Connection: {name}",
            "either",
            hop,
            lines=(bearer, f"Connection: close, {name}"),
            known_from="CVE-2022-31813, CVE-2023-38633",
        )
    yield Case(
        "h2c",
        FRAMING,
        "an upgrade to HTTP/2 in the clear",
        "either",
        "a tunnel of requests that nobody judges: don't pass Upgrade on, but for websocket",
        lines=(
            bearer,
            "Upgrade: h2c",
            "Connection: Upgrade, HTTP2-Settings",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
        known_from="h2c smuggling, Bishop Fox 2020",
    )
    yield Case(
        "h2c-beside-websocket",
        FRAMING,
        "the same, beside an upgrade to websocket",
        "either",
        "a tunnel of requests that nobody judges: pass on `Upgrade: websocket` in words of the gateway's own",
        lines=(
            bearer,
            "Upgrade: h2c",
            "Upgrade: websocket",
            "Connection: Upgrade, HTTP2-Settings",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
        known_from="h2c smuggling, Bishop Fox 2020",
    )
    yield Case(
        "websocket-declined",
        FRAMING,
        "a request behind a WebSocket that the API declines",
        "either",
        "nothing may follow before the API has said 101, or the API must be told to close: write the gateway's files "
        "again (phantomgate init)",
        lines=(bearer, *_WEBSOCKET),
        body=f"GET /{MARK}?doctor={{nonce}} HTTP/1.1\r\nHost: {known.authority}\r\n\r\n".encode(),
        known_from="WebSocket smuggling, 0ang3el 2019",
    )
    yield Case(
        "websocket",
        FRAMING,
        "a WebSocket without a credential",
        "refused",
        "WebSockets must be asked about like everything else",
        lines=_WEBSOCKET,
    )


def _lengths(known: Known, bearer: str) -> Iterator[Case]:
    """Bodies whose end is told in two ways, with another request in one of them."""
    inner = f"GET /{MARK}?doctor={{nonce}} HTTP/1.1\r\nHost: {known.authority}\r\n\r\n".encode()
    both = (bearer, f"Content-Length: {len(inner.replace(b'{nonce}', b'0' * 16)) + 5}", "Transfer-Encoding: chunked")
    yield Case(
        "cl-te",
        FRAMING,
        "Content-Length and Transfer-Encoding",
        "unparsed",
        _STRICT,
        method="POST",
        lines=both,
        body=b"0\r\n\r\n" + inner,
        known_from="RFC 9112 section 6.3",
    )
    length = len(inner.replace(b"{nonce}", b"0" * 16))
    yield Case(
        "te-cl",
        FRAMING,
        "the same, the other way round",
        "unparsed",
        _STRICT,
        method="POST",
        lines=(bearer, "Content-Length: 4", "Transfer-Encoding: chunked"),
        body=f"{length:x}\r\n".encode() + inner + b"\r\n0\r\n\r\n",
        known_from="RFC 9112 section 6.3",
    )
    for name, line in (
        ("space", "Transfer-Encoding : chunked"),
        ("tab", "Transfer-Encoding:\tchunked\t"),
        ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("other", "Transfer-Encoding: xchunked"),
    ):
        yield Case(
            f"te-{name}",
            FRAMING,
            f"a Transfer-Encoding that is odd ({name})",
            "unparsed",
            _STRICT,
            method="POST",
            lines=(bearer, line, "Content-Length: 5"),
            body=b"0\r\n\r\n" + inner,
        )


def _fields(bearer: str) -> Iterator[Case]:
    """Fields that two parsers may take for different ones, and too much of them."""
    yield Case(
        "folded", FRAMING, "a folded Authorization", "refused", _STRICT, lines=(f"Authorization: Bearer\r\n {MARK}",)
    )
    yield Case(
        "space-before-colon",
        FRAMING,
        "a space before the colon",
        "either",
        _STRICT,
        lines=(bearer, f"X-Forwarded-User : {MARK}"),
        known_from="RFC 9112 section 5.1",
    )
    yield Case(
        "zero-in-value",
        FRAMING,
        "a zero byte in a value",
        "either",
        _STRICT,
        lines=(bearer, f"X-Forwarded-User: a\x00{MARK}"),
    )
    yield Case(
        "bare-cr",
        FRAMING,
        "a bare CR in a value",
        "either",
        _STRICT,
        lines=(bearer, f"X-Doctor: a\rX-Forwarded-User: {MARK}"),
    )
    yield Case(
        "bare-lf",
        FRAMING,
        "a bare LF in a value",
        "either",
        _STRICT,
        lines=(bearer, f"X-Doctor: a\nX-Forwarded-User: {MARK}"),
    )
    yield Case(
        "long-token", FRAMING, "a token of 20 kB", "refused", _STRICT, lines=(f"Authorization: Bearer {'x' * 20_000}",)
    )
    yield Case(
        "long-head",
        FRAMING,
        "100 kB of header fields and no credential",
        "refused",
        _STRICT,
        lines=tuple(f"X-Pad-{number}: {'x' * 1000}" for number in range(100)),
    )


def _question(known: Known, bearer: str) -> Case:
    """A body that begins a question to phantomgate, with a good token. Should it get there without a length, then the
    next question on that connection, whosoever it is, is the end of it.
    """
    body = f"GET /decide{known.allowed} HTTP/1.1\r\n{bearer}\r\nX-Doctor: ".encode()
    return Case(
        "body-question",
        FRAMING,
        "a body that begins a question to phantomgate, and requests without a credential after it",
        "refused",
        "no body may go to phantomgate without its Content-Length, or it begins the next question: write "
        "the gateway's files again (phantomgate init)",
        method="POST",
        lines=(f"Content-Length: {len(body)}",),
        body=body,
        again=6,
    )
