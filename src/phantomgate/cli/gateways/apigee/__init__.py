"""Apigee, which asks `/exchange` by policies of a proxy."""

from __future__ import annotations

from phantomgate.cli.gateways.listed import Names, elements, unrun


def _say(names: Names) -> dict[str, str]:
    return {"clean": elements("<Header name={} />", names.spelled)}


KIND = unrun(
    "apigee",
    "forwarded",
    __name__,
    ["PG-Ask.xml", "PG-Refuse.xml", "PG-Read.xml", "PG-NoJwt.xml", "PG-Forward.xml", "README.md"],
    _say,
)
