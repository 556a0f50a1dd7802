"""The listener where an authorization server or an operator says that tokens are over.

    POST /purge     one token, or those of a session, person, client or issuer; signed with our secret
    POST /logout    OpenID Connect Back-Channel Logout 1.0 §2.5: the form field logout_token
    POST /events    RFC 8935: a Security Event Token

Rule: nobody is believed who isn't verified, and nothing is acknowledged before every worker here has confirmed it and
other machines can read it; 503 means "tell me again". Nothing that was sent is repeated in an answer or in the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler

from phantomgate.config.log import Level, Log
from phantomgate.config.revoking import Revoking
from phantomgate.config.settings import Settings
from phantomgate.core.errors import Refused, Unavailable
from phantomgate.core.ports import Clock
from phantomgate.core.purge import Kind, Mark, Purge, mark_of
from phantomgate.oauth.purge_call import HEADER, MAX_BODY, read_purge
from phantomgate.servers.side_listener import listen_beside, side_app

MAX_TOKEN = 65536


@dataclass(slots=True)
class Purges:
    """What the listener goes by, which is its state. Marks are made with *digests* and last *seconds*.

    *issuers* are the configured names.
    """

    secret: str = field(repr=False)
    digests: bytes = field(repr=False)
    seconds: float
    issuers: tuple[str, ...]
    revoking: Revoking | None
    purge: Callable[[Sequence[Mark], str], Awaitable[bool]]
    """Tells everybody of marks that came in some way, as `Fleet.purge`."""
    now: Clock
    log: Log

    def adopt(self, newer: Purges) -> None:
        """Go by *newer*, whole, from now on."""
        for one in fields(self):
            setattr(self, one.name, getattr(newer, one.name))


def purges(into: Purges) -> web.Application:
    """The application of that listener."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except PermissionError:
            return _refusal(401, "invalid_client")
        except Unavailable:
            return _refusal(503, "temporarily_unavailable")
        except Refused as no:
            into.log.say(Level.WARNING, "purge_refused", path=request.path, reason=no.reason.label, detail=no.detail)
            return _refusal(503 if no.reason.status == 502 else 400, "invalid_request")
        except ValueError as no:
            return _refusal(400, "invalid_request", str(no) if type(no) is ValueError else "not readable")
        except web.HTTPRequestEntityTooLarge:
            return _refusal(413, "invalid_request", f"want at most {MAX_TOKEN} bytes")
        except web.HTTPException as no:
            return _refusal(no.status, "invalid_request")

    async def told(how: str, ended: Iterable[Purge]) -> bool:
        marks = [mark_of(one, into.digests, into.seconds) for one in ended]
        good = not marks or await into.purge(marks, how)
        kinds = sorted({mark.kind for mark in marks})
        into.log.say(Level.INFO if good else Level.WARNING, "purged", how=how, kinds=kinds, everywhere=good)
        return good

    async def purge(request: web.Request) -> web.Response:
        body = await request.read()
        if not into.secret or len(body) > MAX_BODY:
            raise PermissionError
        signatures = request.headers.getall(HEADER, [])
        kind, value, issuer, at = read_purge("".join(signatures), body, into.secret, into.now())
        if not await told("call", named(into, kind, value, issuer, at)):
            return _refusal(503, "temporarily_unavailable", "not everywhere; send it again")
        return web.json_response({"purged": kind})

    async def logout(request: web.Request) -> web.Response:
        form = parse_qsl((await request.read()).decode("ascii"), strict_parsing=True, max_num_fields=32)
        tokens = [value for name, value in form if name == "logout_token"]
        if len(tokens) != 1:
            raise ValueError(f"{len(tokens)} fields logout_token, want one")
        good = await told("logout", await _verifier(into).logout(tokens[0]))
        return web.Response(status=200) if good else _refusal(503, "temporarily_unavailable")

    async def event(request: web.Request) -> web.Response:
        if request.content_type != "application/secevent+jwt":  # RFC 8935 §2.1
            return _refusal(415, "invalid_request", "want application/secevent+jwt")
        good = await told("event", await _verifier(into).event((await request.read()).decode("ascii")))
        return web.Response(status=202) if good else _refusal(503, "temporarily_unavailable")

    app = side_app(MAX_TOKEN, guarded)
    app.router.add_post("/purge", purge)
    app.router.add_post("/logout", logout)
    app.router.add_post("/events", event)
    return app


def _verifier(into: Purges) -> Revoking:
    if into.revoking is None:
        raise web.HTTPNotFound
    return into.revoking


def named(into: Purges, kind: Kind, value: str, issuer: str, at: float) -> list[Purge]:
    """What a call names, at every issuer if it names none. Raises ValueError for one that there isn't."""
    issuer = value if kind == "issuer" else issuer
    if issuer and issuer not in into.issuers:
        raise ValueError(f"no issuer of that name; want one of {', '.join(into.issuers)}")
    if kind == "token":
        return [Purge(kind, value, "", at)]
    return [Purge(kind, value, one, at) for one in ((issuer,) if issuer else into.issuers)]


async def hearing(into: Purges, settings: Settings) -> Callable[[], Awaitable[None]]:
    """Listens where *settings* say; what is given back stops that. Raises SettingsError where that can't be."""
    return await listen_beside(purges(into), settings, "revocation.listen", settings.revocation.listen)


def _refusal(status: int, error: str, text: str = "") -> web.Response:
    # `err` and `description` are RFC 8935 §2.4, the others RFC 6749 §5.2, which logout has
    told = {"error": error, "error_description": text, "err": error, "description": text}
    return web.json_response(told, status=status)
