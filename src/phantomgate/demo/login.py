"""The login page of the development authorization server: RFC 6749 §4.1.1, PKCE (RFC 7636) required, S256 only.

Pure: a query or a form in; a page, or the address to send the browser to, out. A request whose client or redirect_uri
is wrong gets a page, never a redirect (RFC 6749 §4.1.2.1).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from urllib.parse import urlencode, urlsplit

from phantomgate.core.errors import PhantomgateError
from phantomgate.demo.clients import Client, OAuthError, read_form, read_scope
from phantomgate.demo.ledger import AuthorizationRequest

USER = "ann"
"""The one person who lives here. Any password will do."""


class BadAuthorization(PhantomgateError):
    """A request that gets no login page: what to tell, and the address to tell it to, if that is safe."""

    def __init__(self, error: str, description: str, redirect_uri: str = "", state: str = "") -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.redirect_uri = redirect_uri
        self.state = state


def read_authorization(query: str, clients: Mapping[str, Client]) -> AuthorizationRequest:
    """The request in *query*. Raises BadAuthorization, without redirect_uri until client and address are known good."""
    try:
        form = read_form(query)
    except OAuthError as wrong:
        raise BadAuthorization(wrong.error, wrong.description) from wrong
    client = clients.get(form.get("client_id", ""))
    if client is None:
        raise BadAuthorization("invalid_request", "unknown client_id")
    redirect_uri = form.get("redirect_uri", "")
    # RFC 9700 §2.1: exact string match.
    if redirect_uri not in client.redirect_uris:
        raise BadAuthorization("invalid_request", "redirect_uri is not registered for this client")
    state = form.get("state", "")
    try:
        _check_flow(form)
        scopes = read_scope(form, client)
    except OAuthError as wrong:
        raise BadAuthorization(wrong.error, wrong.description, redirect_uri, state) from wrong
    return AuthorizationRequest(
        client.client_id, redirect_uri, scopes, state, form["code_challenge"], nonce=form.get("nonce", "")
    )


def _check_flow(form: Mapping[str, str]) -> None:
    if form.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code")
    # RFC 7636 §4.2: S256 is 43 characters of base64url.
    if form.get("code_challenge_method") != "S256" or not re.fullmatch(
        "[A-Za-z0-9_-]{43}", form.get("code_challenge", "")
    ):
        raise OAuthError("invalid_request", "PKCE is required: code_challenge, and code_challenge_method=S256")


def proves(verifier: str, challenge: str) -> bool:
    """Whether *verifier* is the secret behind *challenge* (RFC 7636 §4.6)."""
    if not re.fullmatch("[A-Za-z0-9._~-]{43,128}", verifier):
        return False
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii") == challenge


def answer_location(redirect_uri: str, issuer: str, state: str, **params: str) -> str:
    """Where the browser goes with the answer: *params*, the client's `state`, and who answers (RFC 9207)."""
    params["iss"] = issuer
    if state:
        params["state"] = state
    return f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{urlencode(params)}"


def page_headers(redirect_uri: str = "") -> dict[str, str]:
    """What every page here is sent with. Browsers hold `form-action` against the redirect after a form as well."""
    target = urlsplit(redirect_uri)
    after = f" {target.scheme}://{target.netloc}" if target.netloc else ""
    return {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{after}",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def login_page(login: str, request: AuthorizationRequest, problem: str = "") -> str:
    """Log in and agree, on one page."""
    scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in request.scopes)
    alert = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return _page(
        "Log in",
        f"""
<p class="lead"><strong>{escape(request.client_id)}</strong> asks to act for you with</p>
<ul class="scopes">{scopes}</ul>{alert}
<form method="post" action="/authorize">
<input type="hidden" name="login" value="{escape(login)}">
<label for="username">Name</label>
<input id="username" name="username" value="{USER}" autocomplete="off" autocapitalize="none" required>
<label for="password">Password <span>any will do: nothing is checked here</span></label>
<input id="password" name="password" type="password" value="development" autocomplete="off" required>
<div class="choice">
<button class="primary" name="answer" value="allow">Log in and allow</button>
<button name="answer" value="deny" formnovalidate>Refuse</button>
</div>
</form>""",
    )


def problem_page(error: str, description: str) -> str:
    """A request that must not be answered by a redirect."""
    body = f'<p class="problem" role="alert">{escape(description)}</p><p class="lead"><code>{escape(error)}</code></p>'
    return _page("This request can't be answered", body)


def logged_out_page() -> str:
    """Nobody is logged in any more, and nobody said where to go now."""
    return _page("Logged out", '<p class="lead">Your session here is over.</p>')


def front_page(issuer: str) -> str:
    """What somebody sees who opens the issuer's address."""
    links = "".join(
        f'<li><a href="{path}"><code>{path}</code></a></li>'
        for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/jwks")
    )
    return _page(
        "Development authorization server",
        f'<p class="lead"><code>{escape(issuer)}</code> gives opaque tokens to whoever asks.</p><ul>{links}</ul>',
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} (development only)</title>
<link rel="stylesheet" href="/theme.css">
<link rel="stylesheet" href="/login.css">
<body>
<main>
<p class="mark">Development only</p>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""
