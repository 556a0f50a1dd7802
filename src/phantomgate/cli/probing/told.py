"""What was found, as one value of JSON's kinds that holds no secret: both renderings are made from it.

Rule: as `cli.story`. A last sweep masks the token, the secret and every JWT, wherever a server may have put them.
"""

from __future__ import annotations

from typing import Any

from phantomgate.cli.probing.finding import Finding, Showing
from phantomgate.cli.probing.trials import Tried
from phantomgate.cli.probing.ways import Way, rank
from phantomgate.cli.story import swept
from phantomgate.config.remedies import remedy
from phantomgate.core.errors import Reason, Refused


def told(finding: Finding) -> dict[str, Any]:
    """Everything about *finding*, masked."""
    given, best = finding.given, finding.best
    story = {
        "issuer": given.issuer,
        "works": finding.works,
        "metadata": _metadata(finding),
        "keys": _keys(finding),
        "client": {"client_id": given.client_id, "client_auth": [_showing(one) for one in finding.showings]}
        if given.client_id
        else None,
        "token": _token(finding),
        "ways": _ways(finding),
        "recommended": {"way": best.way.title, "why": _why(finding, best.way), "upstream": best.upstream}
        if best
        else None,
        "settings": finding.settings or None,
        "next": _next(finding),
    }
    clean: dict[str, Any] = swept(story, finding.secrets)
    return clean


def _why(finding: Finding, way: Way) -> str:
    if way.mint and not finding.token:
        return "only a token can tell whether the server has a JWT to give; this works either way."
    return way.why


def _metadata(finding: Finding) -> dict[str, Any]:
    metadata, said = finding.metadata, finding.metadata.said
    trouble = metadata.trouble
    if trouble is not None:
        return {"found": False, **_refusal(trouble)}
    return {
        "found": True,
        "url": metadata.url,
        "endpoints": [
            {"for": one.purpose, "url": one.url, **({"not_called": one.why_not.detail} if one.why_not else {})}
            | ({"remedy": _origin_remedy(one.why_not)} if one.why_not else {})
            for one in said.endpoints
        ],
        "says": {name: list(words) for name, words in said.lists.items()},
        "supports": dict(said.supports),
    }


def _origin_remedy(no: Refused) -> str:
    """Here an origin is an option first."""
    if "endpoint_origins" in no.detail:
        return "If that origin is the issuer's own affair: --endpoint-origin; our secret and the tokens go there."
    return remedy(no.reason, no.detail)


def _keys(finding: Finding) -> dict[str, Any]:
    keys = finding.keys
    if keys.trouble is not None:
        return {"url": keys.url, **_refusal(keys.trouble)}
    found = keys.found
    return {
        "url": keys.url,
        "usable": [{"kid": key.kid, "alg": key.alg} for key in found.keys] if found else [],
        "unusable": [{"kid": key.kid, "why": key.why} for key in found.skipped] if found else [],
    }


def _showing(showing: Showing) -> dict[str, Any]:
    method, tried = showing
    if tried is None or tried.reason == "settings":  # then nothing was sent
        why = method.why_not if tried is None else tried.detail
        return {"client_auth": method.name, "result": "not tried", "detail": why}
    return {"client_auth": method.name} | _result(tried)


def _ways(finding: Finding) -> list[dict[str, Any]]:
    """What was tried and what wasn't, what we would rather have first."""
    known = any(one.works and one.way.mode == "introspect" for one in finding.tried)
    ways = [(rank(one.way), _tried(one, known)) for one in finding.tried]
    ways += [(rank(way), {"way": way.title, "result": "not tried", "detail": why}) for way, why in finding.untried]
    return [one for _, one in sorted(ways, key=lambda pair: pair[0])]


def _tried(tried: Tried, known: bool) -> dict[str, Any]:
    said = {"way": tried.way.title, "client_auth": tried.way.client_auth} | _result(tried)
    if tried.upstream:
        said["upstream"] = tried.upstream
    if tried.works and tried.way.answer == "jwt" and tried.answered and tried.answered.media_type == "application/json":
        said["detail"] = "it answers in JSON all the same"
    if known and tried.reason == Reason.BAD_ANSWER.label:
        said["remedy"] = next((text for piece, text in _KNOWN if piece in tried.detail), tried.remedy)
    return said


_KNOWN = (
    ("status ", "It answers in another way, so it doesn't speak this one, or not to this client."),
    ("Content-Type ", "It answers in another way, so it doesn't speak this one, or not to this client."),
    ("holds no JWT", "It gives facts and no JWT: one can be minted here, or it can be told to give one."),
)
"""What to say instead of the remedy where the endpoint is known to be the right one: (a piece of the detail, what)."""


def _result(tried: Tried) -> dict[str, Any]:
    if tried.works:
        return {"result": "works"}
    return {"result": "does not", "reason": tried.reason, "detail": tried.detail, "remedy": tried.remedy}


def _token(finding: Finding) -> dict[str, Any]:
    if finding.token_trouble is not None:
        return {"kind": "none", **_refusal(finding.token_trouble)}
    shape = finding.shape
    if shape is None:
        return {"kind": "opaque" if finding.token else "none"}
    return {"kind": "JWT", "alg": shape.algorithm, "typ": shape.typ, "aud": list(shape.audiences)}


def _next(finding: Finding) -> list[str]:
    """What would find out more."""
    given, best = finding.given, finding.best
    hints = []
    if not given.client_id:
        hints.append("To try introspection: --client-id NAME --client-secret env:NAME, or file:PATH.")
    elif not finding.endpoint:
        hints.append("To try introspection: --endpoint URL, since the metadata names none that may be called.")
    if not finding.token:
        hints.append("To see what becomes of a real token: --token env:NAME, file:PATH, or - for stdin.")
    elif finding.shape is None and not given.client_id:
        hints.append("This token is opaque: nothing but introspection can tell what it means.")
    if best is not None and best.way.mint:
        hints.append("Make a key to sign with, and name issuer and audience: docs/how-to/minting.md.")
    return hints


def _refusal(no: Refused) -> dict[str, str]:
    return {"reason": no.reason.label, "detail": no.detail, "remedy": remedy(no.reason, no.detail)}
