"""An agent, a scripted authorization server, and a browser that keeps cookies: everything in one process, by fakes.

The browser obeys Path and deletion, as far as the agent relies on them, and nothing else of RFC 6265bis.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import signing
from agent.events import through
from phantomgate.agent.agent import Agent, ways
from phantomgate.agent.ending import Endings
from phantomgate.agent.facts import Facts
from phantomgate.agent.login import Logins
from phantomgate.agent.logout import Logouts
from phantomgate.agent.model import AgentReply, AgentRequest
from phantomgate.agent.refresh import Refreshes
from phantomgate.agent.server import Server
from phantomgate.agent.session import Jar
from phantomgate.backends.remembered import Remembered
from phantomgate.core.base64url import base64url_text
from phantomgate.core.model import Headers
from phantomgate.core.ports import HttpCall, HttpReply
from phantomgate.core.purge import Purge
from phantomgate.oauth.client_auth import client_secret_basic
from phantomgate.oauth.discovery import Metadata
from phantomgate.oauth.id_token import half_hash, id_token_rules
from phantomgate.oauth.jwt import verify
from phantomgate.oauth.logout_token import EVENT, logout_token_rules
from phantomgate.session.cookies import CookieNames
from phantomgate.session.keys import key_ring, read_session_key
from phantomgate.testing import FakeClock, each_by_itself, reply

ISSUER = "https://as.example"
CLIENT = "spa"
APP = "https://app.example"
KEY = hashlib.sha256(b"a key for tests").hexdigest()
NAMES = CookieNames("th")
SIGNING = signing.key("ES256")
CLAIMS = ("sub", "name", "email", "iss", "aud", "exp", "iat", "auth_time")
METADATA = Metadata(
    ISSUER,
    jwks_uri=f"{ISSUER}/jwks",
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    userinfo_endpoint=f"{ISSUER}/userinfo",
    revocation_endpoint=f"{ISSUER}/revoke",
    end_session_endpoint=f"{ISSUER}/logout",
    authorization_response_iss_parameter_supported=True,
)


@dataclass
class AuthorizationServer:
    """Answers by a script that each test may change: `answers` maps a path to what is sent instead."""

    clock: FakeClock
    calls: list[HttpCall] = field(default_factory=list)
    answers: dict[str, HttpReply | Exception | Callable[[HttpCall], HttpReply]] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)
    """What is different in ID tokens; None drops a claim."""
    id_header: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    given: int = 0
    refresh_token: str = ""
    """The one that is good now; showing another ends the session, as rotation with reuse detection does."""

    async def send(self, call: HttpCall) -> HttpReply:
        """As `Http.send`."""
        self.calls.append(call)
        path = urlsplit(call.url).path
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(call)
        if answer is not None:
            return answer
        return {
            "/token": self.token,
            "/userinfo": lambda _: as_json({"sub": "ann", "name": "Ann", "secret": "x", "access_token": "leak"}),
            "/revoke": lambda _: reply(200),
            "/par": lambda _: as_json({"request_uri": "urn:ietf:params:oauth:request_uri:1", "expires_in": 60}, 201),
        }[path](call)

    def token(self, call: HttpCall) -> HttpReply:
        """The token endpoint."""
        form = form_of(call)
        refreshing = form["grant_type"] == "refresh_token"
        if refreshing and form["refresh_token"] != self.refresh_token:
            self.refresh_token = ""
            return as_json({"error": "invalid_grant"}, 400)
        self.given += 1
        self.refresh_token = f"refresh-{self.given}"
        access_token = f"access-{self.given}"
        said = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 300,
            "refresh_token": self.refresh_token,
            "id_token": self.make_id_token(access_token, **({"nonce": None} if refreshing else {})),
        }
        return as_json(said)

    def make_id_token(self, access_token: str, **changes: Any) -> str:
        """An ID token of the login under way."""
        now = int(self.clock.now())
        claims = {
            "iss": ISSUER,
            "sub": "ann",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "at_hash": half_hash(access_token, "ES256"),
            "sid": "as-session",
            **changes,
            **self.id_token,
        }
        return jwt({"alg": "ES256", "kid": SIGNING.jwk["kid"], **self.id_header}, claims)

    def logout_token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """A good logout token, but for *header* and *changes*; None drops a member."""
        now = int(self.clock.now())
        claims = {
            "iss": ISSUER,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": "logout-1",
            "sid": "as-session",
            "sub": "ann",
            "events": {EVENT: {}},
            **changes,
        }
        return jwt({"alg": "ES256", "typ": "logout+jwt", "kid": SIGNING.jwk["kid"], **(header or {})}, claims)

    def asked(self, path: str) -> list[dict[str, str]]:
        """The forms that were posted to *path*."""
        return [form_of(call) for call in self.calls if urlsplit(call.url).path == path]


class Browser:
    """One browser at the application's page. State: its cookies by (name, path)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cookies: dict[tuple[str, str], str] = {}
        self.csrf = ""

    def request(self, method: str, path: str, body: bytes = b"", **fields: str | None) -> AgentRequest:
        """A request of the page; *fields* changes header fields, None drops one."""
        pairs = {"origin": APP, "sec_fetch_site": "same-site", "cookie": self.cookie_field(path) or None}
        if body:
            pairs["content_type"] = "application/json"
        if self.csrf:
            pairs["x_th_csrf"] = self.csrf
        pairs |= fields
        headers = Headers.of([(name.replace("_", "-"), value) for name, value in pairs.items() if value is not None])
        return AgentRequest(method, f"/oauth-agent{path}", headers, body)

    def cookie_field(self, path: str) -> str:
        """The Cookie field for a path of the agent."""
        at = f"/oauth-agent{path}"
        return "; ".join(f"{name}={value}" for (name, where), value in self.cookies.items() if at.startswith(where))

    def ask(self, method: str, path: str, said: Any = None, **fields: str | None) -> AgentReply:
        """The reply, whose cookies are kept."""
        body = b"" if said is None else said if isinstance(said, bytes) else json.dumps(said).encode()
        answer = self.world.handle(self.request(method, path, body, **fields))
        self.keep(answer)
        return answer

    def keep(self, answer: AgentReply) -> None:
        """The cookies that *answer* sets and takes away."""
        for cookie in answer.cookies:
            name, _, rest = cookie.partition("=")
            value, *attributes = rest.split("; ")
            path = next(one[5:] for one in attributes if one.startswith("Path="))
            assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
            assert not (name.startswith("__Host-") and (path != "/" or any("Domain=" in one for one in attributes)))
            if "Max-Age=0" in attributes:
                self.cookies.pop((name, path), None)
            else:
                self.cookies[name, path] = value

    def start(self, **said: Any) -> dict[str, str]:
        """Begin a login; what the authorization server is asked."""
        answer = self.ask("POST", "/login/start", said)
        assert answer.status == 200, answer
        asked = query_of(json.loads(answer.body)["authorizationRequestUrl"])
        self.world.server.nonce = asked.get("nonce", "")
        return asked

    def end(self, state: str, code: str = "code-1", **more: str) -> AgentReply:
        """Come back with a code."""
        params = {"code": code, "state": state, "iss": ISSUER, **more}
        query = "&".join(f"{name}={value}" for name, value in params.items() if value)
        answer = self.ask("POST", "/login/end", {"pageUrl": f"{APP}/?{query}"})
        if answer.status == 200:
            self.csrf = json.loads(answer.body).get("csrf", self.csrf)
        return answer

    def log_in(self, **said: Any) -> AgentReply:
        """A whole login."""
        answer = self.end(self.start(**said)["state"])
        assert answer.status == 200, answer
        return answer

    def kinds(self) -> set[str]:
        """Which of our cookies it has: at, csrf, auth, id, login."""
        return {name.rpartition("-")[2] for name, _ in self.cookies}


class World:
    """The agent and what it talks to. *drive* runs a coroutine."""

    def __init__(self, drive: Callable[..., Any], clock: FakeClock, **options: Any) -> None:
        self.drive = drive
        self.clock = clock
        self.server = options.pop("server", None) or AuthorizationServer(clock)
        self.metadata = options.pop("metadata", METADATA)
        self.names = options.pop("names", NAMES)
        self.form = options.pop("form", None)
        self.log: list[AgentReply] = []
        self.numbers = options.pop("numbers", 0)
        self.later: list[Any] = []
        self.agent = self.make(**options)

    def make(
        self,
        *,
        once: Any = each_by_itself,
        par: Any = "auto",
        window: float = 30.0,
        longest: float = 86400.0,
        hint: bool = False,
        scope: str = "openid read",
        keys: tuple[str, ...] = (KEY,),
        most: int = 1000,
        store: Any = None,
        gateways: bool = True,
    ) -> Agent:
        """An agent with stores of its own, or with a *store*; whether all *gateways* hear what it tells them."""
        self.told: list[Purge] = []

        async def told(purges: Sequence[Purge]) -> bool:
            self.told += purges
            return gateways

        ticks, now = self.clock.ticks, self.clock.now
        self.used = Remembered(most=most, forgets=True, ticks=ticks)
        self.endings = Endings(Remembered(most=most, forgets=False, ticks=ticks), now, longest, told, ISSUER)
        self.answers = Remembered(most=most, forgets=True, ticks=ticks)
        if store is not None:
            self.used = self.answers = store
            self.endings = Endings(store, now, longest, told, ISSUER)
        self.jar = Jar(key_ring(read_session_key(one) for one in keys), self.names, ISSUER, True, self.random)
        server = self.to_server = Server(
            ISSUER,
            CLIENT,
            self.server,
            self.endpoints,
            self.authenticate,
            self.verify,
            id_token_rules(ISSUER, CLIENT),
            logout_token_rules(ISSUER, CLIENT),
            par=par,
        )
        jar, endings = self.jar, self.endings
        logins = Logins(
            server, jar, endings, self.used, now, self.random, f"{APP}/", scope, ("/", "https://other.example/in"),
            ("prompt", "ui_locales"),
        )  # fmt: skip
        refreshes = Refreshes(server, jar, endings, once, self.answers, now, window, 2.0)
        facts = Facts(server, endings, CLAIMS)
        logouts = Logouts(server, jar, endings, self.used, f"{APP}/bye", hint, self.later.append)
        return Agent(
            ways(logins, refreshes, facts, logouts), jar, frozenset({APP}), False, lambda _, said: self.log.append(said)
        )

    def handle(self, request: AgentRequest) -> AgentReply:
        """The agent's reply."""
        if self.form is not None:
            return through(self.form, self.agent, request, self.drive)
        answer: AgentReply = self.drive(self.agent.handle(request))
        return answer

    def random(self, count: int) -> bytes:
        """Bytes that never come twice."""
        self.numbers += 1
        return hashlib.shake_256(str(self.numbers).encode()).digest(count)

    async def endpoints(self) -> Metadata:
        return self.metadata

    async def authenticate(self) -> Any:
        return client_secret_basic(CLIENT, "spa-secret")

    async def verify(self, text: str, rules: Any) -> Any:
        return verify(text, signing.keys(SIGNING), rules, self.clock.now())


def jwt(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A signed JWT; members that are None are left out."""
    there = [{name: value for name, value in part.items() if value is not None} for part in (header, claims)]
    return signing.signed(SIGNING, *there)


def as_json(said: Any, status: int = 200) -> HttpReply:
    """A JSON reply."""
    return reply(status, json.dumps(said), content_type="application/json")


def form_of(call: HttpCall) -> dict[str, str]:
    """The form that a call sends."""
    return dict(parse_qsl(call.body.decode(), keep_blank_values=True))


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    pairs = parse_qs(urlsplit(url).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in pairs.values())
    return {name: values[0] for name, values in pairs.items()}


def code_of(answer: AgentReply) -> str:
    """The error code in a reply."""
    said = json.loads(answer.body)
    assert {"code", "message"} == set(said)
    return str(said["code"])


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, by the book."""
    return base64url_text(hashlib.sha256(verifier.encode()).digest())
