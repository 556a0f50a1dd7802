"""The ASGI middleware, called as a server calls it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from apps import CORS, METADATA, RESOURCE, Answer, Behind, as_answer, ask, deciding, scope_of, sent_by, settings
from phantomgate.asgi import PhantomGate
from phantomgate.config.settings import Introspection, Policy, RouteRule, Settings
from phantomgate.core.errors import Reason, Refused, SettingsError
from phantomgate.core.model import Answer as Decided
from tokens import jwt

READ = RouteRule("/**", scopes=("read",))
FILE = """
[introspection]
endpoint = "https://as.example/i"
client_id = "gateway"
client_secret = "env:SECRET"
"""


class App:
    """An application that remembers how it was called."""

    def __init__(self, fails=None, answers=True):
        self.scopes = []
        self.received = []
        self.fails = fails
        self.answers = answers

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        self.received.append(receive)
        if scope["type"] == "lifespan":
            raise ValueError("knows none")
        if self.answers:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
            else:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"of the application"})
        if self.fails:
            raise self.fails


@pytest.fixture
def behind(clock):
    return Behind(clock)


def gate(app, behind, *routes, root_path="", **more):
    return PhantomGate(app, settings(*(routes or (READ,)), **more), root_path=root_path, wire=behind)


def asked(app, *args, **options):
    return asyncio.run(ask(app, *args, **options))


def refused(answer: Answer) -> tuple[int, str]:
    assert answer.all("content-type") == ["application/json"]
    assert answer.all("content-length") == [str(len(answer.body))]
    return answer.status, json.loads(answer.body)["error"]


# -- what the application sees -----------------------------------------------------------------------------------


def test_the_application_gets_the_jwt_and_who_calls(behind):
    app = App()

    answer = asked(gate(app, behind), "/orders", ("x-user", "eve"), ("accept", "*/*"))

    [scope] = app.scopes
    assert (200, b"of the application") == (answer.status, answer.body)
    assert [
        (b"host", b"api.example"),
        (b"accept", b"*/*"),
        (b"authorization", f"Bearer {jwt({'scope': 'read write'})}".encode()),
        (b"x-user", b"ann"),
    ] == scope["headers"]
    caller = scope["state"]["phantomgate"]
    assert ("ann", frozenset({"read", "write"}), "ann") == (caller.subject, caller.scopes, caller.claims["sub"])
    assert "ann" not in repr(caller)


def test_the_servers_scope_is_left_as_it_was(behind):
    scope = scope_of("/orders", ("x-user", "eve"), state={"pool": 1})
    before = {**scope, "headers": list(scope["headers"]), "state": dict(scope["state"])}
    app = App()

    asyncio.run(sent_by(gate(app, behind), scope))

    assert before == scope
    assert 1 == app.scopes[0]["state"]["pool"]


def test_a_server_without_state_gets_none_and_the_application_has_the_caller(behind):
    app = App()
    scope = scope_of("/orders")
    del scope["state"]

    asyncio.run(sent_by(gate(app, behind), scope))

    assert "ann" == app.scopes[0]["state"]["phantomgate"].subject
    assert "state" not in scope


LOOK_ALIKES = ["x-user", "X-User", "x_user", "X.USER", "authorization_", "x-authorization", "x_forwarded_authorization"]


@pytest.mark.parametrize("name", [*LOOK_ALIKES[:4], "proxy-authorization", *LOOK_ALIKES[5:], "x-original-url"])
def test_what_may_pass_for_ours_is_dropped_however_it_is_spelled(behind, name):
    app = App()

    asked(gate(app, behind), "/orders", (name, "forged"))

    assert b"forged" not in [value for _, value in app.scopes[0]["headers"]]


def test_claims_are_a_copy_so_that_nobody_changes_what_we_remember(behind):
    app = App()
    middleware = gate(app, behind)

    async def twice():
        await ask(middleware, "/orders")
        app.scopes[0]["state"]["phantomgate"].claims["scope"] = "admin"
        await ask(middleware, "/orders")

    asyncio.run(twice())
    assert "read write" == app.scopes[1]["state"]["phantomgate"].claims["scope"]
    assert 1 == len(behind.http.calls)


def test_bodies_and_disconnects_are_between_the_server_and_the_application(behind):
    async def story():
        async def receive():
            raise AssertionError("nobody may receive but the application")

        app = App()
        await gate(app, behind)(scope_of("/orders", method="POST"), receive, lambda message: asyncio.sleep(0))
        assert app.received == [receive]

    asyncio.run(story())


# -- refusals ------------------------------------------------------------------------------------------------------

REFUSALS = [
    ({"token": ""}, 401, "missing_credential"),
    ({"token": "unknown"}, 401, "invalid_token"),
    ({"token": "a b"}, 400, "invalid_request"),
    ({"token": "down"}, 503, "temporarily_unavailable"),
    ({"token": "odd"}, 502, "bad_gateway"),
]


@pytest.mark.parametrize(("options", "status", "error"), REFUSALS)
def test_a_refusal_is_the_contracts_and_the_application_is_not_called(behind, options, status, error):
    app = App()

    answer = asked(gate(app, behind, resource=RESOURCE), "/orders", **options)

    assert (status, error) == refused(answer)
    assert [] == app.scopes
    assert ["no-store"] == answer.all("cache-control")
    assert (["7"] if status == 503 else []) == answer.all("retry-after")
    assert [f'resource_metadata="{METADATA}"' in one for one in answer.all("www-authenticate")] == [True] * (
        status < 402
    )


def test_a_missing_scope_says_which(behind):
    answer = asked(gate(App(), behind, RouteRule("/**", scopes=("admin",))), "/orders")

    assert (403, "insufficient_scope") == refused(answer)
    assert 'scope="admin"' in answer.all("www-authenticate")[0]


@pytest.mark.parametrize(
    "values", [(b"Bearer good", b"Bearer good"), (b"Bearer good, Bearer good",), (b"Bearer good\n",)]
)
def test_two_credentials_or_half_a_line_are_malformed(behind, values):
    app = App()
    fields = [("authorization", value) for value in values]

    assert (400, "invalid_request") == refused(asked(gate(app, behind), "/orders", *fields, token=""))
    assert [] == app.scopes + behind.http.calls


@pytest.mark.parametrize("host", [b"api.example/admin?", b"a b", b"evil@api", b"\xff", b"api\x00"])
def test_a_host_that_could_be_taken_for_a_path_is_refused(behind, host):
    scope = scope_of("/orders")
    scope["headers"][0] = (b"host", host)
    app = App()

    assert (400, "invalid_request") == refused(as_answer(asyncio.run(sent_by(gate(app, behind), scope))))
    assert [] == app.scopes


def test_two_hosts_are_refused(behind):
    assert (400, "invalid_request") == refused(asked(gate(App(), behind), "/orders", ("host", "api.example")))


def test_a_hop_may_not_be_told_to_drop_the_credential(behind):
    answer = asked(gate(App(), behind), "/orders", ("connection", "authorization"))

    assert (400, "invalid_request") == refused(answer)


def test_a_refused_head_has_no_body(behind):
    answer = asked(gate(App(), behind), "/orders", method="HEAD", token="")

    assert (401, b"") == (answer.status, answer.body)
    assert int(answer.all("content-length")[0]) > 50


BROKEN = [
    {"headers": None},
    {"path": None},
    {"method": None, "headers": [(b"host", 1)]},
    {"query_string": 1},
    {"client": 7},
    {"path": "/\ud800", "raw_path": None},
    {"state": 3},
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_a_scope_that_cannot_be_read_is_a_refusal(behind, broken):
    app = App()
    scope = {**scope_of("/orders"), **broken}

    assert (500, "server_error") == refused(as_answer(asyncio.run(sent_by(gate(app, behind), scope))))
    assert [] == app.scopes
    assert "server_error" == behind.lines[-1].fields["reason"]


@pytest.mark.parametrize("part", ["match", "find", "resolver", "policies", "forward", "observe"])
def test_whatever_part_is_broken_the_application_is_not_called(behind, part):
    def breaking(settings):
        made = behind(settings)
        return replace(made, gateway=replace(made.gateway, **{part: None}))

    app = App()
    answer = asked(PhantomGate(app, settings(READ), wire=breaking), "/orders")

    assert (500, "server_error") == refused(answer)
    assert [] == app.scopes


def test_a_scope_of_another_type_never_reaches_the_application(behind):
    app = App()

    with pytest.raises(ValueError, match="webtransport"):
        asyncio.run(sent_by(gate(app, behind), {**scope_of("/"), "type": "webtransport"}))
    assert [] == app.scopes


# -- what the application refuses by itself ------------------------------------------------------------------------


def test_refused_raised_by_the_application_is_answered_counted_and_logged(behind):
    app = App(Refused(Reason.INSUFFICIENT_SCOPE, "by code", scope="orders:write"), answers=False)

    answer = asked(gate(app, behind), "/orders")

    assert (403, "insufficient_scope") == refused(answer)
    assert "by code" == behind.lines[-1].fields["detail"]
    assert 1 == behind.made[0].metrics.refused["insufficient_scope"]


def test_refused_raised_after_the_answer_has_begun_is_the_servers_to_end(behind):
    with pytest.raises(Refused):
        asked(gate(App(Refused(Reason.NO_ROUTE)), behind), "/orders")


def test_other_errors_of_the_application_are_its_own(behind):
    with pytest.raises(KeyError):
        asked(gate(App(KeyError("x"), answers=False), behind), "/orders")


# -- WebSockets ----------------------------------------------------------------------------------------------------


def test_a_websocket_is_judged_as_the_get_that_opens_it(behind):
    app = App()
    middleware = gate(app, behind, RouteRule("/live", methods=("GET",), scopes=("read",)))

    sent = asyncio.run(sent_by(middleware, scope_of("/live", kind="websocket")))

    assert [{"type": "websocket.accept"}] == sent
    assert (b"x-user", b"ann") in app.scopes[0]["headers"]


def test_a_refused_websocket_is_denied_with_the_contracts_answer(behind):
    app = App()
    scope = scope_of("/live", kind="websocket", token="down", extensions={"websocket.http.response": {}})

    answer = as_answer(asyncio.run(sent_by(gate(app, behind), scope)))

    assert (503, "temporarily_unavailable") == refused(answer)
    assert [] == app.scopes


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {"other": {}}}])
def test_without_the_extension_it_is_closed_before_it_is_accepted(behind, extensions):
    app = App()
    scope = scope_of("/live", kind="websocket", token="", **extensions)

    assert [{"type": "websocket.close", "code": 1008, "reason": ""}] == asyncio.run(sent_by(gate(app, behind), scope))
    assert [] == app.scopes


def test_nothing_is_sent_to_a_client_that_is_gone(behind):
    scope = scope_of("/live", kind="websocket", token="")

    assert [] == asyncio.run(sent_by(gate(App(), behind), scope, [{"type": "websocket.disconnect", "code": 1006}]))


def test_an_application_that_refuses_after_it_has_seen_the_connection_is_answered_too(behind):
    async def app(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        raise Refused(Reason.INSUFFICIENT_SCOPE, scope="live")

    scope = scope_of("/live", kind="websocket", extensions={"websocket.http.response": {}})

    assert 403 == as_answer(asyncio.run(sent_by(gate(app, behind), scope))).status


# -- where the application is --------------------------------------------------------------------------------------

TABLE = (RouteRule("/api/admin/**", scopes=("admin",)), RouteRule("/api/**", scopes=("read",)))
PLACES = [
    ("/api/orders", {"root_path": "/api"}, 200),
    ("/api/orders", {"root_path": "/api/"}, 200),
    ("/orders", {"root_path": "/api"}, 200),  # a proxy has taken it off
    ("/admin/x", {"root_path": "/api"}, 403),
    ("/api/admin/x", {"root_path": "/api"}, 403),
    ("/api", {"root_path": "/api"}, 200),
    ("/apiadmin", {"root_path": "/api"}, 400),  # not below it, but some frameworks cut it off
    ("/x/api/admin/y", {"root_path": "/api"}, 400),
    ("/api/orders", {"root_path": ""}, 400),
    ("/api/orders", {"root_path": "/api/orders"}, 400),
    ("/api/orders", {"root_path": "/API"}, 400),
]


@pytest.mark.parametrize(("path", "more", "status"), PLACES)
def test_rules_are_about_the_whole_path_and_root_path_is_the_one_that_was_told(behind, path, more, status):
    assert status == asked(gate(App(), behind, *TABLE, root_path="/api"), path, **more).status


def test_the_log_says_what_root_path_was_wanted(behind):
    asked(gate(App(), behind), "/api/orders", root_path="/api")

    assert """the application is at '/api', want ''; say root_path="...\"""" == behind.lines[-1].fields["note"]


def test_where_paths_play_no_part_root_path_plays_none(behind):
    assert 200 == asked(PhantomGate(App(), settings(), wire=behind), "/api/x;y", root_path="/api").status


def test_an_application_with_a_root_path_of_its_own_is_taken_at_its_word(behind):
    app = App()
    app.root_path = "/api"

    assert 403 == asked(gate(app, behind, *TABLE, root_path="/api"), "/admin/x").status
    assert 400 == asked(gate(app, behind, *TABLE), "/api/admin/x").status


# -- published -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "body"), [("GET", True), ("HEAD", False)])
def test_metadata_is_for_everybody(behind, method, body):
    app = App()
    path = "/.well-known/oauth-protected-resource/mcp"

    answer = asked(gate(app, behind, resource=RESOURCE), path, token="", method=method)

    assert (200, ["application/json"]) == (answer.status, answer.all("content-type"))
    assert body is bool(answer.body)
    assert [] == app.scopes + behind.lines


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
def test_and_only_to_be_read(behind, method):
    path = "/.well-known/oauth-protected-resource/mcp"

    assert 401 == asked(gate(App(), behind, resource=RESOURCE), path, token="", method=method).status


# -- the lifespan --------------------------------------------------------------------------------------------------

LIFESPAN = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
COMPLETE = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def lived(middleware):
    sent = asyncio.run(sent_by(middleware, {"type": "lifespan", "asgi": {}}, list(LIFESPAN)))
    return [message["type"] for message in sent], sent


class Living(App):
    async def __call__(self, scope, receive, send):
        for what in ("startup", "shutdown"):
            message = await receive()
            assert message["type"] == f"lifespan.{what}"
            self.received.append(what)
            await send({"type": f"lifespan.{what}.complete"})


def test_the_lifespan_passes_through_and_closes_the_gateway(behind):
    app = Living()

    assert COMPLETE == lived(gate(app, behind))[0]
    assert ["startup", "shutdown"] == app.received
    [made] = behind.made
    with pytest.raises(Refused, match="shutting down"):
        asyncio.run(made.closing[1](b"k", None))


def test_an_application_without_a_lifespan_is_spared_it(behind):
    assert COMPLETE == lived(gate(App(), behind))[0]
    assert 1 == len(behind.made)


@pytest.mark.parametrize("app", [Living(), App()], ids=["with a lifespan", "without"])
def test_settings_with_problems_stop_the_server_and_all_are_said(app):
    types, sent = lived(PhantomGate(app, Settings(introspection=Introspection("http://as.example/i"))))

    assert ["lifespan.startup.failed"] == types
    assert "client_id" in sent[0]["message"]
    assert "allow_insecure_http" in sent[0]["message"]


def test_an_application_that_fails_to_start_fails(behind):
    async def app(scope, receive, send):
        await receive()
        raise KeyError("pool")

    with pytest.raises(KeyError):
        lived(gate(app, behind))


def test_an_application_that_swallows_our_failure_does_not_start_either():
    async def app(scope, receive, send):
        try:
            await receive()
        except SettingsError:
            await send({"type": "lifespan.startup.complete"})

    assert ["lifespan.startup.failed"] == lived(PhantomGate(app, Settings()))[0]


def test_without_a_lifespan_settings_with_problems_let_nothing_in():
    app = App()

    with pytest.raises(SettingsError):
        asked(PhantomGate(app, Settings()), "/orders")
    assert [] == app.scopes


def test_settings_are_a_file_too(behind, tmp_path):
    file = tmp_path / "phantomgate.toml"
    file.write_text(
        '[introspection]\nendpoint = "https://as.example/i"\nclient_id = "g"\nclient_secret = "env:SECRET"\n'
    )

    for source in (file, str(file)):
        assert 200 == asked(PhantomGate(App(), source, wire=behind), "/orders").status
    assert [frozenset()] * 2 == [frozenset(made.settings.routes) for made in behind.made]


def test_another_loop_gets_a_gateway_of_its_own(behind):
    middleware = gate(App(), behind)

    assert [200, 200] == [asked(middleware, "/orders").status for _ in range(2)]
    assert 2 == len(behind.made)


def test_more_scopes_are_asked_for_by_the_strategy_of_the_settings(behind):
    app = App()
    asked(PhantomGate(app, settings(policy=Policy(scope_strategy="hierarchic")), wire=behind), "/")
    caller = app.scopes[0]["state"]["phantomgate"]

    caller.require("read", "write.all")
    with pytest.raises(Refused) as no:
        caller.require("read", "admin")
    assert (Reason.INSUFFICIENT_SCOPE, "admin read") == (no.value.reason, no.value.scope)


def test_one_call_answers_all_who_wait_for_it(clock):
    async def story():
        behind = Behind(clock)
        middleware = gate(App(), behind)
        answers = await asyncio.gather(*(ask(middleware, "/orders") for _ in range(50)))
        assert {200} == {answer.status for answer in answers}
        assert 1 == len(behind.http.calls)

    asyncio.run(story())


# -- browsers ------------------------------------------------------------------------------------------------------


def test_a_preflight_is_answered_and_the_application_never_hears_of_it(behind):
    app = App()
    middleware = PhantomGate(app, settings(READ), wire=deciding(behind, lambda decision: Decided(204, CORS)))

    answer = asked(middleware, "/orders", method="OPTIONS", token="")

    assert (204, b"", ["https://www.example"]) == (
        answer.status,
        answer.body,
        answer.all("access-control-allow-origin"),
    )
    assert [] == app.scopes


def test_what_the_clients_answer_carries_is_in_it_and_cors_is_our_business_alone(behind):
    async def app(scope, receive, send):
        fields = [(b"access-control-allow-origin", b"*"), (b"x-other", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    def change(decision):
        decision.client = CORS
        return decision

    answer = asked(PhantomGate(app, settings(READ), wire=deciding(behind, change)), "/orders")

    assert [("x-other", "1"), *((name.lower(), value) for name, value in CORS)] == answer.headers


@pytest.mark.parametrize("left", [b"", b"theme=dark"])
def test_a_cookie_that_is_not_for_the_application_does_not_reach_it(behind, left):
    def change(decision):
        decision.upstream = replace(decision.upstream, cookies=lambda headers: left)
        return decision

    app = App()
    middleware = PhantomGate(app, settings(READ), wire=deciding(behind, change))
    asked(middleware, "/orders", ("cookie", "app-at=sealed; theme=dark"), ("cookie", "x=y"))

    assert ([left] if left else []) == [value for name, value in app.scopes[0]["headers"] if name == b"cookie"]
