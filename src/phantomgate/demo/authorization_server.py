"""The development authorization server: opaque tokens out, JWTs and plain facts about them to those who may ask.

FOR DEVELOPMENT ONLY: it listens on loopback only, keeps everything in memory, makes its keys at start and believes
every password. Tests use it too: it counts, and can be told to be slow, wrong or gone.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from phantomgate.core.ports import Clock
from phantomgate.demo import exchange, login
from phantomgate.demo.answers import NO_STORE, errors_in_json, json_answer, metadata, static
from phantomgate.demo.clients import Client, OAuthError, read_client, read_form, read_scope
from phantomgate.demo.front_channel import FrontChannel
from phantomgate.demo.ledger import IssuedToken, Ledger
from phantomgate.demo.openid import id_token_claims, user_claims
from phantomgate.demo.serving import in_thread, listening, loopback_hosts_only, serving
from phantomgate.demo.sessions import Grant, Sessions
from phantomgate.demo.tokens import Algorithm, make_key

MOST_BYTES = 65536
"""Of a request's body."""


class DevelopmentServer:
    """What it holds: the key, the ledger of what it gave out, and the knobs. `issuer` is known once it serves."""

    def __init__(
        self,
        clients: Sequence[Client],
        *,
        access_token_seconds: float = 300.0,
        audience: str = "sample-api",
        exchange_audiences: Sequence[str] = (),
        cache_control: str = "",
        algorithm: Algorithm = "ES256",
        phantom_token_member: bool = False,
        allowed_origins: Sequence[str] = (),
        now: Clock = time.time,
        random: Callable[[], str] = secrets.token_urlsafe,
    ) -> None:
        """*cache_control* goes with every introspection answer about an active token (`max-age=5`); with
        *phantom_token_member* the JSON answer carries the JWT too; *allowed_origins* may call from a browser;
        *exchange_audiences* are the APIs that tokens are exchanged for, besides *audience*."""
        self.issuer = ""
        self.clients = {client.client_id: client for client in clients}
        self.access_token_seconds = access_token_seconds
        self.audience = audience
        self.exchange_audiences = frozenset((audience, *exchange_audiences))
        self.cache_control = cache_control
        self.phantom_token_member = phantom_token_member
        self.allowed_origins = frozenset(allowed_origins)
        self.delay = 0.0
        """Seconds that every introspection takes longer."""
        self.status: int | None = None
        """When set, every introspection is answered by this status and an empty body."""
        self.down = False
        """While true, every connection is cut without an answer."""
        self.introspections = 0
        """How many introspection calls arrived, answered or not."""
        self.token_requests = 0
        """How many calls arrived at the token endpoint, answered or not."""
        self.token_status: int | None = None
        """When set, every call there is answered by this status and an empty body."""
        self.exchanges = 0
        """How many tokens were exchanged."""
        self._key = make_key(algorithm)
        self._now = now
        self._ledger = Ledger(now, random)
        self._sessions = Sessions(now, random, self.revoke)
        self._front = FrontChannel(
            lambda: self.issuer, self.clients, self._ledger, self._sessions, self._key, now, random
        )

    def issue(
        self, client_id: str, scope: str = "", *, subject: str = "", seconds: float | None = None, **claims: Any
    ) -> str:
        """A new opaque token, as if *client_id* had asked for it; *claims* are added to what introspection tells."""
        lasts = self._lasts(client_id) if seconds is None else seconds
        return self._ledger.issue(client_id, subject or client_id, tuple(scope.split()), lasts, **claims)

    def revoke(self, token: str) -> None:
        """From now on *token* is inactive."""
        self._ledger.revoke(token)

    def expire(self, client_id: str) -> None:
        """Every access token of *client_id* is over now; what refreshes them is not."""
        self._ledger.expire(client_id)

    async def log_out(self, sid: str) -> None:
        """The session *sid* ends, and clients that want to are told (back-channel logout)."""
        await self._front.log_out(sid)

    def jwt(self, token: str) -> str | None:
        """The JWT that stands for the opaque *token* while it is active."""
        issued = self._ledger.find(token)
        return self._key.sign(self._claims(issued)) if issued else None

    def jwks(self) -> dict[str, Any]:
        """The public keys, as at `/jwks`."""
        return self._key.public()

    @asynccontextmanager
    async def serving(self, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
        """Serves while the block runs and gives the issuer's URL. Raises ValueError beyond loopback."""
        sock = listening(port, host)
        async with serving(self.app(), sock) as issuer:
            self.issuer = issuer
            yield issuer

    def running_in_thread(self, port: int = 0, host: str = "127.0.0.1") -> AbstractContextManager[str]:
        """As `serving`, for a test that blocks: a loop in a thread of its own."""
        return in_thread(partial(self.serving, port, host))

    def app(self) -> web.Application:
        """The endpoints."""
        layers = [self._cut_when_down, loopback_hosts_only, self._mark, errors_in_json]
        app = web.Application(middlewares=layers, client_max_size=MOST_BYTES)
        app.add_routes(
            [
                *self._front.routes(),
                web.post("/token", self._token),
                web.post("/introspect", self._introspect),
                web.post("/revoke", self._revoke),
                web.get("/userinfo", self._userinfo),
                web.get("/jwks", self._jwks),
                web.get("/.well-known/oauth-authorization-server", self._metadata),
                web.get("/.well-known/openid-configuration", self._metadata),
                web.get("/theme.css", static("theme.css")),
                web.get("/login.css", static("login.css")),
            ]
        )
        return app

    @web.middleware
    async def _cut_when_down(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.down:
            return await handler(request)
        if request.path == "/introspect":
            self.introspections += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)

    @web.middleware
    async def _mark(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        response.headers["Server"] = "phantomgate (development only)"
        asker = request.headers.get("Origin", "")
        if request.path in ("/token", "/revoke"):
            response.headers["Vary"] = "Origin"
            if asker in self.allowed_origins:
                response.headers["Access-Control-Allow-Origin"] = asker
        return response

    async def _token(self, request: web.Request) -> web.Response:
        self.token_requests += 1
        if self.token_status is not None:
            return web.Response(status=self.token_status)
        form, client = await self._asker(request)
        grants = {
            "client_credentials": self._client_credentials,
            "authorization_code": self._authorization_code,
            "refresh_token": self._refresh_token,
            exchange.GRANT: self._exchange,
        }
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            raise OAuthError("unsupported_grant_type", f"grant_type must be {', '.join(grants)}")
        return web.json_response(grant(form, client), headers=NO_STORE)

    def _lasts(self, client_id: str) -> float:
        client = self.clients.get(client_id)
        own = client.access_token_seconds if client else None
        return self.access_token_seconds if own is None else own

    def _answer(self, client_id: str, token: str, scopes: Sequence[str], **more: str) -> dict[str, Any]:
        said = {"access_token": token, "token_type": "Bearer", "expires_in": int(self._lasts(client_id))}
        return {**said, "scope": " ".join(scopes), **more}

    def _client_credentials(self, form: dict[str, str], client: Client) -> dict[str, Any]:
        if client.secret is None:
            # RFC 6749 §4.4: confidential clients only.
            raise OAuthError("unauthorized_client", f"{client.client_id} is public and can't use client_credentials")
        scopes = read_scope(form, client)
        return self._answer(client.client_id, self.issue(client.client_id, " ".join(scopes)), scopes)

    def _authorization_code(self, form: dict[str, str], client: Client) -> dict[str, Any]:
        code = self._ledger.use_code(form.get("code", ""))
        if code is None:
            raise OAuthError("invalid_grant", "the code is unknown, expired or used")
        if code.request.client_id != client.client_id:
            raise OAuthError("invalid_grant", "the code was given to another client")
        if form.get("redirect_uri") != code.request.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not that of the authorization request")
        if not login.proves(form.get("code_verifier", ""), code.request.code_challenge):
            raise OAuthError("invalid_grant", "code_verifier does not prove the code_challenge")
        _, since = self._sessions.login(code.sid) or ("", 0)
        grant = Grant(client.client_id, code.subject, code.request.scopes, code.sid, since, code.request.nonce)
        said = self._tokens_of(grant)
        self._ledger.remember_use(form["code"], said["access_token"])
        return said

    def _refresh_token(self, form: dict[str, str], client: Client) -> dict[str, Any]:
        used = form.get("refresh_token", "")
        grant = self._sessions.use(used, client.client_id)
        if grant is None:
            raise OAuthError("invalid_grant", "the refresh token is unknown or used, or its session is over")
        return self._tokens_of(grant, used)

    def _tokens_of(self, grant: Grant, instead_of: str = "") -> dict[str, Any]:
        """The tokens for a person's *grant*: all of them for a client that keeps a secret, and asked for openid."""
        token = self.issue(grant.client_id, " ".join(grant.scopes), subject=grant.subject)
        more: dict[str, str] = {}
        if self.clients[grant.client_id].secret is not None:
            more["refresh_token"] = self._sessions.refresh_token(grant, token, instead_of)
        if "openid" in grant.scopes:
            claims = id_token_claims(self.issuer, grant, token, self._key.algorithm, self._now())
            more["id_token"] = self._key.sign(claims, "JWT")
        return self._answer(grant.client_id, token, grant.scopes, **more)

    def _exchange(self, form: dict[str, str], client: Client) -> dict[str, Any]:
        asked = exchange.read_exchange(form, client, self.exchange_audiences)
        issued = self._ledger.find(asked.subject_token)
        if issued is None:
            raise OAuthError("invalid_request", "the subject_token is not active")
        self.exchanges += 1
        return {
            "access_token": self._key.sign(self._claims(issued) | {"aud": asked.audience}),
            "issued_token_type": asked.issued_type,
            "token_type": "Bearer" if asked.issued_type == exchange.ACCESS_TOKEN else "N_A",
            "expires_in": int(issued.expires_at - self._now()),
            "scope": " ".join(issued.scopes),
        }

    async def _userinfo(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        issued = self._ledger.find(token) if scheme.lower() == "bearer" else None
        if issued is None or "openid" not in issued.scopes:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return json_answer(user_claims(issued.subject, issued.scopes), "no-store")

    async def _introspect(self, request: web.Request) -> web.Response:
        self.introspections += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.status is not None:
            return web.Response(status=self.status)
        form, client = await self._asker(request)
        if not client.introspects:
            raise OAuthError("unauthorized_client", f"{client.client_id} may not introspect", 403)
        if "token" not in form:
            raise OAuthError("invalid_request", "token is missing")
        issued = self._ledger.find(form["token"])
        wants_jwt = "application/jwt" in request.headers.get("Accept", "")
        if issued is None:
            # RFC 7662 §2.2: one answer for unknown, expired and revoked. With a JWT asked for, there is none to give.
            if wants_jwt:
                return web.Response(status=204, headers=NO_STORE)
            return json_answer({"active": False}, "no-store")
        claims = self._claims(issued)
        if wants_jwt:
            headers = {"Cache-Control": self.cache_control} if self.cache_control else {}
            body = self._key.sign(claims).encode("ascii")
            return web.Response(body=body, content_type="application/jwt", headers=headers)
        facts = {"active": True, "token_type": "Bearer", **claims}
        if self.phantom_token_member:
            facts["phantom_token"] = self._key.sign(claims)
        return json_answer(facts, self.cache_control)

    async def _revoke(self, request: web.Request) -> web.Response:
        form, client = await self._asker(request)
        issued = self._ledger.find(form.get("token", ""))
        if issued and issued.client_id == client.client_id:
            self.revoke(form["token"])
        self._sessions.revoke(form.get("token", ""), client.client_id)
        # RFC 7009 §2.2: an unknown token is answered the same, since it is as invalid as the client wanted it.
        return web.Response(headers=NO_STORE)

    async def _asker(self, request: web.Request) -> tuple[dict[str, str], Client]:
        if request.content_type != "application/x-www-form-urlencoded":
            raise OAuthError("invalid_request", f"Content-Type is {request.content_type}, want a form")
        form = read_form(await request.read())
        return form, read_client(request.headers.getall("Authorization", []), form, self.clients)

    async def _jwks(self, _: web.Request) -> web.Response:
        return json_answer(self.jwks(), "max-age=300")

    async def _metadata(self, _: web.Request) -> web.Response:
        return json_answer(metadata(self.issuer, self._key.algorithm), "max-age=300")

    def _claims(self, issued: IssuedToken) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "sub": issued.subject,
            "aud": self.audience,
            "client_id": issued.client_id,
            "scope": " ".join(issued.scopes),
            "iat": int(issued.issued_at),
            "exp": int(issued.expires_at),
            "jti": issued.jti,
            **issued.extra,
        }
