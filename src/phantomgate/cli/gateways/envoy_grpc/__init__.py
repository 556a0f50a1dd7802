"""From settings to the file of an Envoy that asks phantomgate by gRPC: which headers change, each answer says."""

from __future__ import annotations

import argparse
from ipaddress import ip_address

from phantomgate.cli.gateways.kind import Facts, Kind, Places, facts
from phantomgate.cli.gateways.template import rendered
from phantomgate.config.settings import Settings


def render(settings: Settings, places: Places, options: argparse.Namespace) -> dict[str, str]:  # noqa: ARG001
    """The file by name."""
    said = facts(settings, places)
    for name in ("bind", "api", "listen"):
        _part(said, name)
    return rendered(__name__, ("envoy.yaml",), said)


def _part(said: Facts, name: str) -> None:
    """Host and port of the address *name*, and whether the host is a name, which Envoy has to look up."""
    host, _, port = said.values[name].rpartition(":")
    host = host.strip("[]")
    said.values[f"{name}_host"], said.values[f"{name}_port"] = host, port
    try:
        ip_address(host)
    except ValueError:
        said.words[f"{name}_named"] = True
    else:
        said.words[f"{name}_named"] = False


KIND = Kind("envoy-grpc", "auto", render, protocol="grpc", unix=False)
