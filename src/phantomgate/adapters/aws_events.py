"""Events of API Gateway and AppSync that ask "may this request pass?", told apart by their shape alone.

Rule: what is judged is the method and path in the ARN, since API Gateway holds our policy against that and nothing
else; a path of the event that says something else is refused where routes are configured. An event that we don't know
is never answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from phantomgate.adapters.aws_fields import read_fields, read_query
from phantomgate.core.characters import CAPITALS, DIGITS, LETTERS, only
from phantomgate.core.errors import PhantomgateError, Reason, Refused
from phantomgate.core.model import Headers, Request
from phantomgate.core.nouns import dataclass, field
from phantomgate.core.pattern import pattern
from phantomgate.core.typed import NamedTuple
from phantomgate.oauth.bearer import is_b64token

_SMALL = LETTERS.lower() + "-"
BEFORE_THE_PATH = pattern(r"(?:/[A-Za-z0-9$_-][A-Za-z0-9$_.-]*)*")  # a stage, or what a domain maps


class Surface(Enum):
    """Who asks, and so which answers it understands."""

    REST = "REST API"
    WEBSOCKET = "WebSocket API"
    HTTP_1 = "HTTP API, payload 1.0"
    HTTP_2 = "HTTP API, payload 2.0"
    APPSYNC = "AppSync"


class Arn(NamedTuple):
    """What a request to API Gateway is, in IAM's words."""

    partition: str
    region: str
    account: str
    api: str
    stage: str
    method: str
    path: str
    """As the caller sent it, from its first slash; empty for `$connect`."""

    @property
    def below(self) -> str:
        """What every resource of the stage begins with; nothing of it is the caller's."""
        return f"arn:{self.partition}:execute-api:{self.region}:{self.account}:{self.api}/{self.stage}/"


NO_ARN = Arn("", "", "", "", "", "", "")
"""Of AppSync, whose answers name no resource."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: by whom, about which request and resource, and what its answer will be remembered by."""

    surface: Surface
    request: Request
    arn: Arn = NO_ARN
    route_key: str = ""
    identities: tuple[str, ...] | None = field(default=None, repr=False)
    """The values of the identity sources, of an HTTP API; None where the event doesn't tell."""


class UnknownEvent(PhantomgateError):
    """No event that we know; the text names its keys, never its values."""


def read_asked(event: object, *, bare_token: bool = False, table: bool = False) -> Asked:
    """The question in *event*. Raises UnknownEvent.

    *bare_token*: a TOKEN event's value without a scheme is a token; for AppSync it always is, since AWS wants it so.
    *table*: there are routes, so an event that gives two paths is not to be read in either way.
    """
    if not isinstance(event, dict):
        raise UnknownEvent(f"the event is a {type(event).__name__}, want an object")
    kind, version = event.get("type"), event.get("version")
    arn = _arn(event.get("routeArn" if version == "2.0" else "methodArn"))
    if kind == "TOKEN" and "version" not in event and arn:
        return Asked(Surface.REST, _of_token(event, arn, bare_token), arn)
    if kind == "REQUEST" and arn and "version" not in event:
        surface = Surface.WEBSOCKET if arn.method == "$connect" else Surface.REST
        return Asked(surface, _of_request(event, arn, event.get("path"), table), arn)
    if kind == "REQUEST" and arn and version == "1.0":
        said = event.get("identitySource")
        values = (said,) if isinstance(said, str) and said else None
        return Asked(Surface.HTTP_1, _of_request(event, arn, event.get("path"), table), arn, "", values)
    if kind == "REQUEST" and arn and version == "2.0":
        said = event.get("identitySource")
        identities = tuple(map(str, said)) if isinstance(said, list) and said else None
        request = _of_request(event, arn, event.get("rawPath"), table)
        return Asked(Surface.HTTP_2, request, arn, str(event.get("routeKey") or ""), identities)
    context = event.get("requestContext")
    of_appsync = isinstance(context, dict) and {"apiId", "accountId"} <= context.keys()
    if kind is None and not arn and of_appsync and "authorizationToken" in event:
        path = "/event" if "operation" in event["requestContext"] else "/graphql"
        return Asked(Surface.APPSYNC, _with_token(Request("POST", path, Headers()), event, True))
    raise UnknownEvent(f"no event that we know; its keys are {', '.join(sorted(map(repr, event)))}")


def _arn(text: object) -> Arn | None:
    """Partition, region, account, API and stage are AWS's words; only method and path are the caller's."""
    words = text.split(":", 5) if isinstance(text, str) else []
    places = words[-1].split("/", 3) if len(words) == 6 else []
    if len(places) < 3 or words[0] != "arn" or words[2] != "execute-api" or not all(places[:3]):
        return None
    (partition, region, account), (api, stage, method) = (words[1], words[3], words[4]), places[:3]
    of_aws = partition.startswith("aws") and only(partition, _SMALL) and region and only(region, _SMALL + DIGITS)
    of_api = only(account, DIGITS) and only(api, LETTERS + DIGITS) and only(stage, LETTERS + DIGITS + "_$-")
    connects = method == "$connect"
    if not of_aws or not of_api or not (connects or only(method, CAPITALS)) or connects == (len(places) == 4):
        return None
    return Arn(partition, region, account, api, stage, method, "" if connects else f"/{places[3]}")


def _of_token(event: Mapping[str, Any], arn: Arn, bare_token: bool) -> Request:
    return _with_token(Request(arn.method, arn.path, Headers()), event, bare_token)


def _with_token(request: Request, event: Mapping[str, Any], bare_token: bool) -> Request:
    value = event.get("authorizationToken")
    if value is None or value == "":
        return request  # without a credential
    if not isinstance(value, str):
        request.problem = Refused(Reason.MALFORMED_REQUEST, f"authorizationToken is a {type(value).__name__}")
        return request
    if bare_token and value.lower() != "bearer" and is_b64token(value):
        value = f"Bearer {value}"
    request.headers.add(b"authorization", value.encode("utf-8", "replace"))
    return request


def _of_request(event: Mapping[str, Any], arn: Arn, own_path: object, table: bool) -> Request:
    method, path = ("GET", "/$connect") if arn.method == "$connect" else (arn.method, arn.path)
    try:
        request = Request(method, path, read_fields(event), read_query(event))
    except Refused as no:
        return Request(method, path, Headers(), problem=no)
    if table and isinstance(own_path, str):
        before = own_path.removesuffix(path)
        if (before == own_path and path) or not BEFORE_THE_PATH.fullmatch(before):
            request.problem = Refused(Reason.MALFORMED_REQUEST, "the event's path is not that of its ARN")
    return request
