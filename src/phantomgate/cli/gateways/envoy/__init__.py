"""From settings to the files of an Envoy that asks phantomgate: ext_authz over HTTP, on the path of the request."""

from __future__ import annotations

import argparse
import json
import re

from phantomgate.cli.gateways.headers import dropped, session_header
from phantomgate.cli.gateways.kind import Facts, Kind, Places, claim_headers, facts
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.network import read_address
from phantomgate.config.settings import Settings

_PARTS = ("connection_manager", "http_filters", "virtual_host", "preflight", "cluster")


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
    """The files by name."""
    said = facts(settings, places)
    judged = session_header(settings)
    names = [name.lower() for name in dropped(settings) if name not in judged]
    also = ["x-forwarded-host", "x-forwarded-port", "x-real-ip"]
    said.values.update(
        clean="\n".join(f"- remove: {name}" for name in (*names, *also)),
        claims="\n".join(f"- {{ exact: {name.lower()} }}" for name in claim_headers(settings)),
        dropped=", ".join((*judged, "x-envoy-expected-rq-timeout-ms")),
        cors=", ".join(f"access-control-{part}" for part in ("allow-origin", "allow-credentials", "expose-headers")),
        decision=_address(said.values["listen"]),
        resolution=_resolution(said.values["listen"]),
        bind_address=_address(places.bind),
        api_address=_address(places.api),
        api_resolution=_resolution(places.api),
    )
    parts = rendered(__name__, (f"{part}.yaml" for part in _PARTS), said)
    said.values.update({name.removesuffix(".yaml"): text.rstrip("\n") for name, text in parts.items()})
    return rendered(__name__, ("envoy.yaml", "phantomgate.yaml"), Facts(said.words, said.values))


def _address(text: str) -> str:
    address = read_address(text)
    if address.unix:
        return f"{{ pipe: {{ path: {json.dumps(address.unix)} }} }}"
    return f"{{ socket_address: {{ address: {json.dumps(address.host)}, port_value: {address.port} }} }}"


def _resolution(text: str) -> str:
    """How Envoy finds what is at *text*: an address needs no look-up, a name does."""
    address = read_address(text)
    return "STATIC" if address.unix or re.fullmatch(r"[0-9.]+|.*:.*", address.host) else "STRICT_DNS"


KIND = Kind("envoy", "path", render, own=["envoy.yaml"])
