"""What a template deploys, in words that SAM, CloudFormation and OpenAPI share.

Rule: nouns only. What a template doesn't say is an empty node, which still knows where it would be said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.template import Node, Template


class ApiKind(Enum):
    """Which authorizers an API can have."""

    REST = "REST API"
    HTTP = "HTTP API"
    WEBSOCKET = "WebSocket API"


class Source(Enum):
    """Where an identity source looks."""

    HEADER = "header"
    QUERY = "query"
    CONTEXT = "context"
    STAGE = "stage variable"
    OTHER = "?"


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity source, and how it is written."""

    source: Source
    name: str
    text: str


class Permit(Enum):
    """Whether API Gateway may invoke an authorizer's function without a permission of its own in the template."""

    GIVEN = "SAM writes the permission, or a role is named"
    WITHHELD = "only what the template says"


@dataclass(frozen=True, slots=True)
class Authorizer:
    """One authorizer that is a Lambda function."""

    name: str
    at: Node
    form: str
    """TOKEN or REQUEST; empty when it can't be known."""
    function: str
    """The logical id of its function, or empty."""
    ttl: Node
    identities: tuple[Identity, ...] | None
    """None when they can't be known."""
    identity_at: Node
    validation: Node
    payload: Node
    simple: Node
    permit: Permit
    permit_at: Node


class Guard(Enum):
    """What stands before a route, when it isn't a Lambda authorizer of this template."""

    OTHER = "something of AWS's, or of another template"
    OPEN = "nothing, and it says so"
    NONE = "nothing, and it doesn't say so"
    LATER = "what is only known when it is deployed"


@dataclass(frozen=True, slots=True)
class Integration:
    """Where a route's requests go, and what *parameters* does to their headers."""

    kind: str
    """http, http_proxy, aws, aws_proxy, mock; empty when it can't be known."""
    at: Node
    parameters: Node
    mapping: tuple[Mapped, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """One parameter of an integration: what is done, to which header, and with what value."""

    operation: str
    """overwrite, append or remove; REST APIs can only overwrite."""
    header: str
    """In lower case."""
    value: str | Later
    at: Node


@dataclass(frozen=True, slots=True)
class Route:
    """One route of an API; *method* is in capitals, ANY for all."""

    method: str
    path: str
    at: Node
    authorizer: str | Guard
    """The name of an authorizer of its API, or what stands there instead."""
    integration: Integration | None
    """None when it is a Lambda function whose event it is."""
    function: str = ""
    """The logical id of that function."""

    @property
    def leads_to(self) -> str:
        """The logical id of the function that gets its requests, or empty."""
        at = None if self.integration is None else self.integration.at
        uri = at and (at.at("uri") or at.at("Uri") or at.at("IntegrationUri"))
        return self.function or (named(uri.whole()) if uri else "")

    @property
    def title(self) -> str:
        """For people."""
        return self.path if self.path.startswith("$") else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Response:
    """A gateway response: what a client gets instead of the API's answer. Header names are in lower case."""

    at: Node
    status: Node
    headers: dict[str, str]
    texts: tuple[str, ...]


@dataclass(slots=True)
class Api:
    """One API and all that the template says of it."""

    kind: ApiKind
    name: str
    at: Node
    authorizers: dict[str, Authorizer] = field(default_factory=dict)
    others: set[str] = field(default_factory=lambda: {"AWS_IAM"})
    """What else stands before its routes, by name: Cognito's and AWS's own authorizers, API keys."""
    routes: list[Route] = field(default_factory=list)
    responses: dict[str, Response] = field(default_factory=dict)
    cors: bool = False
    """Whether pages of other origins are to read its answers."""
    preflight_guarded: Node | None = None
    """Where it says, or doesn't, that preflights have no authorizer; None where they have none."""
    logs: list[Node] = field(default_factory=list)
    elsewhere: list[Node] = field(default_factory=list)
    """What it says of routes that can't be read from here."""


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function."""

    name: str
    at: Node
    properties: Node
    urls: tuple[Node, ...]
    """The AuthType of each of its Function URLs."""


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may invoke a function."""

    at: Node
    function: str
    principal: str
    source: Node
    of_url: bool


@dataclass(slots=True)
class Deployed:
    """All that is deployed by one template."""

    template: Template
    apis: dict[str, Api] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    permissions: list[Permission] = field(default_factory=list)


def response(at: Node, status: Node, parameters: Node, templates: Node) -> Response:
    """What is said *at* a place of a gateway response, in the words of any kind of template."""
    headers = {
        name.lower().removeprefix("gatewayresponse.header."): value.whole() for name, value in parameters.items()
    }
    return Response(at, status, headers, tuple(value.whole() for value in templates.values()))


_IDENTITIES = (
    (re.compile(r"(?:\$request|(?:method|route)\.request)\.header\.(.+)"), Source.HEADER),
    (re.compile(r"(?:\$request|(?:method|route)\.request)\.querystring\.(.+)"), Source.QUERY),
    (re.compile(r"\$?context\.(.+)"), Source.CONTEXT),
    (re.compile(r"\$?stageVariables\.(.+)"), Source.STAGE),
)


def identity(text: str) -> Identity:
    """The identity source that *text* means, in the words of any kind of API."""
    for pattern, source in _IDENTITIES:
        if match := pattern.fullmatch(text):
            return Identity(source, match[1], text)
    return Identity(Source.OTHER, "", text)


def identities(several: list[str | Later | None]) -> tuple[Identity, ...] | None:
    """The identity sources that *several* texts mean; None when one isn't known."""
    texts = [one for one in several if isinstance(one, str)]
    if len(texts) < len(several):
        return None
    return tuple(identity(part.strip()) for text in texts for part in text.split(",") if part.strip())


def named(text: str) -> str:
    """The logical id that a reference such as `${X}`, `${X.Arn}` or a URI with one in it is about, or empty."""
    found = re.findall(r"\$\{([A-Za-z0-9]+)(?:\.(?:Arn|Alias|Version|Ref))?\}", text)
    return found[-1] if found else ""
