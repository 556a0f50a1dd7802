"""Try settings: loaded as from anybody's file, wired as `serve` wires them, and asked.

Rule: what is tried is a text of settings and nothing else; only the signing key of [mint], where there is none yet, is
lent for the trial. What a server says that holds a secret of ours is masked before anybody sees it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from phantomgate.backends.blocking import finish
from phantomgate.cli.probing.ways import Way
from phantomgate.config.loading import Sources, load
from phantomgate.config.remedies import remedy
from phantomgate.config.settings import Settings
from phantomgate.config.wiring import Wired, wire
from phantomgate.core.errors import Problem, Reason, Refused, SettingsError
from phantomgate.core.model import Allow, Headers, Refuse, Request, Token
from phantomgate.core.ports import Clock, HttpCall, HttpReply
from phantomgate.gateway.explain import Step, recording
from phantomgate.oauth.introspection import SIGNED
from phantomgate.oauth.token_endpoint import error_code
from phantomgate.oauth.unverified import read_unverified


class Connection(Protocol):
    """An `Http` that can be given back."""

    async def send(self, call: HttpCall) -> HttpReply:
        """As `Http.send`."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


Connect: TypeAlias = Callable[[str, tuple[str, str] | None], Connection]
"""A client that trusts a `ca_file` (or the system), and shows our certificate, if there is one."""

Tell: TypeAlias = Callable[[str, str], None]
"""Says where a call goes and what is in it, before it is sent; or, with nothing in it, what is done next."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one way. `reason`, `detail` and `remedy` are empty where it works."""

    way: Way
    works: bool
    reason: str = ""
    detail: str = ""
    remedy: str = ""
    answered: Answered | None = None
    """How the last question was answered, if one was asked."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    upstream: str = ""
    """What goes upstream: "ES256, at+jwt". Empty when only a made-up token was tried."""
    jwt: str = field(default="", repr=False)


class Answered(NamedTuple):
    """What an answer looked like from outside."""

    status: int
    media_type: str
    error: str
    algorithm: str
    """What a signed answer is signed by; empty for any other."""


class Watched:
    """An `Http` that says what is sent through it. State: what the last answer looked like."""

    def __init__(self, inner: Connection, tell: Tell, what: str) -> None:
        self.inner = inner
        self.tell = tell
        self.what = what
        self.answered: Answered | None = None

    async def send(self, call: HttpCall) -> HttpReply:
        """As the client inside."""
        accept = next((value for name, value in call.headers if name == "Accept"), "")
        what = f"{self.what}; wants {accept.removeprefix('application/')}" if call.method == "POST" else ""
        self.tell(f"{call.method} {call.url.partition('?')[0]}", what)
        reply = await self.inner.send(call)
        if call.method == "POST":
            self.answered = answered(reply)
        return reply


def answered(reply: HttpReply) -> Answered:
    """What *reply* looks like. Never raises."""
    types = reply.headers.all(b"content-type")
    media_type = types[0].split(b";", 1)[0].strip(b" \t").lower().decode("latin-1") if len(types) == 1 else ""
    algorithm = ""
    if media_type == SIGNED:
        try:
            algorithm = str(read_unverified(reply.body.decode("ascii").strip()).header.get("alg"))
        except ValueError:  # encrypted, or no JWT
            algorithm = ""
    return Answered(reply.status, media_type, error_code(reply) if reply.status >= 400 else "", algorithm)


class Trials:
    """Tries one text of settings after another. State: how often we were refused."""

    def __init__(
        self,
        environ: Mapping[str, str],
        connect: Connect,
        tell: Tell,
        *,
        now: Clock = time.time,
        ticks: Clock = time.monotonic,
    ) -> None:
        self.environ = environ
        self.connect = connect
        self.tell = tell
        self.now = now
        self.ticks = ticks
        self.refused = 0

    def attempt(self, way: Way, text: str, token: str = "") -> Tried:
        """What comes of the settings *text*: a made-up token must be refused, and *token*, if there is one, let in."""
        try:
            settings = load(Sources(text, "these settings", {}))
            inner = self.connect(*_files(settings))
            asked = settings.introspection
            http = Watched(inner, self.tell, f"a made-up token, as {asked.client_id} by {asked.client_auth}")
            wired = wire(
                settings,
                environ=self.environ,
                write=lambda line: None,  # noqa: ARG005 - what is wrong is said by us
                now=self.now,
                ticks=self.ticks,
                http=http,
            )
        except SettingsError as no:
            return _unsettled(way, no.problems)
        try:
            trouble = finish(wired.probe())
            seen = http.answered
            if trouble is not None:
                return self._refused(way, trouble, seen)
            if not token:
                return Tried(way, True, answered=seen)
            http.what = f"your token, as {asked.client_id} by {asked.client_auth}"
            return self._decided(way, wired, token, http)
        finally:
            finish(wired.close())
            finish(inner.close())

    def _decided(self, way: Way, wired: Wired, token: str, http: Watched) -> Tried:
        gateway, steps = recording(wired.gateway, wired.policy_names, wired.ticks)
        field = ("Authorization", f"Bearer {token}")
        decision = finish(gateway.decide(Request("GET", "/", Headers.of([field]), peer="probe")))
        if not isinstance(decision, Allow):  # an answer to a preflight is for browsers, and this is none
            no = (
                Refused(decision.reason, decision.detail)
                if isinstance(decision, Refuse)
                else Refused(Reason.SERVER_ERROR)
            )
            return self._refused(way, no, http.answered)
        return Tried(
            way,
            True,
            answered=http.answered,
            claims=_claims(steps),
            upstream=_upstream(decision),
            jwt=decision.upstream.jwt,
        )

    def _refused(self, way: Way, no: Refused, seen: Answered | None) -> Tried:
        reason, detail = no.reason, no.detail
        # RFC 6749 §5.2: a client that isn't known by what is in the body may be told so by a 400
        if seen is not None and seen.error in ("invalid_client", "unauthorized_client"):
            reason, detail = Reason.CLIENT_REFUSED, f"the authorization server refused our client ({seen.status})"
        if reason is Reason.CLIENT_REFUSED:
            self.refused += 1
        said = f"{detail}, {seen.error}" if seen is not None and seen.error else detail
        return Tried(way, False, reason.label, said, remedy(reason, detail), seen)


def _files(settings: Settings) -> tuple[str, tuple[str, str] | None]:
    """The authorities that these settings trust, and our certificate, as `wiring` would have them."""
    from phantomgate.config.asking import certificates
    from phantomgate.config.authentication import certificate

    problems = certificates(settings)
    if problems:
        raise SettingsError(problems)
    asked = settings.introspection
    ca_file = settings.issuers[0].ca_file if settings.issuers else asked.ca_file
    return ca_file, certificate(asked)


def _unsettled(way: Way, problems: tuple[Problem, ...]) -> Tried:
    return Tried(way, False, "settings", "; ".join(f"{one.setting} {one.message}" for one in problems))


def _claims(steps: list[Step]) -> Mapping[str, Any]:
    return next((step.gave.claims for step in steps if isinstance(step.gave, Token)), {})


def _upstream(allow: Allow) -> str:
    header = read_unverified(allow.upstream.jwt).header
    return f"{header.get('alg')}, {header.get('typ', 'no typ')}"[:60]
