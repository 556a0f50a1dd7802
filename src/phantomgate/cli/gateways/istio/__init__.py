"""Istio, which asks by an external authorizer of its mesh configuration."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, lines, plain, unrun


def _say(names: Names) -> dict[str, str]:
    return {"clean": lines("- remove: {}", [name.lower() for name in names.dropped]), "claims": plain(names.claims)}


KIND = unrun("istio", "path", __name__, ["phantomgate.yaml"], _say)
