"""Kong, which asks by a serverless function."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, quoted, unrun


def _say(names: Names) -> dict[str, str]:
    return {"dropped": quoted(names.dropped), "claims": quoted(names.claims)}


KIND = unrun("kong", "forwarded", __name__, ["kong.yml"], _say)
