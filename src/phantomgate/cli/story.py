"""The story of one decision, for people and for programs: one masked value that both renderings are made from.

Rule: masking comes first. A `Story` holds nothing that may not be printed; a final sweep replaces the token and the
JWT wherever else they may have got to, a claim that repeats them, say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from phantomgate.adapters.forward_auth import write_allow, write_exchange
from phantomgate.adapters.refusal import write_refusal
from phantomgate.cli.hanging import hanging
from phantomgate.config.remedies import remedy
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Refused
from phantomgate.core.model import (
    Allow,
    Answer,
    Credential,
    Decision,
    HeaderChange,
    Headers,
    Refuse,
    Request,
    Route,
    Source,
    Token,
)
from phantomgate.gateway.explain import Gave, Step

Story: TypeAlias = dict[str, Any]
"""What JSON can carry: request, steps, decision, answer."""

_TOLD_CLAIMS = ("iss", "sub", "aud", "client_id", "azp", "scope", "scp", "iat", "nbf", "exp", "token_type")


def tell(
    settings: Settings,
    request: Request,
    steps: Sequence[Step],
    decision: Decision,
    *,
    exchange: bool,
    now: float,
    ticks: float,
) -> Story:
    """Everything about one decision, masked. *exchange*: the gateway asked `/exchange`; *now* and *ticks* as always."""
    story: Story = {
        "request": {"method": request.method, "path": request.path, "host": request.host, "note": request.note},
        "steps": [_step(request, step, now, ticks) for step in steps],
        "decision": _decision(decision),
        "answer": _answer(settings, request.headers, decision, exchange, now, ticks),
    }
    clean: Story = swept(story, [secret for step in steps if (secret := _secret(step.gave))])
    return clean


def _secret(gave: Gave | None) -> str:
    """The secret in what a step gave, if there is one: facts may come without a JWT."""
    match gave:
        case Credential(value):
            return value
        case Token(jwt) | HeaderChange(jwt=jwt):
            return jwt
        case _:
            return ""


def mask(secret: str) -> str:
    """Enough of *secret* to recognise it, never all: its first six characters, if it has many more, and its length."""
    return f"{secret[:6]}... ({len(secret)} characters)" if len(secret) >= 24 else f"({len(secret)} characters)"


def swept(value: Any, secrets: Iterable[str]) -> Any:
    """*value*, of JSON's kinds, with each of *secrets* masked wherever it is repeated."""
    if isinstance(value, dict):
        return {swept(name, secrets): swept(item, secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [swept(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = mask(secret) if value == secret else value
            value = value.replace(secret, mask(secret)) if len(secret) >= 8 else value
    return value


def _step(request: Request, step: Step, now: float, ticks: float) -> dict[str, Any]:
    told: dict[str, Any] = {"step": step.verb, "ms": round(step.seconds * 1000, 3)}
    told |= {"policy": step.name} if step.verb == "judge" else {}
    if step.refused is not None:
        return told | {"result": "refused", **_refusal(step.refused)}
    return told | _gave(request, step.gave, now, ticks)


def _gave(request: Request, gave: Gave | None, now: float, ticks: float) -> dict[str, Any]:
    match gave:
        case Route() as route:
            needs = {name: sorted(getattr(route, name)) for name in ("scopes", "any_scopes", "issuers", "audiences")}
            needs["issuer"] = [route.issuer] if route.issuer else []
            return {"result": route.name, "needs": {name: words for name, words in needs.items() if words}}
        case Credential(value):
            where = "Bearer token" if b"authorization" in request.headers else "session cookie, with the access token"
            return {"result": f"{where}, {mask(value)}"}
        case Token() as token:
            return {
                "result": "active",
                "source": token.source.value,
                "issuer": token.issuer,
                "expires_in": int(token.expires_at - now),
                "usable_for": token.lifetime(now, ticks),
                "jwt": mask(token.jwt) if token.jwt else "none",
                "claims": {name: token.claims[name] for name in _TOLD_CLAIMS if name in token.claims},
                "other_claims": sorted(str(name) for name in token.claims if name not in _TOLD_CLAIMS),
            }
        case HeaderChange(fields, made=made):
            return {"result": "headers", "headers": _masked(fields), "jwt": made or "as it came"}
        case None:
            return {"result": "good"}


def _refusal(no: Exception) -> dict[str, str]:
    if isinstance(no, Refused):
        return {"reason": no.reason.label, "detail": no.detail}
    return {"reason": "server_error", "detail": type(no).__name__}


def _masked(fields: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Header fields, with what the Authorization and Cookie fields hold masked."""
    return [[name, _MASKED[name](value) if name in _MASKED else value] for name, value in fields]


_MASKED: Mapping[str, Callable[[str], str]] = {
    "Authorization": lambda value: f"Bearer {mask(value.removeprefix('Bearer '))}",
    "Cookie": lambda value: f"({len(value)} characters)" if value else "",
}


def _decision(decision: Decision) -> dict[str, str]:
    if isinstance(decision, Allow):
        return {"outcome": "allowed"}
    if isinstance(decision, Answer):
        return {"outcome": "answered"}
    reason, detail = decision.reason, decision.detail
    return {"outcome": "refused", "reason": reason.label, "detail": detail, "remedy": remedy(reason, detail)}


def _answer(
    settings: Settings, headers: Headers, decision: Decision, exchange: bool, now: float, ticks: float
) -> dict[str, Any]:
    """What the gateway is answered, and hands to the client where that is a refusal."""
    if isinstance(decision, Refuse):
        refusal = write_refusal(decision, settings.serve.realm, settings.serve.nginx)
        return {"status": refusal.status, "headers": _masked(refusal.headers), "body": json.loads(refusal.body)}
    if isinstance(decision, Answer):
        return {"status": decision.status, "headers": _masked(decision.headers), "body": None}
    seconds = decision.lifetime(now, ticks)
    if exchange:
        fields, body = write_exchange(decision, seconds)
        return {"status": 200, "headers": _masked(fields), "body": json.loads(body)}
    return {"status": 200, "headers": _masked(write_allow(decision, seconds, headers)), "body": None}


def as_text(story: Story) -> str:
    """The story for people; every value from outside is escaped, so that none can play with the terminal."""
    request, decision, answer = story["request"], story["decision"], story["answer"]
    lines = [_line("request", f"{request['method'] or '-'} {_plain(request['path'] or '-')}")]
    if request["note"]:
        lines.append(_line("", f"note: {request['note']}"))
    for step in story["steps"]:
        lines += _step_lines(step)
    lines += [_line("calls" if not place else "", text) for place, text in enumerate(story.get("calls", ()))]
    if decision["outcome"] != "refused":
        lines.append(_line("decision", decision["outcome"].upper()))
    else:
        lines.append(_line("decision", f"REFUSED: {decision['reason']}{_detail(decision)}"))
        lines += hanging(_line("", ""), decision["remedy"])
    lines.append(_line("answer", str(answer["status"])))
    lines += [_line("", f"{name}: {_plain(value)}") for name, value in answer["headers"]]
    if answer["body"] is not None:
        lines.append(_line("", json.dumps(answer["body"])))
    return "\n".join(lines)


def _step_lines(step: dict[str, Any]) -> list[str]:
    ms = f"  [{step['ms']:.1f} ms]" if step["step"] == "resolve" else ""
    if step["result"] == "refused":
        name = f"{step['policy']}: " if "policy" in step else ""
        return [_line(step["step"], f"{name}refused: {step['reason']}{_detail(step)}{ms}")]
    match step["step"]:
        case "match":
            needs = "; ".join(f"{name} {' '.join(words)}" for name, words in step["needs"].items())
            return [_line("match", f"{_plain(step['result'])}{f', which needs {_plain(needs)}' if needs else ''}")]
        case "resolve":
            claims = [_line("", f"{name} = {json.dumps(value)[:200]}") for name, value in step["claims"].items()]
            others = [_line("", f"and {', '.join(map(_plain, step['other_claims']))}")] if step["other_claims"] else []
            ends = f"expires in {step['expires_in']} s, may be remembered for {step['usable_for']} s"
            who = "the authorization server" if step["source"] == Source.NETWORK.value else f"the {step['source']}"
            who = "the memory past its time" if step["source"] == Source.STALE.value else who
            who += f" of issuer {_plain(step['issuer'])}" if step["issuer"] else ""
            return [_line("resolve", f"active, says {who}; {ends}{ms}"), *claims, *others]
        case "judge":
            return [_line("judge", f"{step['policy']}: good")]
        case "forward":
            made = [f"a JWT {_plain(step['jwt'])}  [{step['ms']:.1f} ms]"] if step["jwt"] != "as it came" else []
            fields = made + [f"{name}: {_plain(value)}" for name, value in step["headers"]]
            return [_line("forward" if not place else "", text) for place, text in enumerate(fields)]
        case _:
            return [_line(step["step"], step["result"])]


def _detail(told: dict[str, str]) -> str:
    return f" ({_plain(told['detail'])})" if told["detail"] else ""


def _line(head: str, text: str) -> str:
    return f"{head:<10}{text}"


def _plain(text: str) -> str:
    """*text* itself if it is visible ASCII and spaces, else escaped."""
    return text if text.isascii() and text.isprintable() else json.dumps(text)
