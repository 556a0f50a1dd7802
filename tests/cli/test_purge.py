"""`phantomgate purge` as a person types it: what can't be meant is said with its remedy, and nothing is sent then."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from in_a_thread import HttpServer, in_a_thread
from phantomgate.cli.main import main
from processes import python

SECRET = "canary-revocation-secret-of-32-characters"
TOKEN = "canary-token-3f5c1b"
SETTINGS = {
    "PHANTOMGATE__INTROSPECTION__ENDPOINT": "https://as.example/introspect",
    "PHANTOMGATE__INTROSPECTION__CLIENT_ID": "gateway",
    "PHANTOMGATE__INTROSPECTION__CLIENT_SECRET": "env:CANARY",
    "PHANTOMGATE__REVOCATION__SECRET": "env:CANARY",
    "CANARY": SECRET,
}


@pytest.fixture
def purge(capsys):
    """The exit code and both streams; no secret is in them."""

    def run(*words, **environ):
        code = main(["purge", *words], {**SETTINGS, **environ})
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert TOKEN not in out + err
        return code, out, err

    return run


class Service:
    """Answers every call with *status* and *body*, and keeps what it was sent."""

    def __init__(self, status, body):
        self.calls = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                service.calls.append((self.path, json.loads(sent)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = HttpServer(("127.0.0.1", 0), Handler)


def answered(purge, status, body, *words):
    service = Service(status, body)
    with in_a_thread(service.server) as port:
        said = purge(*(words or ("--sub", "alice")), "--url", f"http://127.0.0.1:{port}")
    return said, service.calls


def test_who_is_named_is_sent_and_done_is_0(purge):
    assert ((0, "purged\n", ""), [("/purge", {"sub": "alice"})]) == answered(purge, 200, b'{"purged":"sub"}')


@pytest.mark.parametrize(
    ("status", "body", "code", "piece"),
    [
        (401, b"", 2, "wrong secret or clock"),
        (400, b'{"error_description":"want one of token, sid"}', 2, "want one of token, sid"),
        (404, b"<html>nobody here", 2, "is it at this address?"),
        (400, b'["error_description"]', 2, "is it at this address?"),
        (400, b'{"error_description":7}', 2, "is it at this address?"),
        (400, b"[" * 30_000, 2, "is it at this address?"),
        (400, '{"error_description":"\x1b[2J\u00e4"}'.encode(), 2, "is it at this address?"),
        (400, b'{"error_description":"\\u001b[2J"}', 2, "\\u001b"),
        (503, b"", 1, "is it at this address?"),
    ],
)
def test_whoever_answers_whatever_it_is_told(purge, status, body, code, piece):
    (ended, out, err), _ = answered(purge, status, body)
    assert (code, "") == (ended, out)
    assert err.startswith(f"not purged: the service answered {status}: ")
    assert piece in err
    assert err.rstrip("\n").isprintable()


@pytest.mark.parametrize("url", ["foo", "http://", "ftp://x", "http://h:99999", "http://u:p@h", "http://h\xfc"])
def test_what_is_no_url_is_said(purge, url):
    code, _, err = purge("--sub", "alice", "--url", url)
    assert 2 == code
    assert "--url" in err
    assert "want a URL such as" in err


def test_a_token_crosses_no_network_in_the_clear(purge, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    code, _, err = purge("--token-file", str(tmp_path / "token"), "--url", "http://10.255.0.1:9093")
    assert (2, True) == (code, "in the clear; write https://" in err)


def test_a_token_comes_from_a_file(purge, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    words = "--token-file", str(tmp_path / "token")
    assert [("/purge", {"token": TOKEN})] == answered(purge, 200, b"{}", *words)[1]


@pytest.mark.parametrize(
    ("data", "piece"),
    [
        (None, "can't be read: No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "not ASCII"),
        (b"a" * 16385, "over 16384 bytes"),
    ],
)
def test_a_file_without_a_token_is_said(purge, tmp_path, data, piece):
    if data is not None:
        (tmp_path / "token").write_bytes(data)
    code, _, err = purge("--token-file", str(tmp_path / "token"))
    assert 2 == code
    assert "--token-file" in err
    assert piece in err


@pytest.mark.parametrize("listen", ["unix:/run/purge.sock", "127.0.0.1:0"])
def test_where_nothing_can_be_called_the_url_is_asked_for(purge, listen):
    code, _, err = purge("--sub", "alice", PHANTOMGATE__REVOCATION__LISTEN=listen)
    assert (2, True) == (code, "--url" in err)


def test_nothing_named_is_2(purge):
    code, _, err = purge()
    assert (2, True) == (code, "purge what?" in err)


def test_nobody_there_is_1(purge):
    code, _, err = purge("--sub", "alice", PHANTOMGATE__REVOCATION__LISTEN="[::1]:1")
    assert (1, True) == (code, err.startswith("not purged: no connection to http://[::1]:1"))


def test_a_token_that_is_no_text_on_standard_input_is_no_traceback():
    done = python("-m", "phantomgate", "purge", "--token-file", "-", stdin="\u00e4", **SETTINGS)
    assert (2, "") == (done.returncode, done.stdout)
    assert "holds no token" in done.stderr
