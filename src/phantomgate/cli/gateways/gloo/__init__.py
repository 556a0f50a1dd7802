"""Gloo Gateway, which asks by custom external authorization."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, plain, unrun


def _say(names: Names) -> dict[str, str]:
    return {"clean": plain(names.spelled), "claims": plain(names.claims)}


KIND = unrun("gloo", "path", __name__, ["phantomgate.yaml", "settings.yaml"], _say)
