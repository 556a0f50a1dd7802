"""The applications of deploy/python as shipped, each on its real server: FastAPI, Starlette and Litestar on uvicorn,
Flask and Django on waitress."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import phantomgate
from interop.processes import listens, process
from ports import free_port
from servers.authorization import authorization_server

DEPLOY = Path(__file__).parents[2] / "deploy" / "python"
UVICORN = ("-m", "uvicorn", "--host", "127.0.0.1", "--log-level", "warning", "--port")
WAITRESS = ("-m", "waitress", "--threads=8", "--host=127.0.0.1", "--port")
ASGI = ["fastapi_app:app", "starlette_app:app", "litestar_app:app"]
WSGI = ["flask_app:app", "django_app:application"]


@contextmanager
def running(app: str, folder: Path, endpoint: str) -> Iterator[int]:
    """The port of *app* on its server, while it runs as a user would run it."""
    port = free_port()
    command = [sys.executable, *(WAITRESS if app in WSGI else UVICORN), str(port), app]
    environ = {
        "GATEWAY_SECRET": "s3cret",
        "PHANTOMGATE__INTROSPECTION__ENDPOINT": endpoint,
        "PYTHONPATH": f"{DEPLOY}:{Path(phantomgate.__file__).parents[1]}",
    }
    with process(
        command, folder / f"{app.partition(':')[0]}.log", ready=lambda: listens(port), cwd=DEPLOY, environ=environ
    ):
        yield port


@pytest.fixture(scope="module")
def authority() -> Iterator[str]:
    with authorization_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module", params=[*ASGI, *WSGI])
def port(request: Any, authority: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp("app"), authority) as port:
        yield port


@pytest.fixture(scope="module", params=ASGI)
def asgi_port(request: Any, authority: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp("app"), authority) as port:
        yield port


def ask(
    port: int, path: str, token: str | None = "good", method: str = "GET", body: Any = None, **fields: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method, path)
    for name, value in fields.items():
        connection.putheader(name.replace("__", "_") if "__" in name else name.replace("_", "-"), value)
    if token:
        connection.putheader("Authorization", f"Bearer {token}")
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    got = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return got


def test_the_api_gets_the_jwt_and_who_calls(port):
    status, _, body = ask(port, "/orders", X_User="eve", X__User="eve")

    said = json.loads(body)
    assert (200, "ann", "ann") == (status, said["for"], said["x-user"])
    scheme, _, token = said["authorization"].partition(" ")
    assert ("Bearer", 2) == (scheme, token.count("."))


REFUSED = [
    ("/orders", None, 401, "missing_credential"),
    ("/orders", "unknown", 401, "invalid_token"),
    ("/orders", "a,b", 400, "invalid_request"),
    ("/admin/users", "good", 403, "insufficient_scope"),
    ("/%61dmin/users", "good", 403, "insufficient_scope"),
    ("/admin%2Fusers", "good", 400, "invalid_request"),
    ("/orders/..%2Fadmin/users", "good", 400, "invalid_request"),
    ("//admin/users", "good", 400, "invalid_request"),
    ("/orders/%2e%2e/admin/users", "good", 400, "invalid_request"),
    ("/nothing/here/../../admin/users", "good", 400, "invalid_request"),
]


@pytest.mark.parametrize(("path", "token", "status", "error"), REFUSED)
def test_what_is_refused_never_reaches_the_api(port, path, token, status, error):
    got, fields, body = ask(port, path, token)

    assert (status, error) == (got, json.loads(body)["error"])
    assert ("www-authenticate" in fields) is (status != 404)
    assert "no-store" == fields["cache-control"]


def test_two_authorization_fields_are_refused(port):
    assert 400 == ask(port, "/orders", Authorization="Bearer good")[0]


def test_code_asks_for_more(port):
    status, _, body = ask(port, "/orders", method="POST", body=b"{}")

    assert 403 == status
    assert b"scope" in body


def test_bodies_and_streams_pass(port):
    assert (200, {"bytes": 3_000_000}) == (
        (got := ask(port, "/upload", method="POST", body=b"x" * 3_000_000))[0],
        json.loads(got[2]),
    )
    assert b"line 0\nline 1\nline 2\n" == ask(port, "/stream")[2]


def test_an_authorization_server_that_is_down_is_no_401(port):
    status, fields, body = ask(port, "/orders", "held")  # as long as we wait

    assert (503, "temporarily_unavailable") == (status, json.loads(body)["error"])
    assert 1 <= int(fields["retry-after"]) <= 60


def test_a_websocket_opens_for_whom_it_may(asgi_port):
    with connect(f"ws://127.0.0.1:{asgi_port}/live", additional_headers={"Authorization": "Bearer good"}) as socket:
        assert "hello ann" == socket.recv()
        socket.send("ping")
        assert "ping" == socket.recv()


@pytest.mark.parametrize(
    ("path", "token", "status"), [("/live", "", 401), ("/live", "unknown", 401), ("/live/write", "good", 403)]
)
def test_a_websocket_is_refused_before_it_is_accepted(asgi_port, path, token, status):
    fields = {"Authorization": f"Bearer {token}"} if token else {}

    with pytest.raises(InvalidStatus) as no, connect(f"ws://127.0.0.1:{asgi_port}{path}", additional_headers=fields):
        raise AssertionError("it opened")
    assert status == no.value.response.status_code


def test_a_server_with_bad_settings_does_not_start(tmp_path):
    with pytest.raises(AssertionError, match=r"introspection\.client_secret"), running_without_secret(tmp_path):
        raise AssertionError("it started")


@contextmanager
def running_without_secret(folder: Path) -> Iterator[None]:
    port = free_port()
    command = [sys.executable, *UVICORN, str(port), "starlette_app:app"]
    environ = {"PYTHONPATH": f"{DEPLOY}:{Path(phantomgate.__file__).parents[1]}"}
    with process(command, folder / "log", ready=lambda: listens(port), cwd=DEPLOY, environ=environ):
        yield


def test_openapi_shows_the_scopes_of_each_operation():
    sys.path.insert(0, str(DEPLOY))
    try:
        from fastapi_app import app
    finally:
        sys.path.remove(str(DEPLOY))
    spec = app.openapi()

    assert [{"phantomgate": ["read"]}] == spec["paths"]["/orders"]["get"]["security"]
    assert [{"phantomgate": ["orders:write"]}] == spec["paths"]["/orders"]["post"]["security"]
    assert {"type": "http", "scheme": "bearer"} == spec["components"]["securitySchemes"]["phantomgate"]


# -- the Model Context Protocol ----------------------------------------------------------------------------------------

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


@pytest.fixture(scope="module", params=[{"aud": "https://api.example/mcp"}])
def mcp_port(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("mcp")
    with authorization_server(**request.param) as endpoint, running("mcp_server:app", folder, endpoint) as port:
        yield port


def call(port: int, token: str | None) -> tuple[int, dict[str, str], bytes]:
    return ask(
        port, "/mcp", token, "POST", json.dumps(CALL).encode(), Content_Type="application/json",
        Accept="application/json, text/event-stream", MCP_Protocol_Version="2025-06-18",
    )  # fmt: skip


def test_a_tool_knows_whose_token_it_is(mcp_port):
    status, _, body = call(mcp_port, "good")

    assert (200, "ann") == (status, json.loads(body)["result"]["content"][0]["text"])


@pytest.mark.parametrize("token", [None, "unknown", "a,b"])
def test_a_bad_token_is_the_sdks_401_with_the_metadata(mcp_port, token):
    status, fields, _ = call(mcp_port, token)

    assert 401 == status
    where = "https://api.example/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in fields["www-authenticate"]


def test_an_authorization_server_that_is_down_logs_nobody_out(mcp_port):
    status, fields, body = call(mcp_port, "held")

    assert (503, "temporarily_unavailable") == (status, json.loads(body)["error"])
    assert "retry-after" in fields


def test_the_metadata_is_published(mcp_port):
    status, _, body = ask(mcp_port, "/.well-known/oauth-protected-resource/mcp", None, Host="127.0.0.1")

    said = json.loads(body)
    assert (200, "https://api.example/mcp") == (status, said["resource"])
    assert ["https://as.example"] == said["authorization_servers"]


def test_a_token_for_another_api_is_none_for_this_one(tmp_path):
    with (
        authorization_server(aud="https://other.example") as endpoint,
        running("mcp_server:app", tmp_path, endpoint) as port,
    ):
        assert 401 == call(port, "good")[0]
