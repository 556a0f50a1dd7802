"""What browsers see of the development authorization server: the login page, its answer, and logging out.

Also where a client pushes what a browser would have brought (RFC 9126). One login here is one session, known by a
cookie that only the logout address gets; everybody logs in anew for every request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from phantomgate.core.ports import Clock
from phantomgate.demo import login
from phantomgate.demo.answers import NO_STORE, html
from phantomgate.demo.clients import Client, OAuthError, read_client, read_form
from phantomgate.demo.ledger import CODE_SECONDS, Ledger
from phantomgate.demo.openid import SESSION_COOKIE, after_logout, logout_claims
from phantomgate.demo.sessions import Grant, Sessions
from phantomgate.demo.tokens import SigningKey

LOGOUT_SECONDS = 5.0
"""How long a client may take to hear that a session is over."""


@dataclass(slots=True)
class FrontChannel:
    """The endpoints for browsers. Its state is that of the ledger and the sessions, which the whole server shares."""

    issuer: Callable[[], str]
    clients: Mapping[str, Client]
    ledger: Ledger
    sessions: Sessions
    key: SigningKey
    now: Clock
    random: Callable[[], str]

    def routes(self) -> list[web.RouteDef]:
        """Paths and methods."""
        return [
            web.get("/", self._front_page),
            web.get("/authorize", self._authorize),
            web.post("/authorize", self._logged_in),
            web.post("/par", self._push),
            web.get("/logout", self._logout),
        ]

    async def _front_page(self, _: web.Request) -> web.Response:
        return html(login.front_page(self.issuer()))

    async def _push(self, request: web.Request) -> web.Response:
        body = await request.read()
        form = read_form(body)
        client = read_client(request.headers.getall("Authorization", []), form, self.clients)
        if "request_uri" in form:  # RFC 9126 §2.1
            raise OAuthError("invalid_request", "request_uri can't be pushed")
        if form.get("client_id", client.client_id) != client.client_id:
            raise OAuthError("invalid_request", "client_id is another client's")
        try:
            login.read_authorization(body.decode("ascii"), self.clients)
        except login.BadAuthorization as bad:
            raise OAuthError(bad.error, bad.description) from bad
        said = {"request_uri": self.ledger.push(body.decode("ascii")), "expires_in": int(CODE_SECONDS)}
        return web.json_response(said, status=201, headers=NO_STORE)

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            query = self._asked(request.rel_url.raw_query_string)
            asked = login.read_authorization(query, self.clients)
        except login.BadAuthorization as bad:
            if not bad.redirect_uri:
                return html(login.problem_page(bad.error, bad.description), status=400)
            return self._back(bad.redirect_uri, bad.state, error=bad.error, error_description=bad.description)
        if read_form(query).get("prompt") == "none":  # OpenID Connect Core §3.1.2.6: here everybody logs in anew
            return self._back(asked.redirect_uri, asked.state, error="login_required")
        return html(login.login_page(self.ledger.begin_login(asked), asked), asked.redirect_uri)

    def _asked(self, query: str) -> str:
        """The request itself, where the browser brings only its name (RFC 9126 §4)."""
        if "request_uri=" not in query:
            return query
        try:
            form = read_form(query)
            pushed = self.ledger.pushed(form.get("request_uri", ""))
            if pushed is None or read_form(pushed).get("client_id") != form.get("client_id"):
                raise OAuthError("invalid_request_uri", "unknown, used, expired, or another client's")
        except OAuthError as wrong:
            raise login.BadAuthorization(wrong.error, wrong.description) from wrong
        return pushed

    async def _logged_in(self, request: web.Request) -> web.Response:
        # The hidden name of the login is unguessable and good once, which is what a CSRF token would be.
        form = read_form(await request.read())
        name = form.get("login", "")
        asked = self.ledger.login(name)
        if asked is None:
            return html(login.problem_page("invalid_request", "This login is over; please start again"), status=400)
        if form.get("answer") != "allow":
            self.ledger.end_login(name)
            return self._back(asked.redirect_uri, asked.state, error="access_denied")
        if form.get("username") != login.USER or not form.get("password"):
            page = login.login_page(name, asked, f"Only {login.USER} lives here, with any password")
            return html(page, asked.redirect_uri, status=401)
        self.ledger.end_login(name)
        sid = self.sessions.log_in(login.USER)
        answer = self._back(asked.redirect_uri, asked.state, code=self.ledger.give_code(asked, login.USER, sid))
        answer.set_cookie(SESSION_COOKIE, sid, path="/logout", httponly=True, samesite="Lax")
        return answer

    def _back(self, redirect_uri: str, state: str, **params: str) -> web.Response:
        location = login.answer_location(redirect_uri, self.issuer(), state, **params)
        return web.Response(status=303, headers={**login.page_headers(redirect_uri), "Location": location})

    async def _logout(self, request: web.Request) -> web.Response:
        """OpenID Connect RP-Initiated Logout §2: this browser's session is over, and the clients hear of it."""
        try:
            where = after_logout(read_form(request.rel_url.raw_query_string or "none=1"), self.clients)
        except OAuthError as wrong:
            return html(login.problem_page(wrong.error, wrong.description), status=400)
        await self.log_out(request.cookies.get(SESSION_COOKIE, ""))
        if where:
            answer = web.Response(status=303, headers={**login.page_headers(where), "Location": where})
        else:
            answer = html(login.logged_out_page())
        answer.del_cookie(SESSION_COOKIE, path="/logout")
        return answer

    async def log_out(self, sid: str) -> None:
        """The session *sid* is over; every client that had tokens of it, and wants to hear of it, is told."""
        for grant in self.sessions.log_out(sid):
            await self._tell(grant)

    async def _tell(self, grant: Grant) -> None:
        uri = self.clients[grant.client_id].backchannel_logout_uri
        if not uri:
            return
        token = self.key.sign(logout_claims(self.issuer(), grant, self.random(), self.now()), "logout+jwt")
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=LOGOUT_SECONDS)) as http,
                http.post(uri, data={"logout_token": token}),
            ):
                pass
        except (ClientError, TimeoutError):
            return  # §2.7: the client may be down, and the logout goes on
