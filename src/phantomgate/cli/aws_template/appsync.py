"""APIs of AppSync, for GraphQL and for events: which of the ways into one ask the function, and what else is let in.

Rule: which fields and channels a way is for is said in schemas and namespaces, which are not read. So another way
beside ours is advice, where it is what holds wherever nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from phantomgate.cli.aws_template.apis import Deployed, named
from phantomgate.cli.aws_template.finding import Finding, Kind
from phantomgate.cli.aws_template.functions import Later
from phantomgate.cli.aws_template.permitted import permitted
from phantomgate.cli.aws_template.template import Node
from phantomgate.cli.aws_template.told import Told
from phantomgate.cli.aws_template.validating import of_token
from phantomgate.config.rules import match_of
from phantomgate.core.errors import Refused
from phantomgate.core.model import Headers, Request

OURS = "AWS_LAMBDA"
PRINCIPAL = "appsync.amazonaws.com"
_WAITS = 10
_MOST_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Way:
    """One that asks a function: its configuration, and the logical id of that function, or empty."""

    config: Node
    function: str


@dataclass(frozen=True, slots=True)
class AppSync:
    """One API. *usual* are the places that say which ways hold where nothing else is said."""

    name: str
    kind: str
    path: str
    """What is judged under [[routes]]."""
    ways: tuple[Way, ...]
    usual: tuple[Node, ...]
    permits: bool
    """Whether SAM writes the permission."""

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.kind} {self.name} of AppSync"


def read_appsync(deployed: Deployed) -> Iterator[AppSync]:
    """The APIs of AppSync that *deployed* has."""
    template = deployed.template
    for name, _, said in template.resources("AWS::AppSync::GraphQLApi"):
        kind, more = said.at("AuthenticationType"), _each(said.at("AdditionalAuthenticationProviders"))
        kinds = [(kind, said), *((one.at("AuthenticationType"), one) for one in more)]
        ways = tuple(_ways(kinds, "LambdaAuthorizerConfig"))
        yield AppSync(name, "GraphQL API", "/graphql", ways, (kind,), permits=False)
    for name, _, said in template.resources("AWS::Serverless::GraphQLApi"):
        auth = said.at("Auth")
        kinds = [(one.at("Type"), one) for one in (auth, *_each(auth.at("Additional")))]
        ways = tuple(_ways(kinds, "LambdaAuthorizer"))
        yield AppSync(name, "GraphQL API", "/graphql", ways, (auth.at("Type"),), permits=True)
    for name, _, said in template.resources("AWS::AppSync::Api"):
        events = said.at("EventConfig")
        kinds = [(one.at("AuthType"), one) for one in _each(events.at("AuthProviders"))]
        modes = ("ConnectionAuthModes", "DefaultPublishAuthModes", "DefaultSubscribeAuthModes")
        usual = tuple(one.at("AuthType") for mode in modes for one in _each(events.at(mode)))
        ways = tuple(_ways(kinds, "LambdaAuthorizerConfig"))
        yield AppSync(name, "Event API", "/event", ways, usual, permits=False)


def _each(several: Node) -> list[Node]:
    several.unseen_if_later()
    return [] if isinstance(several.value, Later) else several.each()


def _ways(kinds: list[tuple[Node, Node]], config: str) -> Iterator[Way]:
    for kind, said in kinds:
        if kind.word().upper() == OURS or (isinstance(kind.value, Later) and said.at(config)):
            here = said.at(config)
            yield Way(here, named(here.at("AuthorizerUri").whole()))


def between(deployed: Deployed, api: AppSync, way: Way, told: Told) -> Iterator[Finding]:
    """What is wrong between *api* and the function that *way* asks."""
    uri = way.config.at("AuthorizerUri")
    if not api.permits and not permitted(deployed, way.function, PRINCIPAL):
        what = "nobody allows AppSync to invoke the function, so every request would be refused"
        change = f"add an AWS::Lambda::Permission for {PRINCIPAL}, with the API as SourceArn"
        yield Finding(Kind.BROKEN, "permission-missing", what, uri.path, change)
    expression = way.config.at("IdentityValidationExpression")
    yield from of_token(way.config, expression, told, bare=True, most=_MOST_CHARACTERS)
    if told.settings.routes and told.knows("routes"):
        try:
            match_of(told.settings)(Request("POST", api.path, Headers()))
        except Refused:
            what = f"no rule of [[routes]] is for POST {api.path}, as which it is judged, so all are refused"
            yield Finding(Kind.BROKEN, "appsync-route", what, uri.path, f'add a rule for path = "{api.path}"')
    if told.function is not None:
        timeout = told.function.properties.at("Timeout")
        seconds = timeout.number()
        if isinstance(seconds, (int, float)) and seconds > _WAITS:
            what = f"AppSync waits {_WAITS} s for its authorizer, and the function may take {seconds:g}"
            yield Finding(Kind.ADVICE, "timeout-long", what, timeout.path, f"write {_WAITS}")


def besides(api: AppSync) -> Iterator[Finding]:
    """Who gets into *api*, which asks us, without that we are asked."""
    for kind in api.usual:
        said = kind.text()
        if isinstance(said, Later):
            what = f"whether {api.kind} {api.name} asks the function is only known when it is deployed"
            change = "write it into the template, or say by --parameter what decides it"
            yield Finding(Kind.ADVICE, "route-not-known", what, kind.path, change)
        elif said is not None and said.upper() != OURS:
            what = f"where nothing else is said, {said} lets in too, and the function isn't asked"
            yield Finding(Kind.ADVICE, "appsync-besides", what, kind.path, f"write {OURS}, unless that is meant")
