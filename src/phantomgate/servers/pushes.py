"""The listener where an authorization server pushes the parts of split tokens that its clients don't hold.

    POST   /split-tokens          a form: signatureHash, token, expiration (seconds from now); other fields are ignored
    PUT    /split-tokens/{hash}   the body is the token; ?expiration=<Unix time> or ?expiration_ttl=<seconds>
    DELETE /split-tokens/{hash}   the token is revoked

Rule: who pushes shows the secret, compared in constant time before anything else is looked at. What is pushed is
bounded and strictly read, kept no longer than it says itself, and believed by nobody: what is found is verified.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from aiohttp.typedefs import Handler

from phantomgate.config.settings import Settings
from phantomgate.core.ports import Clock, Store
from phantomgate.oauth.split_token import Pushed, read_key, read_pushed
from phantomgate.servers.side_listener import listen_beside, side_app

MAX_BODY = 32 * 1024
_NUMBER = re.compile(r"[0-9]{1,12}").fullmatch
_PATH = "/split-tokens"


@dataclass(slots=True)
class Pushes:
    """What the listener goes by: where parts are kept, Unix time, and its state, the secret that opens it."""

    halves: Store
    secret: str = field(repr=False)
    now: Clock


def pushes(into: Pushes) -> web.Application:
    """The application of that listener."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _shows(request.headers.getall("Authorization", []), into.secret):
            return _refusal(401, "invalid_client")
        try:
            return await handler(request)
        except ValueError as no:
            return _refusal(400, "invalid_request", str(no) if type(no) is ValueError else "not readable")
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, "invalid_request", f"want at most {MAX_BODY} bytes")
        except web.HTTPException as no:
            return _refusal(no.status, "invalid_request")

    async def post(request: web.Request) -> web.Response:
        form = _once(await _text(request))
        seconds = _seconds(form.get("expiration"), "expiration")
        pushed = read_pushed(form.get("signatureHash", ""), form.get("token", ""))
        return await _keep(into, pushed, None if seconds is None else into.now() + seconds)

    async def put(request: web.Request) -> web.Response:
        asked = _once(request.rel_url.raw_query_string)
        until = _seconds(asked.get("expiration"), "expiration")
        ttl = _seconds(asked.get("expiration_ttl"), "expiration_ttl")
        pushed = read_pushed(_hash(request), await _text(request))
        ends = [end for end in (until, None if ttl is None else into.now() + ttl) if end is not None]
        return await _keep(into, pushed, min(ends, default=None))

    async def delete(request: web.Request) -> web.Response:
        await into.halves.forget(read_key(_hash(request)))
        return web.Response(status=204)

    app = side_app(MAX_BODY, guarded)
    app.router.add_post(_PATH, post)
    app.router.add_put(_PATH + "/{hash:.+}", put)
    app.router.add_delete(_PATH + "/{hash:.+}", delete)
    return app


async def receiving(into: Pushes, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Listens where *settings* say; what is given back stops that. Raises SettingsError where that can't be."""
    return await listen_beside(pushes(into), settings, "split_tokens.listen", settings.split_tokens.listen)


async def _keep(into: Pushes, pushed: Pushed, until: float | None) -> web.Response:
    seconds = min(pushed.expires_at, pushed.expires_at if until is None else until) - into.now()
    if seconds <= 0:
        raise ValueError("the token has expired")
    await into.halves.put(pushed.key, pushed.half, seconds)
    return web.Response(status=204)


async def _text(request: web.Request) -> str:
    return (await request.read()).decode("ascii")  # UnicodeDecodeError is a ValueError


def _hash(request: web.Request) -> str:
    return unquote(request.match_info["hash"])  # aiohttp leaves %2F as it is


def _once(text: str) -> dict[str, str]:
    """The parameters of a form or a query; one that comes twice could mean either."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=32) if text else []
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a parameter is there twice")
    return dict(pairs)


def _seconds(text: str | None, name: str) -> float | None:
    if text is None:
        return None
    if not _NUMBER(text):
        raise ValueError(f"{name} is not a number of seconds")
    return float(text)


def _shows(fields: list[str], secret: str) -> bool:
    """Whether *fields* are one Authorization: the secret as Bearer, or as the password of Basic, whatever the name."""
    if len(fields) != 1:
        return False
    scheme, _, shown = fields[0].partition(" ")
    if scheme.lower() == "basic":
        try:
            shown = b64decode(shown.strip(" "), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif scheme.lower() != "bearer":
        return False
    # Hashed first: the comparison then takes as long whatever the lengths are
    given, wanted = (sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (shown.strip(" "), secret))
    return hmac.compare_digest(given, wanted)


def _refusal(status: int, error: str, text: str = "") -> web.Response:
    headers = {"WWW-Authenticate": 'Bearer realm="split tokens"'} if status == 401 else {}
    return web.json_response({"error": error, "error_description": text}, status=status, headers=headers)
