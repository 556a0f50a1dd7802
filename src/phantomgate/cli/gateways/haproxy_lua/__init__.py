"""From settings to the files of an HAProxy that asks phantomgate over HTTP, in Lua: for those who can't use SPOE.

Rule: the Lua only asks, and says what it heard in the variables that SPOE would have set; the rules are the same ones.
"""

from __future__ import annotations

import argparse
import math

from phantomgate.cli.gateways import haproxy
from phantomgate.cli.gateways.kind import Kind, Places, claim_headers, csrf_header
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
    """The files by name. Raises SettingsError."""
    said = haproxy.said_by(settings, places, "haproxy-lua")
    sent = ["authorization"]
    heard = ["authorization", *(name.lower() for name in claim_headers(settings))]
    if settings.session.keys:
        sent += ["cookie", "origin", "sec-fetch-site", csrf_header(settings)]
        sent += ["access-control-request-method", "access-control-request-headers"]
        heard += ["cookie", "vary", *(name.lower() for name in haproxy.SAID_OF_CORS)]
    said.values.update(
        milliseconds=str(math.ceil(settings.introspection.timeout * 1000) + 500),
        sent=", ".join(f'"{name}"' for name in sent),
        heard=", ".join(f'"{name}"' for name in heard),
    )
    files = rendered(haproxy.__name__, ("haproxy.cfg",), said)
    return {**files, **rendered(__name__, ("phantomgate.lua",), said)}


KIND = Kind("haproxy-lua", "forwarded", render, own=("haproxy.cfg",), unix=False)
