"""Azure API Management, which asks `/exchange` by a policy."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, elements, unrun


def _say(names: Names) -> dict[str, str]:
    return {"clean": elements('<set-header name={} exists-action="delete" />', names.spelled)}


KIND = unrun("azure-apim", "forwarded", __name__, ["policy.xml"], _say)
