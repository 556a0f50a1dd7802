"""`phantomgate doctor` at gateways of our own that do what no gateway should: each hole is found, and said well."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantomgate.cli.doctor.judging import resolved
from phantomgate.cli.main import main
from ports import free_port

TOKEN = "opaque-canary-0123456789"
ASKED = 'endpoint = "https://as.example/"\nclient_id = "g"\nclient_secret = "env:S"\n'
JWT = "aGVhZA.Ym9keQ.c2ln"


@contextmanager
def gateway(act: Callable[[bytes, int], bytes | None], api: int):
    """A gateway that sends on what *act* makes of a request, or answers 401 for None; its port."""

    def answer(client):
        with client, suppress(OSError):
            client.settimeout(60)
            data = b""
            while b"\r\n\r\n" not in data:
                more = client.recv(65536)
                if not more:
                    return
                data += more
            sent = act(data, api)
            if sent is None:
                client.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", api), 60) as server:
                server.sendall(sent)
                while more := server.recv(65536):
                    client.sendall(more)

    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def through(data, api):
    """Passes everything, and the JWT with it where the good token is."""
    return data.replace(f"Bearer {TOKEN}".encode(), f"Bearer {JWT}".encode())


def closed(data, api):
    """Passes nothing."""


def strict(data, api):
    """Passes only the fields that it knows, and only with the one good credential on a plain path."""
    head = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, target, version = head[0].split(" ")
    fields = [line.partition(":")[::2] for line in head[1:]]
    given = [value.strip() for name, value in fields if name.lower() == "authorization"]
    odd = any(name.lower() in ("upgrade", "transfer-encoding", "content-length") for name, _ in fields)
    path = target.partition("?")[0]
    if given != [f"Bearer {TOKEN}"] or odd or method != "GET" or path != "/orders":
        return None
    return f"GET {target} {version}\r\nHost: x\r\nAuthorization: Bearer {JWT}\r\nX-User: ann\r\n\r\n".encode()


def doctor(capsys, act, *options, url="", environ=None):
    api = free_port()
    with gateway(act, api) as port:
        where = [url or f"http://127.0.0.1:{port}", "--api", f"127.0.0.1:{api}", "--token", "env:TOKEN"]
        code = main(["doctor", *where, "--allowed", "/orders", *options], {"TOKEN": TOKEN} | (environ or {}))
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    return code, out, err


def holes(out):
    return {one["case"] for one in json.loads(out)["findings"] if one["outcome"] == "hole"}


def test_a_gateway_that_lets_everything_pass_has_every_hole_there_is(capsys):
    code, out, _ = doctor(capsys, through, "--forbidden", "/admin", "--identity", "X-User", "--json")
    assert 1 == code
    found = holes(out)
    for name in (
        "no-credential", "unknown-token", "other-scheme", "two-fields", "joined", "query-token",
        "alias-x-authorization",
        "trailer", "method-options", "spoofed-x-user", "spelled-X_User", "named-x-original", "renamed-x-forwarded",
        "override-x-original-url", "override-x-http-method", "path plain", "path encoded slash", "path two slashes",
        "path parent behind semicolon", "path encoded letter", "cl-te", "websocket", "folded", "bare-lf", "long-head",
        "http-1.0", "body-question",
    ):  # fmt: skip
        assert name in found, name
    assert "good-token" not in found


def test_a_strict_one_has_none(capsys):
    code, out, err = doctor(capsys, strict, "--forbidden", "/admin", "--identity", "X-User")
    assert (0, "") == (code, err)
    assert "HOLE" not in out
    assert "0 holes" in out.splitlines()[-1]


def test_a_hole_is_told_with_what_to_do(capsys):
    def believes(data, api):
        made = strict(data, api)
        spoofed = b"X-User: doctor" in data
        return made and made.replace(b"X-User: ann", b"X-User: doctor-made-this-up") if spoofed else made

    code, out, _ = doctor(capsys, believes, "--identity", "X-User")
    assert 1 == code
    [line] = [line for line in out.splitlines() if "HOLE" in line]
    assert "X-User made up: what the client made up reached the API, in X-User" in line
    following = out.splitlines()[out.splitlines().index(line) + 1]
    assert "do: headers that say who the caller is must be set from phantomgate's answer" in following


def test_an_identity_that_a_client_can_take_away_is_a_hole(capsys):
    def drops(data, api):
        made = strict(data, api)
        return made and made.replace(b"X-User: ann\r\n", b"") if b"close, X-User" in data else made

    assert {"hop-x-user"} == holes(doctor(capsys, drops, "--identity", "X-User", "--json")[1])


def test_the_token_upstream_beside_the_jwt_is_a_hole(capsys):
    def leaks(data, api):
        made = strict(data, api)
        return made and made.replace(b"X-User: ann", b"X-Was: " + TOKEN.encode())

    assert "good-token" in holes(doctor(capsys, leaks, "--json")[1])


def test_a_gateway_that_lets_nothing_pass_proves_nothing(capsys):
    code, out, _ = doctor(capsys, closed)
    assert 1 == code
    assert "The good token was not let in" in out
    assert 1 == out.count("HOLE")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--forbidden", "admin"], "want a path such as"),
        (["--forbidden", "/"], "all paths are below"),
        (["--allowed", "/a b"], "want a path such as"),
        (["--api", "unix:/x"], "want an address"),
        (["--api", "nowhere"], "want an address"),
        (["--token", TOKEN], "is not a reference"),
        (["--token", "env:MISSING"], "MISSING"),
        (["--ca-file", "/missing.pem"], "can't be read"),
    ],
)
def test_what_can_t_be_meant_is_said(capsys, options, said):
    url = "https://127.0.0.1:1" if "--ca-file" in options else ""
    code, _, err = doctor(capsys, strict, *options, url=url)
    assert 2 == code
    assert said in err


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:80", "ftp://x", "http://", "http://u:p@x", "http://x/?a=b", "http://x/orders", "http://x#a"),
        *("http://[::1", "http://x:99999", "http://\u65e5", f"http://{'a' * 300}"),
    ],
)
def test_a_gateway_is_a_url(capsys, url):
    code, _, err = doctor(capsys, strict, url=url)
    assert 2 == code
    assert "want a URL such as" in err


@pytest.mark.parametrize("token", ["\u65e5", "two words", "a" * 9000, ""])
def test_a_token_that_cant_be_sent_is_said_and_not_repeated(capsys, token):
    code, _, err = doctor(capsys, strict, "--token", "env:ODD", environ={"ODD": token})
    assert (2, True) == (code, "--token" in err)
    assert not token or token not in err


def test_a_token_itself_is_no_argument(capsys):
    code, _, err = doctor(capsys, strict, "--token", "canary-typed-token")
    assert (2, True, False) == (code, "write env:NAME" in err, "canary-typed-token" in err)


@pytest.mark.parametrize("name", ["X-\u65e5", "X-A\r\nB: c", "", "X A"])
def test_an_identity_is_the_name_of_a_header(capsys, name):
    code, _, err = doctor(capsys, strict, "--identity", name)
    assert (2, True) == (code, "want the name of a header" in err)


def test_nobody_there_and_somebody_in_our_place_are_said(capsys):
    code, _, err = doctor(capsys, strict, url=f"http://127.0.0.1:{free_port()}")
    assert (2, True) == (code, "can't be reached" in err)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        code, _, err = doctor(capsys, strict, "--api", f"127.0.0.1:{taken.getsockname()[1]}")
    assert (2, True) == (code, "stop the API first" in err)


def test_identity_comes_from_the_settings(capsys, tmp_path):
    config = tmp_path / "gate.toml"
    config.write_text('[forward]\nclaims = { "X-Tenant" = "tenant" }\n[introspection]\n' + ASKED)
    _, out, _ = doctor(capsys, strict, "--config", str(config), "--json")
    assert "hop-x-tenant" in out
    config.write_text("[forward]\nclaim = 1")
    code, _, err = doctor(capsys, strict, "--config", str(config))
    assert (2, True) == (code, "claims" in err)


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "//admin",
        "/%61dmin",
        "/a/..%2fadmin",
        "/a/..;x/admin",
        "/a\\..\\admin",
        "/admin%00.png",
        "/a/%252e%252e/admin",
        "http://x/admin",
        "/./admin;a=b",
        "/admin%23/x",
    ],
)
def test_paths_are_read_as_the_most_helpful_of_servers_would(path):
    assert "/admin" == resolved(path)


@given(st.text(max_size=40))
def test_any_path_is_read_somehow(path):
    assert resolved(path).startswith("/")
