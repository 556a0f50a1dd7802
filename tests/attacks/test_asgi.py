"""ASGI: the middleware in an application, where the path, the fields and the caller are what a framework makes of them.

Real frameworks, called without a server in between, so that a scope is exactly what an attacker could bring about.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from fastapi import FastAPI, Request
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from apps import RESOURCE, Behind, ask, scope_of, settings
from attacks.cases import attack
from phantomgate.asgi import PhantomGate
from phantomgate.config.settings import RouteRule
from phantomgate.core.ports import HttpReply
from phantomgate.testing import reply
from servers.test_listener import Service
from tokens import jwt

ADMIN = RouteRule("/sub/admin/**", scopes=("admin",))
TABLE = (ADMIN, RouteRule("/sub/**", scopes=("read",)))


@pytest.fixture
def behind(clock):
    return Behind(clock)


async def shown(request):
    """Where the application thinks it is, and what it was told."""
    state = request.state.phantomgate
    return JSONResponse({"at": request.scope["path"], "sub": state.subject, "fields": dict(request.headers)})


ROUTES = [Route("/admin/{rest:path}", shown), Route("/{rest:path}", shown)]


def mounted():
    return Starlette(routes=[Mount("/sub", Starlette(routes=ROUTES))])


def asked(app, *args, **options):
    return asyncio.run(ask(app, *args, **options))


BELOW_A_MOUNT = [
    ("/sub/orders", None, 200),
    ("/sub/admin/x", None, 403),
    ("/sub/%61dmin/x", "/sub/admin/x", 403),
    ("/sub/admin%2Fx", "/sub/admin/x", 400),
    ("/sub/y/..%2Fadmin/x", "/sub/y/../admin/x", 400),
    ("/sub/y/%2e%2e/admin/x", "/sub/y/../admin/x", 400),
    ("/sub/y/../admin/x", None, 400),
    ("/sub//admin/x", None, 400),
    ("//sub/admin/x", None, 400),
    ("/sub/;/admin/x", None, 400),
    ("/sub\\admin\\x", None, 400),
    ("/public/../sub/admin/x", None, 400),
    ("/SUB/admin/x", None, 403),
    ("/admin/x", None, 403),
]


@attack("ASGI-005")
@pytest.mark.parametrize(("raw", "path", "status"), BELOW_A_MOUNT)
def test_rules_are_about_the_whole_path_of_a_mounted_application(case, behind, raw, path, status):
    app = mounted()
    app.add_middleware(PhantomGate, settings=settings(*TABLE), wire=behind)

    assert status == asked(app, path or raw, raw=raw).status


@attack("ASGI-005")
@pytest.mark.parametrize(
    ("path", "status"), [("/sub/orders", 200), ("/sub/admin/x", 403), ("/sub/sub/admin/x", 200), ("/orders", 404)]
)
def test_inside_a_mount_they_still_are_about_the_whole_path(case, behind, path, status):
    inner = PhantomGate(Starlette(routes=ROUTES), settings(*TABLE), root_path="/sub", wire=behind)

    assert status == asked(Starlette(routes=[Mount("/sub", inner)]), path).status


@attack("ASGI-005")
@pytest.mark.filterwarnings("ignore:.*root_path")
@pytest.mark.parametrize("wrapped", [True, False], ids=["around", "within"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("/sub/orders", 200), ("/orders", 200), ("/sub/admin/x", 403), ("/admin/x", 403), ("/z/sub/admin/x", 400)],
)
def test_an_application_that_is_reached_with_and_without_its_prefix_is_judged_with_it(
    case, behind, wrapped, path, status
):
    app = FastAPI(root_path="/sub")

    @app.get("/{rest:path}")
    async def anything(rest: str, request: Request) -> str:
        return request.url.path

    options = {"settings": settings(*TABLE, RouteRule("/**")), "root_path": "/sub", "wire": behind}
    if wrapped:
        assert status == asked(PhantomGate(app, **options), path).status
    else:
        app.add_middleware(PhantomGate, **options)
        assert status == asked(app, path).status


@attack("ASGI-005")
@pytest.mark.parametrize("told", ["", "/sub"])
def test_a_prefix_in_the_middle_of_a_path_does_not_lead_past_a_rule(case, behind, told):
    """Litestar looks for root_path anywhere in the path, and routes on what comes after it."""

    @get("/admin/x")
    async def admin() -> str:
        return "reached"

    app = Litestar([admin], openapi_config=None)
    table = (RouteRule("/sub/admin/**", scopes=("admin",)), RouteRule("/admin/**", scopes=("admin",)), RouteRule("/**"))
    gate = PhantomGate(app, settings(*table), root_path=told, wire=behind)

    assert b"reached" == asked(app, "/public/sub/admin/x", root_path="/sub", token="").body
    assert 400 == asked(gate, "/public/sub/admin/x", root_path="/sub").status


@attack("ASGI-005")
def test_a_prefix_that_a_client_may_choose_shifts_nothing(case, behind):
    """Servers and middlewares that take root_path from a header field of a proxy, which had it from the client."""
    app = PhantomGate(mounted(), settings(*TABLE, RouteRule("/public/**")), wire=behind)

    assert 400 == asked(app, "/public/sub/admin/x", root_path="/public").status


@attack("ASGI-007")
def test_the_application_finds_the_jwt_and_nothing_that_could_pass_for_ours(case, behind):
    forged = [
        ("X-User", "eve"), ("X_User", "eve"), ("x.user", "eve"), ("X-Authorization", "eve"), ("X-Other", "eve"),
        ("X-Forwarded-Authorization", "eve"), ("Proxy-Authorization", "eve"), ("X-HTTP-Method-Override", "eve"),
    ]  # fmt: skip
    app = mounted()
    app.add_middleware(PhantomGate, settings=settings(*TABLE), wire=behind)

    answer = asked(app, "/sub/orders", *forged)

    fields = json.loads(answer.body)["fields"]
    assert f"Bearer {jwt({'scope': 'read write'})}" == fields["authorization"]
    assert "ann" == fields["x-user"]
    assert b"good" not in answer.body
    assert ["x-other"] == [name for name, value in fields.items() if value == "eve"]


class Held:
    """An authorization server that answers when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = asyncio.Event()

    async def send(self, call) -> HttpReply:
        self.calls += 1
        await self.go_on.wait()
        return reply(200, jwt(), content_type="application/jwt")


@attack("ASGI-009")
def test_a_client_that_leaves_takes_nobody_elses_answer_along(case, clock):
    async def story():
        behind = Behind(clock, http=Held())
        app = PhantomGate(mounted(), settings(*TABLE), wire=behind)
        first, *others = [asyncio.ensure_future(ask(app, "/sub/orders")) for _ in range(5)]
        while not behind.http.calls:  # noqa: ASYNC110 - the fake has no event for it
            await asyncio.sleep(0)
        first.cancel()
        behind.http.go_on.set()

        assert [200] * 4 == [(await other).status for other in others]
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (1, 1) == (behind.http.calls, behind.made[0].metrics.abandoned)
        assert 200 == (await ask(app, "/sub/orders")).status
        await behind.made[0].close()
        assert [asyncio.current_task()] == list(asyncio.all_tasks())

    asyncio.run(story())


@attack("ASGI-010")
def test_ten_thousand_requests_at_once_and_each_is_its_own(case, behind):
    async def story():
        app = PhantomGate(Starlette(routes=[Route("/", shown)]), settings(), wire=behind)
        names = [f"n{number % 500}" for number in range(10_000)]
        answers = await asyncio.gather(*(ask(app, "/", token=f"t-{name}") for name in names))
        said = [json.loads(answer.body) for answer in answers]
        assert names == [one["sub"] for one in said] == [one["fields"]["x-user"] for one in said]

    asyncio.run(story())


@attack("ASGI-011")
@pytest.mark.parametrize(
    "path", ["/u\u017fers/1", "/USERS/1", "/\uff55sers/1", "/use\u0301rs/1", "/users\u200b/1", "/u\u0073\u0323ers/1"]
)
def test_names_are_compared_byte_by_byte(case, behind, path):
    app = PhantomGate(Starlette(routes=[Route("/{rest:path}", shown)]), settings(RouteRule("/users/**")), wire=behind)

    assert 403 == asked(app, path).status
    assert 403 == asked(app, path, raw=None).status
    assert 200 == asked(app, "/users/1").status


@attack("ASGI-012")
@pytest.mark.parametrize("client", [None, ("", 0), ("192.0.2.1", 1)])
@pytest.mark.parametrize("family", ["Forwarded", "Original"])
def test_nobody_is_believed_about_which_request_it_is(case, behind, client, family):
    fields = [(f"X-{family}-Method", "GET"), (f"X-{family}-Uri", "/sub/orders")]
    app = mounted()
    app.add_middleware(PhantomGate, settings=settings(*TABLE), wire=behind)

    assert 403 == asked(app, "/sub/admin/x", *fields, client=client).status
    assert 200 == asked(app, "/sub/orders", *fields, client=client).status


@attack("HDR-035")
def test_a_line_end_at_the_end_of_a_token_is_no_token(case, behind):
    app = PhantomGate(mounted(), settings(*TABLE), wire=behind)

    assert 400 == asked(app, "/sub/orders", ("Authorization", "Bearer good\n"), token="").status
    assert [] == behind.http.calls


# -- what we publish ---------------------------------------------------------------------------------------------------

WHERE = "/.well-known/oauth-protected-resource/mcp"
SAID = {
    "resource": "https://api.example/mcp",
    "authorization_servers": ["https://as.example"],
    "scopes_supported": ["admin", "read"],
    "bearer_methods_supported": ["header"],
}


def published_by_the_listener(behind, *fields):
    async def story():
        document = behind(settings(*TABLE, resource=RESOURCE)).published
        async with Service(published=document) as service:
            client = await service.connect()
            client.send(
                f"GET {WHERE} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
            )
            return await client.answer()

    return asyncio.run(story())


@attack("META-011")
def test_metadata_is_where_the_resource_says_and_says_what_the_resource_is(case, behind):
    app = PhantomGate(mounted(), settings(*TABLE, resource=RESOURCE), wire=behind)

    answer = asked(app, WHERE, token="")
    status, fields, body = published_by_the_listener(behind, ("Host", "api.example"))

    assert (200, SAID) == (answer.status, json.loads(answer.body))
    assert (200, SAID) == (status, json.loads(body))
    assert ["application/json"] == answer.all("content-type") == [v for n, v in fields if n == "Content-Type"]
    assert 403 == asked(app, WHERE + "/", token="").status
    assert 403 == asked(app, "/.well-known/oauth-protected-resource", token="").status


@attack("META-012")
def test_metadata_is_never_made_of_what_a_request_says(case, behind):
    app = PhantomGate(mounted(), settings(*TABLE, resource=RESOURCE), wire=behind)
    forged = [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http"), ("Forwarded", "host=evil.example")]
    scope = scope_of(WHERE, *forged, token="")
    scope["headers"][0] = (b"host", b"evil.example")

    assert SAID == json.loads(asked(app, WHERE, *forged, token="", headers=scope["headers"]).body)
    assert SAID == json.loads(published_by_the_listener(behind, ("Host", "evil.example"), *forged)[2])
    challenge = asked(app, "/sub/orders", *forged, token="", headers=scope["headers"]).all("www-authenticate")[0]
    assert 'resource_metadata="https://api.example/.well-known/oauth-protected-resource/mcp"' in challenge
