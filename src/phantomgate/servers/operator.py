"""The page for whoever runs this: what happens now, and what to do about it. On the management listener.

Rule: it tells what /metrics tells, and what was purged lately without saying whose; it changes nothing, loads nothing
from elsewhere and runs no script but its own. Rates are made in the browser, from the figures of two moments.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from aiohttp import web

from phantomgate import __version__
from phantomgate.config.observe import BUCKETS, Snapshot
from phantomgate.config.remedies import remedy
from phantomgate.core.errors import Reason

PARTS = {"operator.css": "text/css", "operator.js": "text/javascript", "icon.svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def part(name: str, content_type: str) -> Callable[[web.Request], Any]:
    """A handler that gives the file *name* of the folder `static`."""
    body = files("phantomgate.servers").joinpath("static", name).read_bytes()

    async def given(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler's shape
        return web.Response(body=body, headers={**HEADERS, "Content-Type": f"{content_type}; charset=utf-8"})

    return given


def status(
    counts: Snapshot,
    *,
    ready: int,
    restarts: int,
    unready: dict[str, str],
    purges: list[dict[str, Any]],
    reloads: dict[str, Any],
) -> dict[str, Any]:
    """What the page shows, as JSON can carry it: totals, for each reason that occurs what to do about it, the last
    purges, which say what kind of thing was purged and never which, and how changes of the settings went."""
    return {
        "version": __version__,
        "workers": ready,
        "restarts": restarts,
        "unready": unready,
        "purges": purges,
        "reloads": reloads,
        "buckets": BUCKETS,
        "counts": counts,
        "reasons": {
            reason.label: {"status": reason.status, "remedy": remedy(reason, _detail(reason, counts))}
            for reason in Reason
            if counts["refused"].get(reason.label)
        },
    }


_WORDS = {
    "no_address": "no address for",
    "no_connection": "no connection to",
    "no_tls": "no tls",
    "cut_off": "closed the connection",
    "timeout": "gave no whole answer within",
    "status_429": "answered 429",
}
"""How calls fail, in the words by which remedies are found."""


def _detail(reason: Reason, counts: Snapshot) -> str:
    """The way in which most calls have failed, where that is what the reason is about."""
    if reason is not Reason.UNAVAILABLE:
        return ""
    failed = [(one["calls"].get(how, 0), word) for one in counts["servers"].values() for how, word in _WORDS.items()]
    count, word = max(failed, default=(0, ""))
    return word if count else ""
