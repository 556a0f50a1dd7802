"""What clients see of refusals and of trouble, and whether a JWT gets where it must not: answers and access logs."""

from __future__ import annotations

from collections.abc import Iterator

from phantomgate.cli.aws_template.apis import Api, ApiKind, Response
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.told import Told

_OURS = {
    "UNAUTHORIZED": "DEFAULT_4XX",
    "ACCESS_DENIED": "DEFAULT_4XX",
    "AUTHORIZER_FAILURE": "DEFAULT_5XX",
    "AUTHORIZER_CONFIGURATION_ERROR": "DEFAULT_5XX",
}
"""The gateway responses that an authorizer causes, and what stands for one that isn't there."""
_TROUBLE = ("AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR", "DEFAULT_5XX")
_ORIGIN = "access-control-allow-origin"


def refusals(api: Api, told: Told) -> Iterator[Finding]:
    """What is wrong with the answers that *api* gives itself."""
    key = f"context.authorizer.{told.settings.aws.context_key}"
    for node in api.logs:
        if key in node.whole().replace("['", ".").replace("{", ""):
            what = "the access log has every JWT in it"
            yield Finding(Kind.UNSAFE, "jwt-in-log", what, node.path, f"leave ${key} out of it")
    if api.kind is not ApiKind.REST:
        return  # the others have no gateway responses
    for name, one in api.responses.items():
        yield from _statuses(name, one)
        if any(key in text for text in (*one.headers.values(), *one.texts)):
            what = f"{name} tells the client the JWT, which is for your API alone"
            yield Finding(Kind.UNSAFE, "jwt-in-answer", what, one.at.path, f"leave ${key} out of it")
    yield from _challenge(api)
    yield from _trouble(api)
    yield from _cors(api, told)


def _statuses(name: str, one: Response) -> Iterator[Finding]:
    status = one.status.number()
    if not isinstance(status, (int, float)):
        return
    if status < 400:
        what = f"{name} is answered {status:g}, as if the request had been let in"
        yield Finding(Kind.UNSAFE, "refusal-status", what, one.status.path, "write a status from 400 on")
    elif status < 500 and name in _TROUBLE:
        what = f"{name} is answered {status:g}: while the authorization server is down, clients throw good tokens away"
        yield Finding(Kind.BROKEN, "trouble-status", what, one.status.path, "write 503")


def _effective(api: Api, name: str) -> Response | None:
    return api.responses.get(name) or api.responses.get(_OURS[name])


def _place(api: Api, name: str) -> str:
    found = _effective(api, name)
    return found.at.path if found else f"{api.at.path}.Properties.GatewayResponses.{name}"


def _challenge(api: Api) -> Iterator[Finding]:
    found = _effective(api, "UNAUTHORIZED")
    if found is None or "www-authenticate" not in found.headers:
        what = "401 has no WWW-Authenticate, which RFC 6750 §3 wants of it"
        change = (
            'write the gateway response UNAUTHORIZED, with WWW-Authenticate: "\'Bearer error=\\"invalid_token\\"\'"'
        )
        yield Finding(Kind.ADVICE, "challenge-missing", what, _place(api, "UNAUTHORIZED"), change)


def _trouble(api: Api) -> Iterator[Finding]:
    found = _effective(api, "AUTHORIZER_FAILURE")
    if found is None or not found.status:
        what = "clients see 500 while the authorization server can't be asked, and don't know that they may come back"
        change = "write the gateway response AUTHORIZER_FAILURE, with StatusCode 503 and Retry-After"
        yield Finding(Kind.ADVICE, "trouble-as-500", what, _place(api, "AUTHORIZER_FAILURE"), change)


def _cors(api: Api, told: Told) -> Iterator[Finding]:
    origins = told.settings.session.trusted_web_origins
    if not (api.cors or origins):
        return
    missing = []
    for name in _OURS:
        found = _effective(api, name)
        origin = "" if found is None else found.headers.get(_ORIGIN, "")
        if not origin:
            missing.append(name)
        elif "," in origin:
            what = f"{name}: Access-Control-Allow-Origin is one origin, and browsers take no list of them"
            change = "write one origin; several need an answer of the API's own"
            yield Finding(Kind.BROKEN, "cors-list", what, _place(api, name), change)
        elif "*" in origin and origins:
            what = f"{name}: Access-Control-Allow-Origin is *, which browsers don't take for requests with cookies"
            yield Finding(Kind.BROKEN, "cors-any", what, _place(api, name), "write the origin of your pages")
    if missing:
        what = (
            f"pages can't read {', '.join(missing)}: there is no Access-Control-Allow-Origin, so a refusal looks like \
a network that is down"
        )
        change = "write Access-Control-Allow-Origin in each of these gateway responses"
        yield Finding(Kind.ADVICE, "cors-missing", what, _place(api, missing[0]), change)
