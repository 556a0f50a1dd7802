"""Envoy Gateway, which asks by a SecurityPolicy."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, lines, plain, unrun


def _say(names: Names) -> dict[str, str]:
    return {"clean": lines("- {}", [name for name in names.spelled if "_" not in name]), "claims": plain(names.claims)}


KIND = unrun("envoy-gateway", "path", __name__, ["phantomgate.yaml"], _say)
