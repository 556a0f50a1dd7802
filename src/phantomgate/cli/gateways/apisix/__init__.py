"""APISIX, which asks by its forward-auth plugin."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, quoted, unrun


def _say(names: Names) -> dict[str, str]:
    return {"dropped": quoted(names.dropped), "upstream": quoted(["Authorization", *names.claims])}


KIND = unrun("apisix", "forwarded", __name__, ["apisix.yaml"], _say)
